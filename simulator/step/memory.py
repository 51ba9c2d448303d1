"""Bytes on one accelerator, stage by stage: does it fit, by how much not."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from simulator.step import experts, scan
from simulator.step.context import gathered
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.pipeline import in_flight, microbatches, stages
from simulator.step.roofline import Numbers
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = [
    "Footprint", "Memory", "activation_bytes", "activations", "footprint", "least_bytes", "least_state",
    "local_parameters", "usable",
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


def _parameters(model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers, Numbers]:
    """Weights of one rank by kind of stage: of layers, of embeddings, of routed experts. Shape: 3 × layouts.

    The first stage holds the input embedding beside its layers, the last one the output embedding; tied weights are
    held by both.  DualPipe puts a stage and its mirror image on one rank.
    """
    full, last = stages(model.depth, L)
    share = _kinds(full, full, last) / model.layers
    table = float(model.vocabulary * model.hidden)
    whole = np.where(L.pipeline > 1, table, float(model.embedding_parameters))
    embedding = _kinds(table, 0.0, whole) / L.tensor
    shared = model.shared_parameters * share / L.tensor
    routed = model.routed_parameters * share / experts.ranks(recipe, L)
    mirrored = L.two_way.astype(float)
    if not mirrored.any():
        return shared, embedding, routed
    return shared + mirrored * shared[::-1], embedding + mirrored * embedding[::-1], routed + mirrored * routed[::-1]


def local_parameters(model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers]:
    """Parameters on the fullest rank: split by tensor and pipeline, and experts. Shape: layouts."""
    shared, embedding, routed = _parameters(model, recipe, L)
    return (shared + embedding).max(axis=0), routed[0]


def activation_bytes(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Activations one microbatch leaves behind in an average layer, one recomputed in full only its input. [B]"""
    spread = np.where(L.sequence_parallel > 0, L.tensor, 1.0)
    full = L.recomputed(model.depth)
    kept = full * 2 * model.hidden / spread + (1 - full) * _kept(model, recipe, L, L.recompute == 1)
    result: Numbers = _tokens(recipe, L) * kept
    return result


def _tokens(recipe: Recipe, L: Layouts) -> Numbers:
    """Tokens of one microbatch on one rank."""
    return L.microbatch * recipe.sequence / L.context


def _kept(model: Transformer, recipe: Recipe, L: Layouts, drops: NDArray[np.bool_]) -> Numbers:
    """Bytes a token leaves behind in one layer that is not recomputed in full.

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
    kept = (2 + x + (1 if recipe.dropout else 0)) * (1 + fed) * h / spread + attention + dense / t
    result: Numbers = kept + experts.kept(model, recipe, L, drops)
    return result


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


def footprint(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Footprint:
    """Memory of each layout by kind of stage.

    Parameters, gradients and optimizer as sharded; activations of the microbatches in flight
    (:func:`simulator.step.pipeline.in_flight`); the logits of one on the last stage, or one layer in full while it is
    recomputed; with ZeRO 3 what is gathered; of what is offloaded, two layers.
    """
    shared, embedding, routed = _parameters(model, recipe, L)
    copies = np.where(L.two_way, 2, 1)  # DualPipe keeps a second copy, which ZeRO shares like a replica
    of_shared = _state(recipe, L, shared + embedding, L.sharded * copies)
    of_routed = _state(recipe, L, routed, np.maximum(L.tensor * L.sharded / experts.ranks(recipe, L), 1) * copies)
    weights, gradients, optimizer = (a + b for a, b in zip(of_shared, of_routed, strict=True))
    full, _ = stages(model.depth, L)
    # gathered: the layer at work and the next with the embeddings, or two tensors, of some four in a layer
    unit = (shared[0] + routed[0]) / full / (1 if recipe.sharding == "layer" else 4)
    weights = weights + np.where(L.zero >= 3, 2 * (2 * unit + (embedding if recipe.sharding == "layer" else 0)), 0.0)
    gradients = gradients + np.where(L.zero >= 3, 2 * unit, 0.0)
    # of an optimizer in the host's memory only the layer that arrives and the one that leaves
    optimizer = optimizer * np.minimum(2 / full, 1) if recipe.optimizer_outside else optimizer
    groups = 1.0 * (L.tensor > 1) + (L.pipeline > 1) + (L.context > 1) + (L.data > 1) + (L.expert > 1)
    return Footprint(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=activations(model, recipe, L),
        buffers=np.broadcast_to(_RUNTIME + _COMMUNICATOR * groups, weights.shape),
        capacity=usable(machine),
    )


def activations(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Bytes of activations by kind of stage: the one part of a footprint that recomputation changes."""
    full, last = stages(model.depth, L)
    each = activation_bytes(model, recipe, L)
    stage = _kinds(0.0, np.minimum(1, L.pipeline - 1), L.pipeline - 1)
    held = in_flight(stage, microbatches(recipe.batch, L), L)
    logits = _LOGIT * _tokens(recipe, L) * model.vocabulary / L.tensor
    # backward has let go of the logits when it comes to the first layer to recompute
    full_again = L.recomputed(model.depth) > 0
    again = 0.0 * each
    if full_again.any():
        again = full_again * _tokens(recipe, L) * _kept(model, recipe, L, np.zeros_like(full_again))
    collected = gathered(model, recipe, L)
    most, again = np.maximum(again, logits) + collected, again + collected
    layers = _kinds(full, full, np.where(L.two_way, full, last))
    # in the host's memory but for the layer that arrives and the one that leaves
    kept = np.minimum(layers * held, 2) if recipe.activations_outside else layers * held
    needed: Numbers = each * kept + _kinds(np.where(L.two_way, most, again), again, most)
    return needed


def least_bytes(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Bytes each layout needs on its fullest stage however many replicas share its state and its microbatches. [B]

    More replicas never need more memory each, but for the buffers of the group that they are from the second on.
    Assumes that experts are not split, which may hang on the number of replicas.
    """
    many = replace(L, data=np.full_like(L.data, 2.0**40))
    needed: Numbers = footprint(machine, model, recipe, many).total.max(axis=0) - _COMMUNICATOR
    return needed


def least_state(model: Transformer, recipe: Recipe) -> float:
    """Bytes of gradients and optimizer state that all accelerators hold together at least: one copy of each. [B]"""
    optimizer = 0.0 if recipe.optimizer_outside else PRECISIONS[recipe.precision].optimizer_bytes
    return model.parameters * (recipe.gradient_bytes + optimizer)
