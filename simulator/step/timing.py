"""One optimizer step, composed of its pieces, and where its time goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step import experts
from simulator.step.collectives import all_gather, all_reduce, group
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.memory import Footprint, Holdings, activation_bytes, footprint, holdings
from simulator.step.operators import Pass, ends, layer
from simulator.step.pipeline import bubble, microbatches, transfers
from simulator.step.roofline import Numbers, stream_time
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

_BUCKET, _BUCKET_RANK = 40e6, 1e6
"""Parameters whose gradients travel in one collective, at least, and for each rank of the group.

Megatron-Core's defaults (0.16.1, ``DistributedDataParallel``): with more ranks larger buckets, for latency's sake.
"""

_JITTER, _CALM = 0.015, 32
"""Share by which a step grows with each doubling of the scale-up domains that wait for each other, beyond the calm. [1]

A synchronous step ends with its slowest accelerator and its most congested path, and with many the worst is worse.
Slope of the logarithm of predicted over measured without this term against log₂ of the domains beyond 32, within each
model and source of seeds/measurements/throughput.csv, 250 rows of up to 11,616 accelerators; by source it runs from
-0.004 (Megatron-Core README) to 0.05 (MLPerf v4.0), with a median of 0.021.
"""

_TURNING = 22
"""Operators that turn queries and keys of a layer one by one, beyond the fused kernel of each.

Each takes cosine and sine, scales and casts both, multiplies, negates, joins, multiplies, adds and joins
(``_apply_rotary_pos_emb_bshd`` of Megatron-Core 0.16.1).
"""

__all__ = ["Cut", "Evaluation", "Pace", "Stage", "StepTime", "at_least", "cut", "evaluate", "stage"]


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of one optimizer step in steady state, part by part.

    ``parts`` begins with ``"model arithmetic at peak"``, the step on hardware that loses nothing; each further part is
    time on top of it, and together they are the whole step.  Attention counts in full in that first part, as MFU is
    defined, so a kernel that skips the masked half shows as a negative part.
    """

    parts: tuple[tuple[str, float], ...]
    tokens: float  # in one step
    model_flops: float  # forward and backward, no recomputation, attention counted full
    peak: float  # dense peak of all accelerators of the job in the number format used [FLOP/s]

    @property
    def total(self) -> float:
        """The step time. [s]"""
        return sum(seconds for _, seconds in self.parts)

    @property
    def mfu(self) -> float:
        """Model FLOPs over what the dense peak could have done in the time."""
        return self.model_flops / (self.total * self.peak)

    @property
    def tokens_per_second(self) -> float:
        """Tokens trained per second by the whole job."""
        return self.tokens / self.total


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Step times and memory of many layouts."""

    layouts: Layouts
    parts: dict[str, Numbers]
    memory: Footprint
    tokens: float
    model_flops: float
    peak: Numbers

    @property
    def total(self) -> Numbers:
        """Step times. [s]"""
        total: Numbers = sum(self.parts.values(), np.zeros(len(self.layouts)))
        return total

    @property
    def fits(self) -> NDArray[np.bool_]:
        """Which layouts fit into memory."""
        return self.memory.margin >= 0

    def at(self, index: int) -> StepTime:
        """The step time of one layout, parts that are zero left out."""
        named = [(name, float(seconds[index])) for name, seconds in self.parts.items()]
        kept = tuple((name, seconds) for name, seconds in named if seconds != 0)
        return StepTime(kept, tokens=self.tokens, model_flops=self.model_flops, peak=float(self.peak[index]))


def _data_parallel(
    machine: Machine,
    model: Transformer,
    recipe: Recipe,
    L: Layouts,
    *,
    held: tuple[Numbers, Numbers],
    layers: Numbers,
    window: Numbers,
    count: Numbers,
) -> Numbers:
    """Exposed time of gradients and weights between replicas.

    ZeRO 0 all-reduces the gradients once a step; 1 reduce-scatters them and all-gathers the new weights; 2 scatters the
    gradients of each microbatch; 3 also gathers the weights for each microbatch, forward and backward (and once more
    for full recomputation where each tensor is gathered by itself and let go at once, as early DeepSpeed does).
    With overlap, what one microbatch's forward and backward on the slowest stage can hide, for which the others wait
    (``window``), is hidden, but for the last bucket; ZeRO 2 and 3 hide behind all microbatches.  An interleaved stage
    has done with one of its v chunks while a round of p microbatches still computes the others, so that (v − 1)/v of
    the round hides too.  Sharded over fewer ranks than there are (HSDP), the parts of gradients are summed over the
    groups once a step.  ``machine.hidden`` is the share that a family can hide at best; what is hidden slows what hides
    it by the software's ``contention``.

    Source
    ------
    Rajbhandari et al., SC20, arXiv:1910.02054, section 7 (communication of each stage).
    """
    formats = PRECISIONS[recipe.precision]
    # a collective a layer, or one for each weight, bias and norm of it
    pieces = layers * (12 if recipe.sharding == "tensor" else 1)
    gathers = 2 + (L.recomputed(layers) if recipe.sharding == "tensor" else 0)
    inside = np.where(L.zero > 0, L.sharded, L.replicas)
    parameters, ranks, stride = held[0][None], inside[None], L.tensor[None]
    if model.experts:  # a second row: theirs
        of_experts = experts.ranks(recipe, L)
        ranks, stride = np.array([inside, L.tensor * inside / of_experts]), np.array([L.tensor, of_experts])
        parameters = np.array(held)
    who = group(machine, np.maximum(ranks, 1), stride)
    gradients, weights = recipe.gradient_bytes * parameters, formats.moved_bytes * parameters
    buckets = np.ceil(np.maximum(parameters / np.maximum(_BUCKET, _BUCKET_RANK * who.size), 1e-9))
    pieces = np.broadcast_to(pieces, buckets.shape)
    times = np.array([pieces, pieces, buckets, buckets])
    each = times * all_gather(who, np.array([gradients, weights, gradients, weights]) / times)
    scattered, gathered, reduced, renewed = each
    by_stage = (
        all_reduce(who, gradients),
        reduced + renewed,
        count * scattered + gathered,
        count * (gathers * gathered + scattered),
    )
    total: Numbers = np.choose(L.zero.astype(int), by_stage).sum(axis=0)
    if L.shard.any():
        copies = group(machine, L.replicas / inside, stride * who.size)
        total = total + all_reduce(copies, gradients / who.size).sum(axis=0)
    if not recipe.overlap:
        return total
    rounds = 1 + (np.minimum(count, L.pipeline) - 1) * (1 - 1 / L.interleave)
    windows = np.where(L.zero >= 2, count, rounds)
    last = np.maximum(1 / (layers * np.where(L.zero >= 2, count, 1)), 1 - machine.hidden)
    exposed = np.maximum(total - windows * window, last * total)
    slowed: Numbers = exposed + recipe.software.contention * (total - exposed)
    return slowed


def _two_way(forward: Pass, backward: Pass, L: Layouts) -> tuple[Pass, Pass]:
    """Passes of a layer where DualPipe exchanges the tokens of experts behind the arithmetic of the other direction.

    A forward pass runs beside a backward one, and what both exchange is exposed only beyond what both compute.
    """
    if not L.two_way.any():
        return forward, backward
    computed = forward.matmul + forward.attention + backward.matmul + backward.attention
    exchanged = forward.expert + backward.expert
    left = np.maximum(exchanged - computed, 0) / np.where(exchanged > 0, exchanged, 1)
    share = np.where(L.two_way, left, 1.0)
    return replace(forward, expert=forward.expert * share), replace(backward, expert=backward.expert * share)


def _offloaded(
    machine: Machine,
    model: Transformer,
    recipe: Recipe,
    L: Layouts,
    *,
    windows: tuple[Numbers, Numbers],
    state: Numbers,
) -> Numbers:
    """Time that what stays in the host's memory is waited for. [s]

    The optimizer's state streams in and out once a step, on a link that carries both directions at once, and nothing
    hides it.  The activations of a layer leave behind its forward pass and return behind its backward pass; ``windows``
    are these two, and only what is longer shows.
    """
    total = np.zeros_like(L.tensor)
    if recipe.optimizer_outside:
        total = total + PRECISIONS[recipe.precision].optimizer_bytes * state / machine.host
    if recipe.activations_outside:
        moved = activation_bytes(model, recipe, L) / machine.host
        waits = sum(np.maximum(moved - window, 0) for window in windows)
        total = total + microbatches(recipe.batch, L) * model.depth / L.pipeline * waits
    return total


def _held_up(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, forward: Numbers, backward: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """Time a layer and microbatch wait for the host, which launches kernels one by one; and what recomputing takes it.

    A pass of a layer takes at least ``kernels · host`` of the software, twice as many kernels where attention and
    dropout are made of single operators, those of rotary embeddings that no fused kernel does, and those of its
    experts; recorded graphs need no host.
    """
    none = np.zeros_like(L.tensor)
    if recipe.cuda_graphs:
        return none, none, none
    fewest = recipe.software.kernels * (1 if recipe.fused_attention else 2) + (_TURNING if model.rotary_scale else 0)
    launched = experts.launches(machine, model, recipe, L) if model.experts else (none, none)
    once, back = (recipe.software.host * (fewest + more) for more in launched)
    empty = recipe.software.host * experts.refills(machine, model, recipe, L) if model.experts else none
    return np.maximum(once - forward, empty) + np.maximum(back - backward, 0), once, empty


class Cut(NamedTuple):
    """One microbatch through a layer and through the ends: what only the way the model is cut decides. [s]"""

    layer: Pass  # both ways
    head: Pass  # logits and loss, both ways
    held: Holdings
    leading: Numbers | None  # forward … empty of a layer without experts, where only the model's first ones have none
    forward: Numbers  # of a layer, all in all
    backward: Numbers
    weights: Numbers  # the part of it that the gradients of weights take
    again: Numbers  # recomputation in full
    light: Numbers  # and selective
    host: Numbers  # wait for the host, but for what is recomputed
    launches: Numbers  # what the host takes for a forward pass,
    empty: Numbers  # and at least, where it has to wait itself

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Cut:
        """The same of the layouts for which ``chosen`` is true, or of those at its indices."""
        layer, head, held, leading, *times = self
        leading = None if leading is None else leading[:, chosen]
        passes = layer.where(chosen), head.where(chosen)
        return Cut(*passes, held.where(chosen), leading, *(one[chosen] for one in times))


def cut(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Cut:
    """Passes and stages of each layout, which neither replicas nor ZeRO, recomputed layers or most chunks change."""
    machine = replace(machine, gemm=machine.gemm * recipe.software.products)
    average, first = layer(machine, model, recipe, L)
    forward, backward, again, light = average
    forward, backward = _two_way(forward, backward, L)
    once, back = ends(machine, model, recipe, L)
    host, launches, empty = _held_up(machine, model, recipe, L, forward.total, backward.total)
    leading = None
    if first is not None:
        times = [one.total for one in first]
        leading = np.array([*times, *_held_up(machine, model.leading, recipe, L, *times[:2])])
    return Cut(
        layer=forward + backward,
        head=(once + back).times(1 + model.next_tokens),
        held=holdings(model, recipe, L),
        leading=leading,
        forward=forward.total,
        backward=backward.total,
        weights=backward.matmul / 2,  # of the two products of a backward pass, one is the weights'
        again=again.total,
        light=light.total,
        host=host,
        launches=launches,
        empty=empty,
    )


class Pace(NamedTuple):
    """One microbatch through the stages, as far as a schedule hangs on it. [s]"""

    slowest: Numbers  # the slowest stage, both ways
    others: Numbers  # the stages beside it, in the mean
    returning: Numbers  # the backward pass of a full stage
    weights: Numbers  # the part of it that the gradients of weights take

    def where(self, chosen: NDArray[np.intp]) -> Pace:
        """The same of the layouts at the indices ``chosen``."""
        return Pace(*(times[chosen] for times in self))


class Stage(NamedTuple):
    """One microbatch through the stages. [s]"""

    redone: Numbers  # what an average layer recomputes
    host: Numbers  # its wait for the host
    average: Numbers
    paced: Pace


def stage(model: Transformer, L: Layouts, one: Cut) -> Stage:
    """Times of one microbatch in each layout's stages, each with the layers it has.

        t_i = n_i t_layer − d_i (t_layer − t_leading),    on the last one + t_head

    of whose n_i layers d_i are leading ones without experts.  What predicts further tokens takes an average layer each.
    """
    placed, full = one.held.placed, one.held.placed.fullest
    repeated = L.recomputed(full)
    lightly = np.where(L.recompute == 1, 1 - repeated, 0.0)

    def through(again: Numbers, light: Numbers, host: Numbers, launches: Numbers, empty: Numbers) -> list[Numbers]:
        """What a layer recomputes, and its wait for the host."""
        redone = repeated * again + lightly * light
        return [redone, host + np.maximum(repeated * launches - redone, repeated * empty)]

    redone, host = through(one.again, one.light, one.host, one.launches, one.empty)
    per_layer, head = one.forward + one.backward + redone + host, one.head.total
    each = placed.layers * per_layer
    if one.leading is not None:
        forward, backward, *rest = one.leading
        leading = forward + backward + sum(through(*rest))
        # slower by so much are those with experts, so that all together take what as many average ones do
        slower = (per_layer - leading) * model.layers / (model.layers - model.leading_layers)
        each = placed.layers * (leading + slower) - placed.leading * slower
    first, between, last = each
    last = last + head
    if L.two_way.any():  # DualPipe pairs the first stage with the last
        first, last = (np.where(L.two_way, (first + last) / 2, alone) for alone in (first, last))
    average = (model.depth * per_layer + head) / L.pipeline
    # a layer and logits more at the end would hold up every other stage, so what they take is spread over all
    last = average if model.next_tokens else last
    slowest = np.where(L.pipeline > 1, np.maximum(np.maximum(first, between), last), average)
    paced = Pace(
        slowest=slowest,
        others=(L.pipeline * average - slowest) / np.maximum(L.pipeline - 1, 1),
        returning=full * (one.backward + redone),
        weights=full * one.weights,
    )
    return Stage(redone, host, average, paced)


def _crowding(machine: Machine, L: Layouts) -> Numbers:
    """What waiting for the slowest of many adds: ``_JITTER`` · log₂ of the scale-up domains over ``_CALM``."""
    domains = L.tensor * L.pipeline * L.replicas / machine.domain
    grown: Numbers = _JITTER * np.log2(np.maximum(domains / _CALM, 1))
    return grown


def evaluate(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts,
    passes: Cut | None = None, memory: Footprint | None = None,
) -> Evaluation:  # fmt: skip
    """Step time and memory of each layout on accelerators that hold their weights.

        T = [m · t_slowest + bubble + transfers + data parallel (exposed) + optimizer + offload] · (1 + crowding)

    with m microbatches and ``t_slowest`` one microbatch through the slowest stage.  Assumes steady state and equal
    shares.

    Parameters
    ----------
    passes, memory
        What is known of them already.
    """
    count = microbatches(recipe.batch, L)
    passes = passes or cut(machine, model, recipe, L)
    one = stage(model, L, passes)
    once, head, redone = passes.layer, passes.head, one.redone

    def per_step(layers: Numbers, ending: Numbers | float = 0.0) -> Numbers:
        """Time in the average stage over all microbatches."""
        return count * (model.depth * layers + ending) / L.pipeline

    accelerators = L.tensor * L.pipeline * L.context * L.data
    flops = recipe.tokens * model.flops_per_token(recipe.sequence)
    skipped = flops - recipe.tokens * model.flops_per_token(recipe.sequence, causal=recipe.fused_attention)
    ideal = flops / (accelerators * machine.rated)
    masked = -skipped / (accelerators * machine.rated)
    arithmetic = per_step(once.matmul + once.attention, head.matmul)
    shared, routed = held = passes.held.weights.fullest
    replicas = np.where(L.zero >= 1, L.sharded, 1)
    expert_replicas = np.where(L.zero >= 1, np.maximum(L.tensor * L.sharded / experts.ranks(recipe, L), 1), 1)
    state = shared / replicas + routed / expert_replicas
    updated = 30 * state  # read w, m, v, g in fp32; write w, m, v and 16-bit w
    parts = {
        "model arithmetic at peak": ideal,
        "masked attention skipped": masked,
        "arithmetic below peak": arithmetic - ideal - masked,
        "memory-bound operators": per_step(once.memory, head.memory),
        "recomputation": per_step(redone),
        "host": per_step(one.host),
        "tensor parallel": per_step(once.tensor, head.tensor),
        "context parallel": per_step(once.context),
        "expert parallel": per_step(once.expert),
        "stage imbalance": count * (one.paced.slowest - one.average),
        "pipeline bubble": bubble(*one.paced, count, L),
        "pipeline transfers": transfers(
            machine, model.hidden, recipe.sequence, count, one.paced.slowest, L, overlap=recipe.overlap
        ),
        "data parallel": _data_parallel(
            machine,
            model,
            recipe,
            L,
            held=held,
            layers=passes.held.placed.fullest,
            window=one.paced.slowest,
            count=count,
        ),
        "optimizer": stream_time(machine, updated, kernels=10),
        "offload": _offloaded(
            machine, model, recipe, L, windows=(passes.forward, passes.backward + redone), state=state
        ),
    }
    steady: Numbers = sum(parts.values(), np.zeros_like(accelerators))
    parts["stragglers"] = _crowding(machine, L) * steady
    return Evaluation(
        layouts=L,
        parts=parts,
        memory=memory or footprint(machine, model, recipe, L, passes.held),
        tokens=recipe.tokens,
        model_flops=flops,
        peak=accelerators * machine.rated,
    )


def at_least(machine: Machine, recipe: Recipe, L: Layouts, paced: Pace) -> Numbers:
    """What each layout's step cannot be shorter than, whatever its replicas exchange. [s]

        T ≥ (m · t_slowest + bubble) · (1 + crowding)

    since all other terms of :func:`evaluate` are times, none negative.  Layers recomputed beyond those that ``paced``
    knows of only add to it.
    """
    count = microbatches(recipe.batch, L)
    busy = count * paced.slowest + bubble(*paced, count, L)
    return busy * (1 + _crowding(machine, L))
