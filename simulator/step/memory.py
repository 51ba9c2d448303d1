"""Bytes on one accelerator, stage by stage: does it fit, by how much not."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step import experts, scan
from simulator.step.context import gathered
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.pipeline import in_flight, microbatches
from simulator.step.placement import Placement, deal
from simulator.step.roofline import Numbers
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = [
    "Activations", "Footprint", "Holdings", "Memory", "Parameters", "activation_bytes", "footprint", "holdings",
    "least_bytes", "least_state", "stage_parameters", "usable",
]  # fmt: skip

_RUNTIME = 1.2e9  # context of the driver, workspaces of the libraries
_COMMUNICATOR = 0.35e9  # buffers of one group that talks; measured 0.34 to 0.39 GB by aiconfigurator
_USABLE = 0.94  # the allocator's share that fragmentation leaves; what SimuMax found on B200
_LOGIT = 6.0  # bytes of one: fp32 for the softmax, turned into its gradient in place, and 16 bit on both sides


@dataclass(frozen=True, slots=True)
class Memory:
    """What one accelerator holds. [B]"""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    buffers: float
    capacity: float

    @property
    def total(self) -> float:
        """Bytes needed."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.buffers

    @property
    def margin(self) -> float:
        """Bytes left; negative when it does not fit."""
        return self.capacity - self.total


@dataclass(frozen=True, slots=True)
class Footprint:
    """:class:`Memory` of many layouts as arrays. Shape: kinds of stages × layouts; one row where all are alike.

    Rows are the first stage, the fullest of those between, and the last.  A layout without pipeline is its last row;
    the others are smaller and never the fullest.
    """

    weights: Numbers
    gradients: Numbers
    optimizer: Numbers
    activations: Numbers
    buffers: Numbers
    capacity: float

    @property
    def total(self) -> Numbers:
        """Bytes needed. Shape: kinds of stages × layouts."""
        needed: Numbers = self.weights + self.gradients + self.optimizer + self.activations + self.buffers
        return needed

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Footprint:
        """The same of the layouts for which ``chosen`` is true, or of those at its indices."""
        held = {f.name: getattr(self, f.name)[:, chosen] for f in fields(self) if f.name != "capacity"}
        return Footprint(**held, capacity=self.capacity)

    @property
    def margin(self) -> Numbers:
        """Bytes left on the fullest stage; negative when a layout does not fit. Shape: layouts."""
        left: Numbers = self.capacity - self.total.max(axis=0)
        return left

    def at(self, index: int) -> Memory:
        """The fullest accelerator of one layout."""
        return self._row(int(np.argmax(self.total[:, index])), index)

    def stages(self, index: int, pipeline: int) -> dict[str, Memory]:
        """One accelerator of each kind of stage that a pipeline of so many stages has."""
        rows = {"first": 0, "middle": 1, "last": 2} if pipeline > 2 else {"first": 0, "last": 2}
        return {name: self._row(row, index) for name, row in rows.items()} if pipeline > 1 else {"all": self.at(index)}

    def _row(self, row: int, index: int) -> Memory:
        held = {f.name: float(getattr(self, f.name)[row, index]) for f in fields(self) if f.name != "capacity"}
        return Memory(**held, capacity=self.capacity)


def usable(machine: Machine) -> float:
    """Bytes of an accelerator that a layout may need."""
    return machine.memory * _USABLE


def _kinds(first: Numbers | float, middle: Numbers | float, last: Numbers) -> Numbers:
    rows = np.empty((3, *last.shape))
    rows[0], rows[1], rows[2] = first, middle, last
    return rows


def _layers(model: Transformer, placed: Placement) -> Numbers:
    """Layers of each kind of stage; what predicts further tokens is on the last one, a layer each."""
    layers = placed.layers
    if model.next_tokens:
        layers = layers.copy()
        layers[2] += model.next_tokens
    return layers


class Parameters(NamedTuple):
    """Weights of one rank: of layers, of embeddings, of routed experts. Shape: kinds of stages × layouts."""

    shared: Numbers
    embedding: Numbers
    routed: Numbers
    gathered: Numbers  # what ZeRO 3 gathers at once: a layer, or one of some four tensors in it. Shape: layouts

    @property
    def fullest(self) -> tuple[Numbers, Numbers]:
        """On the fullest rank: split by tensor and pipeline, and experts. Shape: layouts."""
        return (self.shared + self.embedding).max(axis=0), self.routed.max(axis=0)


def stage_parameters(model: Transformer, recipe: Recipe, L: Layouts, placed: Placement) -> Parameters:
    """Weights of a rank of each kind of stage.

    The first stage holds the input embedding beside its layers, the last one the output embedding; tied weights are
    held by both.  DualPipe puts a stage and its mirror image on one rank.
    """
    layers, leading = _layers(model, placed), placed.leading
    others, ranks = model.layers - model.leading_layers, experts.ranks(recipe, L)
    one = (model.shared_parameters - model.leading_layers * model.leading_parameters) / others
    experts_of_one = model.routed_parameters / others
    table = float(model.vocabulary * model.hidden)
    whole = np.where(L.pipeline > 1, table, float(model.embedding_parameters))
    embedding = _kinds(table, 0.0, whole) / L.tensor
    shared = (layers * one + leading * (model.leading_parameters - one)) / L.tensor
    routed = experts_of_one * (layers - leading) / ranks
    unit = (one / L.tensor + experts_of_one / ranks) / (1 if recipe.sharding == "layer" else 4)
    if L.two_way.any():
        shared, embedding, routed = (part + L.two_way * part[::-1] for part in (shared, embedding, routed))
        unit = np.where(L.two_way, 2, 1) * unit
    return Parameters(shared, embedding, routed, unit)


def activation_bytes(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Activations one microbatch leaves behind in an average layer, one recomputed in full only its input. [B]"""
    full = L.recomputed(deal(model, recipe, L).fullest)
    kept, *_ = _kept(model, recipe, L, L.recompute == 1)
    result: Numbers = full * _inputs(model, recipe, L) + (1 - full) * _tokens(recipe, L) * kept
    return result


def _inputs(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Bytes of one layer's input, which a rank keeps of a microbatch."""
    spread = np.where(L.sequence_parallel > 0, L.tensor, 1.0)
    result: Numbers = _tokens(recipe, L) * 2 * model.hidden / spread
    return result


def _tokens(recipe: Recipe, L: Layouts) -> Numbers:
    """Tokens of one microbatch on one rank."""
    return L.microbatch * recipe.sequence / L.context


def _kept(
    model: Transformer, recipe: Recipe, L: Layouts, drops: NDArray[np.bool_]
) -> tuple[Numbers] | tuple[Numbers, Numbers]:
    """Bytes a token leaves behind in one layer that is not recomputed in full, and in one of the leading ones.

    Per token, 16-bit activations, x bytes of an input of a matrix product, 1-byte dropout masks:

        replicated over tensor ranks (split with sequence parallelism): block inputs 4 h, norms 2 x h, dropout masks 2 h
        split: queries 2 a d, output 2 a d (and x a d more where it is cast), keys and values 4 g d,
            feed-forward (2 + x) f, or (4 + x) f gated
        fused attention: 4 a for the logarithm of its sums; unfused: 2 a s, with dropout 5 a s

    Selective recomputation ``drops`` what is large and cheap: the scores of unfused attention, the product of a gated
    feed-forward part (x f), and what latent attention expands (DeepSeek-V3, arXiv:2412.19437, section 3.2.3).
    Routed experts: :func:`simulator.step.experts.kept`; scans for attention: :func:`simulator.step.scan.kept`.

    Source
    ------
    Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models", arXiv:2205.05198, section 4,
    equations 1, 2 and 4; regrouped for grouped queries, gated feed-forward, experts and narrow formats.
    """
    t, h, formats = L.tensor, float(model.hidden), PRECISIONS[recipe.precision]
    x, cast = formats.input_bytes, formats.input_bytes if formats.input_bytes < 2 else 0.0
    spread = np.where(L.sequence_parallel > 0, t, 1.0)
    wide = np.where(drops, 4, 4 + x) if model.gated else 2 + x
    share = model.expert_layers / model.layers
    fed = model.fed / model.layers
    dense = wide * model.ffn * (fed - share + (share if model.residual_ffn else 0))
    dense = dense + share * model.shared_experts * wide * model.expert_width
    kv = np.maximum(model.key_value_heads / t, 1) * model.head
    attention = (4 + cast) * model.heads * model.head / t + 4 * kv
    if model.attention == "mla":  # queries and keys with their rotary part, values, output, and the compressed forms
        whole = model.heads * (2 * (model.head + model.rope_dim) + (2 + cast / 2) * model.value_head)
        expanded = np.where(drops, model.heads * (1 + cast / 2) * model.value_head, whole)  # or as it is compressed
        attention = 2 * expanded / t + x * ((model.query_rank or 0) + (model.kv_rank or 0) + model.rope_dim)
    scores = (5.0 if recipe.dropout else 2.0) * model.heads * recipe.sequence / t
    attention = attention + (4 * model.heads / t if recipe.fused_attention else np.where(drops, 0.0, scores))
    if model.scan_layers:
        attention = model.attending * attention + scan.kept(model, t, x)
    kept = (2 + x + (1 if recipe.dropout else 0)) * (1 + fed) * h / spread + attention
    average = kept + dense / t + experts.kept(model, recipe, L, drops)
    return (average, kept + wide * model.ffn / t) if model.leading_layers else (average,)


def _state(recipe: Recipe, L: Layouts, held: Numbers, replicas: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Weights, gradients and optimizer state of ``held`` parameters. [B]

    ZeRO 1, 2, 3 spread the optimizer, the gradients and the weights over the replicas (arXiv:1910.02054, section 5).
    But for DeepSpeed the fp32 master is then the only copy that stays; 16-bit weights are made when gathered.
    """
    formats = PRECISIONS[recipe.precision]
    optimizer, gradients, weights = (held / np.where(L.zero >= stage, replicas, 1) for stage in (1, 2, 3))
    only = (L.zero >= 3) & (recipe.sharding != "tensor")
    return (
        np.where(only, 0.0, formats.weight_bytes) * weights,
        recipe.gradient_bytes * gradients,
        formats.optimizer_bytes * optimizer,
    )


class Activations(NamedTuple):
    """Bytes of activations in the parts that recomputation changes. Shape: kinds of stages × layouts.

    Those of microbatches with no layer recomputed in full, or all of them; and what is needed beside them without and
    with recomputation.
    """

    layers: Numbers  # whose these are
    whole: Numbers
    inputs: Numbers
    beside: Numbers
    again: Numbers

    def flying(self, recipe: Recipe, L: Layouts) -> Activations:
        """Of all microbatches in flight, where these are of one."""
        stage = _kinds(0.0, np.minimum(1, L.pipeline - 1), L.pipeline - 1)
        times = in_flight(stage, microbatches(recipe.batch, L), L)
        if recipe.activations_outside:  # but for the layer that arrives and the one that leaves
            times = np.minimum(times, 2 / np.maximum(self.layers, 1))
        return self._replace(whole=times * self.whole, inputs=times * self.inputs)

    def needed(self, share: Numbers | float) -> Numbers:
        """Bytes needed where a ``share`` of the layers is recomputed in full."""
        total: Numbers = self.whole + share * (self.inputs - self.whole) + np.where(share > 0, self.again, self.beside)
        return total

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Activations:
        """The same of the layouts for which ``chosen`` is true, or of those at its indices."""
        return Activations(*(part[:, chosen] for part in self))


def activations(model: Transformer, recipe: Recipe, L: Layouts, placed: Placement) -> Activations:
    """Activations of one microbatch, logits, and a layer while it is recomputed."""
    tokens = _tokens(recipe, L)
    drops = L.recompute == 1
    # as it is, and nothing dropped: what a layer needs while it is recomputed
    both = [tokens * kept for kept in _kept(model, recipe, L, np.array([drops, np.zeros_like(drops)]))]
    (each, again), *first = np.broadcast_to(both, (len(both), 2, len(L)))
    layers = _layers(model, placed)
    whole = layers * each
    for lighter, _ in first:  # others keep so much more that all together keep what as many average ones do
        more = (each - lighter) * model.layers / (model.layers - model.leading_layers)
        whole = layers * (lighter + more) - placed.leading * more
    if L.two_way.any():
        layers, whole = (np.where(L.two_way, (one + one[::-1]) / 2, one) for one in (layers, whole))
    logits = _LOGIT * tokens * model.vocabulary / L.tensor
    collected = gathered(model, recipe, L)
    # backward has let go of the logits when it comes to the first layer to recompute
    last, most = logits + collected, np.maximum(again, logits) + collected
    again = again + collected
    return Activations(
        layers=layers,
        whole=whole,
        inputs=layers * _inputs(model, recipe, L),
        beside=_kinds(np.where(L.two_way, last, collected), collected, last),
        again=_kinds(np.where(L.two_way, most, again), again, most),
    )


class Holdings(NamedTuple):
    """What the stages hold that neither replicas nor ZeRO, chunks or recomputed layers change."""

    placed: Placement
    weights: Parameters
    activations: Activations  # of one microbatch

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Holdings:
        """The same of the layouts for which ``chosen`` is true, or of those at its indices."""
        weights = Parameters(*(part[..., chosen] for part in self.weights))
        return Holdings(self.placed.where(chosen), weights, self.activations.where(chosen))


def holdings(model: Transformer, recipe: Recipe, L: Layouts) -> Holdings:
    """What each layout's stages hold."""
    placed = deal(model, recipe, L)
    return Holdings(placed, stage_parameters(model, recipe, L, placed), activations(model, recipe, L, placed))


def footprint(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts,
    held: Holdings | None = None, flying: Activations | None = None,
) -> Footprint:  # fmt: skip
    """Memory of each layout by kind of stage, of which some may be known already.

    Parameters, gradients and optimizer as sharded; activations of the microbatches in flight
    (:func:`simulator.step.pipeline.in_flight`); the logits of one on the last stage, or one layer in full while it is
    recomputed; with ZeRO 3 what is gathered; of what is offloaded, two layers.
    """
    placed, (shared, embedding, routed, unit), kept = held or holdings(model, recipe, L)
    copies = np.where(L.two_way, 2, 1)  # DualPipe keeps a second copy, which ZeRO shares like a replica
    of_shared = _state(recipe, L, shared + embedding, L.sharded * copies)
    of_routed = _state(recipe, L, routed, np.maximum(L.tensor * L.sharded / experts.ranks(recipe, L), 1) * copies)
    weights, gradients, optimizer = (a + b for a, b in zip(of_shared, of_routed, strict=True))
    # gathered: the layer at work and the next with the embeddings, or two tensors
    weights = weights + np.where(L.zero >= 3, 2 * (2 * unit + (embedding if recipe.sharding == "layer" else 0)), 0.0)
    gradients = gradients + np.where(L.zero >= 3, 2 * unit, 0.0)
    # of an optimizer in the host's memory only the layer that arrives and the one that leaves
    optimizer = optimizer * np.minimum(2 / placed.fullest, 1) if recipe.optimizer_outside else optimizer
    groups = 1.0 * (L.tensor > 1) + (L.pipeline > 1) + (L.context > 1) + (L.data > 1) + (L.expert > 1)
    return Footprint(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=(flying or kept.flying(recipe, L)).needed(L.recomputed(placed.fullest)),
        buffers=np.broadcast_to(_RUNTIME + _COMMUNICATOR * groups, weights.shape),
        capacity=usable(machine),
    )


def least_bytes(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers]:
    """Bytes each layout needs on its fullest stage however many replicas share its state and its microbatches. [B]

    As it is, and with all layers recomputed.  More replicas never need more memory each, but for the buffers of the
    group that they are from the second on.  Assumes that experts are not split, which may hang on the number of
    replicas.
    """
    many = replace(L, data=np.full_like(L.data, 2.0**40))
    held = holdings(model, recipe, many)
    flying = held.activations.flying(recipe, many)
    now = footprint(machine, model, recipe, many, held, flying)
    total, less = now.total - _COMMUNICATOR, flying.needed(1.0) - now.activations
    return total.max(axis=0), (total + less).max(axis=0)


def least_state(model: Transformer, recipe: Recipe) -> float:
    """Bytes of gradients and optimizer state that all accelerators hold together at least: one copy of each. [B]"""
    optimizer = 0.0 if recipe.optimizer_outside else PRECISIONS[recipe.precision].optimizer_bytes
    return model.parameters * (recipe.gradient_bytes + optimizer)
