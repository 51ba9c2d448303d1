"""Every layout worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step.layout import CONTEXTS, FULL, RECOMPUTE, SCHEDULES, Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.placement import chunked, dealt, ending
from simulator.step.roofline import Numbers
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["SHORTEST", "Combinations", "candidates", "combinations", "divisors", "filled", "replicas", "units"]

SHORTEST = 4096
"""Tokens of a part of a sequence, at least; shorter ones leave attention too few keys."""


def divisors(number: int) -> list[int]:
    """All of them, rising."""
    low = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*low, *(number // d for d in low)})


def _powers(limit: float) -> list[int]:
    return [2**i for i in range(64) if 2**i <= limit]


def _pick(fixed: int | None, choices: Iterable[int]) -> list[int]:
    return [fixed] if fixed is not None else sorted(set(choices))


def candidates(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> Layouts:
    """Every layout worth a look: tensor degrees that divide the heads inside a domain, stages of whole layers, experts
    in whole groups, :func:`replicas` in what these leave of ``accelerators``.
    """
    every = combinations(machine, model, recipe, request).layouts
    layouts, possible = filled(every, units(every), recipe.batch, accelerators, request)
    return layouts.where(possible)


def filled(
    L: Layouts, unit: Numbers, batch: int, accelerators: int, request: LayoutRequest
) -> tuple[Layouts, NDArray[np.bool_]]:
    """The layouts with as many replicas, by ``unit``, as there is room and work for, and which of them are possible."""
    room = np.floor(accelerators / (L.tensor * L.pipeline * L.context))
    if L.two_way.any():  # DualPipe is fed from both ends, and what waits in the middle has to be paired
        paired = np.floor(batch / (2 * L.pipeline * L.microbatch))
        room = np.where(L.two_way, np.minimum(room, np.where(np.mod(L.pipeline, 2) == 0, paired, 0)), room)
    if request.data is None:
        data = replicas(room, batch, L.microbatch, unit)
        possible = data >= 1
    else:
        data = np.full_like(L.tensor, request.data)
        possible = (data <= room) & (np.mod(L.tensor * L.context * data, L.expert) == 0)
    data = np.maximum(data, 1)
    # ZeRO with one replica is no ZeRO; keep one spelling of it
    possible &= (L.zero == (1 if request.zero is None else request.zero)) | (data * L.context > 1)
    if request.shard:
        possible &= np.mod(data * L.context, L.shard) == 0
    return replace(L, data=data), possible


def units(L: Layouts) -> Numbers:
    """The multiples in which replicas come, so that the experts' groups divide their ranks."""
    if not (L.expert > 1).any():
        return np.ones_like(L.expert)
    ranks: Numbers = L.expert / np.gcd(L.expert.astype(int), (L.tensor * L.context).astype(int))
    return ranks


def replicas(room: Numbers, batch: int, microbatch: Numbers, unit: Numbers) -> Numbers:
    """Replicas worth having where there is ``room`` for so many; none where not even ``unit`` fit.

    No replica that does not shorten the step: with m microbatches each, ⌈batch / (m · microbatch)⌉ replicas do the
    work, and the rest would only fail.  They come in multiples of ``unit``, whose ranks the experts' groups divide.
    """
    most = np.floor(np.minimum(room, np.maximum(np.floor(batch / microbatch), 1)) / unit) * unit
    rounds = np.ceil(batch / (np.maximum(most, 1) * microbatch))
    return np.where(most > 0, np.ceil(batch / (rounds * microbatch) / unit) * unit, 0.0)


class Combinations(NamedTuple):
    """All combinations of degrees but the replicas, of which each layout has one.

    ZeRO and chunks that are dealt the same layers change nothing that a microbatch meets in its stages: ``alike`` is,
    of each layout, the first that differs in no more than these.
    """

    layouts: Layouts
    alike: NDArray[np.intp]


def combinations(machine: Machine, model: Transformer, recipe: Recipe, request: LayoutRequest) -> Combinations:
    """What there is to choose from, for any number of accelerators."""
    if machine.execution == "gpu":
        keys = model.heads if model.attention == "mla" else model.key_value_heads
        shape = (model.layers, ending(model, recipe), model.heads, keys, model.experts, model.gated)
        return _grid(machine.domain, shape, recipe, request)
    tiles = _pick(request.tensor, [1] if machine.execution == "wafer" else _powers(1024))
    micro = _pick(request.microbatch, _powers(min(recipe.batch, 4096)))
    return _crossed(request, tensor=tiles, microbatch=micro, recompute=_recompute(request, (0, 2)))


@lru_cache(maxsize=32)
def _grid(
    domain: int, shape: tuple[int, float, int, int, int, bool], recipe: Recipe, request: LayoutRequest
) -> Combinations:
    """The same for every number of accelerators, so a ladder of sizes builds it once."""
    (layers, beside, heads, keys, experts, gated), r = shape, request
    tensor = [t for t in _powers(min(domain, 64)) if heads % t == 0]
    pipeline = _pick(r.pipeline, _stages(layers, r))
    cut = _chunks(layers, beside, pipeline, r)
    context = _powers(max(recipe.sequence // SHORTEST, 1))
    expert = [e for e in divisors(experts) if e <= 256] if experts else [1]
    micro = _powers(min(recipe.batch, 8))
    kinds = (0, 2) if recipe.fused_attention and not gated else (0, 1, 2)
    blocks: list[Combinations] = []
    for t, p in product(_pick(r.tensor, tensor), pipeline):
        parallel = _pick(None if r.sequence_parallel is None else int(r.sequence_parallel), [int(t > 1)])
        blocks += [
            _crossed(
                r, tensor=[t], pipeline=[p], interleave=list(cut[p]) if schedule == 0 else [r.interleave or 1],
                context=[c], context_by=_ways(r, c, heads // t, max(keys / t, 1)), expert=_pick(r.expert, expert),
                # half a sequence of each of two is as much work as one whole sequence, and half as many keys to pass
                microbatch=_pick(r.microbatch, micro if c == 1 else [1]), recompute=_recompute(r, kinds),
                zero=_pick(r.zero, (1, 2, 3) if p == 1 else (1, 2)), sequence_parallel=parallel, schedule=[schedule],
                kin=list(cut[p].values()) if schedule == 0 else [0],
            )
            for c, schedule in product(_pick(r.context, context), _schedules(r, p))
        ]  # fmt: skip
    before = np.cumsum([0, *(len(block.layouts) for block in blocks)])
    return Combinations(
        Layouts.joined([block.layouts for block in blocks]),
        np.concatenate([block.alike + rows for block, rows in zip(blocks, before, strict=False)]),
    )


def _stages(layers: int, r: LayoutRequest) -> list[int]:
    """Numbers of stages worth a look: those that share out the layers evenly, and powers of two.

    Where the next lower and the next higher of these leave nothing over for a lighter last stage, also those in between
    that do with a layer less on the last stage or on both ends, as frameworks do that count loss and embedding as a
    layer each.  Where the layers of an end are given, those that share out the others evenly.
    """
    stated = [held for held in (r.first_layers, r.last_layers) if held]
    if stated:
        left = layers - sum(stated)
        return [number + len(stated) for number in divisors(left) if number <= 256] if left > 0 else [len(stated)]
    usual = sorted(p for p in {*divisors(layers), *_powers(layers)} if p <= 256)
    lighter = {*divisors(layers + 1), *divisors(layers + 2)}
    between = [
        p for low, high in pairwise(usual) if layers % low == layers % high == 0 for p in lighter if low < p < high
    ]
    return usual + between


def _chunks(layers: int, beside: float, pipeline: list[int], r: LayoutRequest) -> dict[int, dict[int, int]]:
    """For each number of stages the chunks worth a look, and of each the first that is dealt the same layers."""
    given = Layout(first_layers=r.first_layers or 0, last_layers=r.last_layers or 0)
    whole = chunked(layers, Layouts.of([replace(given, pipeline=p) for p in pipeline]))
    chunks = {
        p: _pick(r.interleave, [v for v in divisors(int(held)) if v == 1 or (v <= 16 and p > 1 and p * v <= layers)])
        for p, held in zip(pipeline, whole, strict=True)
    }
    every = [replace(given, pipeline=p, interleave=v) for p, some in chunks.items() for v in some]
    placed = iter(zip(*(one.tolist() for one in dealt(layers, beside, Layouts.of(every))), strict=True))
    cut = {}
    for p, some in chunks.items():
        same = [next(placed) for _ in some]
        cut[p] = {v: same.index(one) for v, one in zip(some, same, strict=True)}
    return cut


def _crossed(request: LayoutRequest, *, kin: Sequence[int] = (0,), **degrees: Sequence[int]) -> Combinations:
    """Every choice of one degree with every choice of the others, the last one varying fastest.

    Interleaving ``kin`` are alike: of each the first.
    """
    shape = [len(choices) for choices in degrees.values()]
    where = np.indices(shape).reshape(len(shape), -1)
    chosen = {name: np.array(degrees[name], dtype=float)[at] for name, at in zip(degrees, where, strict=True)}
    one, nothing = np.ones(where.shape[1]), np.zeros(where.shape[1])
    rest = dict.fromkeys(("context_by", "sequence_parallel", "schedule"), nothing)
    given = {name: (getattr(request, name) or 0) * one for name in ("shard", "first_layers", "last_layers")}
    chosen = {f.name: one for f in fields(Layouts)} | rest | given | chosen
    chosen["recompute_layers"] = np.where(chosen["recompute"] == FULL, 0.0, request.recompute_layers or 0)
    first = {"interleave": np.array(kin), "zero": np.zeros(4, dtype=int)}
    same = [first[name][at] if name in first else at for name, at in zip(degrees, where, strict=True)]
    return Combinations(Layouts(**chosen), np.ravel_multi_index(same, shape))


def _ways(request: LayoutRequest, context: int, heads: int, keys: float) -> list[int]:
    """Ways worth a look for ``context`` ranks with so many heads of queries and of keys each.

    Around a ring in any case; by all-gather where the ring's blocks would be short, from four ranks on; by all-to-all
    where that moves less than the keys would, and only where the heads are enough for all.
    """
    if context == 1:
        return [0]
    fewer = (heads + keys) / context <= keys
    ways = [way for way, pays in zip(CONTEXTS, (True, context >= 4, fewer), strict=True) if pays]
    ways = ways if request.context_by is None else [request.context_by]
    return [CONTEXTS.index(way) for way in ways if way != "all-to-all" or heads % context == 0]


def _schedules(request: LayoutRequest, pipeline: int) -> list[int]:
    """Schedules to try: 1F1B unless another is asked for; without stages all are the same."""
    if pipeline == 1 or request.schedule is None:
        return [0]
    return list(range(len(SCHEDULES))) if request.schedule == "any" else [SCHEDULES.index(request.schedule)]


def _recompute(request: LayoutRequest, choices: Iterable[int]) -> list[int]:
    if request.recompute is not None:
        return [RECOMPUTE.index(request.recompute)]
    return [kind for kind in choices if kind != FULL or not request.recompute_layers]
