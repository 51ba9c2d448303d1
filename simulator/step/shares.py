"""One synchronous job on several kinds of accelerator: each pool takes as much of the batch as its speed allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from itertools import product
from math import ceil, gcd
from typing import NamedTuple

import numpy as np

from simulator.step import timing
from simulator.step.candidates import divisors
from simulator.step.fitting import Answer, evaluate
from simulator.step.layout import RECOMPUTE, Layout, Layouts
from simulator.step.machine import Machine, slowest
from simulator.step.memory import Footprint, footprint, usable
from simulator.step.pipeline import microbatches
from simulator.step.placement import chunked
from simulator.step.recomputation import eased
from simulator.step.search import obstacles
from simulator.step.timing import StepTime
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["Share", "balanced", "rebalanced"]

_UNEVEN = "uneven shares"
_SHARED = ("scaleout", "latency", "hop_latency")  # of the slowest: what all meet when they sum their gradients
_CUT = ("tensor", "pipeline", "interleave")
_SETTLED = 2  # cuts whose balance is worked out in whole microbatches
_EVEN = 1 - 1e-9  # of two paces that are the same but for rounding
_MOVES = 64  # of a microbatch each; two or three are usual


@dataclass(frozen=True, slots=True)
class Share:
    """What one pool does of each step."""

    accelerator: str
    replicas: int
    microbatches: int  # of each of its replicas
    layout: Layout  # of its replicas; ``data`` counts those of all pools
    seconds: float  # its step; the slowest pool's is the job's


@dataclass
class _Pool:
    """Replicas on one kind of accelerator, and how long a step with m microbatches takes them."""

    machine: Machine
    model: Transformer
    recipe: Recipe
    layout: Layout
    replicas: int
    known: dict[int, float] = field(default_factory=dict)

    @cached_property
    def layouts(self) -> Layouts:
        """Its layout as the step model takes it."""
        return Layouts.of([self.layout])

    @cached_property
    def passes(self) -> timing.Cut:
        """One microbatch, however many there are."""
        return timing.cut(self.machine, self.model, self.recipe, self.layouts)

    @property
    def weight(self) -> int:
        """Sequences in one microbatch of all of its replicas."""
        return self.replicas * self.layout.microbatch

    @property
    def peak(self) -> float:
        """Dense peak of its accelerators. [FLOP/s]"""
        return self.replicas * self.layout.model_parallel * self.machine.rated

    @cached_property
    def memory(self) -> Footprint:
        """Of some number of microbatches, for what only asks how long they take."""
        return footprint(self.machine, self.model, self.recipe, self.layouts)

    def step(self, count: int) -> Answer:
        """The step with so many microbatches, all replicas of the job taking as many."""
        return Answer.of(self._evaluated(count, None), 0)

    def seconds(self, count: int) -> float:
        """Its time. [s]"""
        if count not in self.known:
            self.known[count] = float(self._evaluated(count, self.memory).total[0])
        return self.known[count]

    def _evaluated(self, count: int, memory: Footprint | None) -> timing.Evaluation:
        recipe = replace(self.recipe, batch=count * self.layout.data * self.layout.microbatch)
        return timing.evaluate(self.machine, self.model, recipe, self.layouts, self.passes, memory)


def balanced(
    machines: Sequence[Machine], counts: Sequence[int], model: Transformer, recipe: Recipe, request: LayoutRequest,
    equal: Answer,
) -> tuple[Answer, tuple[Share, ...]] | None:  # fmt: skip
    """Replicas that live in one pool each and take microbatches in proportion to its speed; ``None`` if it is no gain.

    With Dᵢ replicas of microbatch bᵢ in pool i, the mᵢ are the integers that minimise

        T = max Tᵢ(mᵢ)    with    Σ Dᵢ bᵢ mᵢ ≥ B

    starting from Tᵢ ≈ cᵢ + sᵢ m, for which T = (B + Σ Dᵢ bᵢ cᵢ / sᵢ) / (Σ Dᵢ bᵢ / sᵢ): the harmonic balance.  All pools
    cut the model alike, since a replica's gradients are summed with those of the same part of the others;
    microbatch and recomputation are each pool's own.  Network rates between replicas are those of the slowest.

    The batch can only be dealt out in whole microbatches, or rounds of them, so a cut that is best for equal shares may
    not be for these: its neighbours are tried too, by their harmonic balance, and the best few in whole microbatches.

    Parameters
    ----------
    counts
        Accelerators of each pool.
    equal
        The fastest layout for equal shares, which this has to beat.
    """
    if any(m.execution != "gpu" for m in machines):
        return None
    meeting, met = slowest(machines, counts), _meeting(machines, counts)
    cuts = [cut for one in _neighbours(equal.layout, meeting, model, recipe, request, sum(counts))
            if (cut := _replicas(machines, counts, recipe, request, one))]  # fmt: skip
    if not cuts:
        return None
    quickest = [_best_cuts(machine, model, recipe, request, [layout for layout, _ in cuts]) for machine in met]
    ranked = []
    for index, (_, rooms) in enumerate(cuts):
        own = [pool[index] for pool in quickest]
        rate = sum(d * one.rate for d, one in zip(rooms, own, strict=True))
        if min(one.rate for one in own) > 0:
            ranked.append((rate, [one.layout for one in own], rooms))
    ranked.sort(key=lambda entry: -entry[0])
    best: tuple[Answer, tuple[Share, ...]] | None = None
    pace = equal.step.total
    for rate, layouts, rooms in ranked[:_SETTLED]:
        if recipe.batch / rate >= pace * _EVEN:  # whole microbatches only make it slower
            break
        pools = [_Pool(m, model, recipe, layout, d) for m, layout, d in zip(met, layouts, rooms, strict=True)]
        settled = _settled(pools, recipe)
        if settled and settled[0].step.total < pace:
            best, pace = settled, settled[0].step.total
    return best


def rebalanced(
    machines: Sequence[Machine], counts: Sequence[int], model: Transformer, recipe: Recipe, request: LayoutRequest,
    like: Sequence[Share],
) -> tuple[Answer, tuple[Share, ...]] | None:  # fmt: skip
    """The same with each pool's layout as it was at a larger size, but for the replicas and what they recompute."""
    placed = _replicas(machines, counts, recipe, request, like[0].layout)
    if placed is None:
        return None
    cut, rooms = placed
    layouts = [replace(share.layout, data=cut.data) for share in like]
    met = _meeting(machines, counts)
    if request.recompute is None and request.recompute_layers is None:  # fewer replicas share less
        layouts = [_leaner(m, model, recipe, layout) for m, layout in zip(met, layouts, strict=True)]
    pools = [_Pool(m, model, recipe, layout, d) for m, layout, d in zip(met, layouts, rooms, strict=True)]
    if any(pool.layout.microbatch * cut.data > recipe.batch for pool in pools):
        return None
    return _settled(pools, recipe)


def _leaner(machine: Machine, model: Transformer, recipe: Recipe, layout: Layout) -> Layout:
    """The layout with as few layers recomputed as fit."""
    lean, _ = eased(machine, model, recipe, Layouts.of([replace(layout, recompute_layers=0)]), usable(machine))
    return lean[0]


def _meeting(machines: Sequence[Machine], counts: Sequence[int]) -> list[Machine]:
    """The machines with the network that all of them share."""
    common = slowest(machines, counts)
    return [replace(m, **{name: getattr(common, name) for name in _SHARED}) for m in machines]


def _neighbours(
    like: Layout, machine: Machine, model: Transformer, recipe: Recipe, request: LayoutRequest, accelerators: int
) -> list[Layout]:
    """The same layout with half or twice the tensor and pipeline degrees, and every divisor of the interleaving."""
    found = [like]
    for tensor, pipeline in product((0.5, 1, 2), (0.5, 1, 2)):
        t, p = int(like.tensor * tensor), int(like.pipeline * pipeline)
        if not 1 <= t <= machine.domain or p < 1:
            continue
        held = int(chunked(model.layers, Layouts.of([replace(like, pipeline=p)]))[0])
        for v in divisors(held) if p > 1 else [1]:
            near = replace(like, tensor=t, pipeline=p, interleave=v, sequence_parallel=t > 1)
            asked = LayoutRequest(
                tensor=t, pipeline=p, interleave=v, context=like.context, expert=like.expert,
                first_layers=like.first_layers or None, last_layers=like.last_layers or None,
            )  # fmt: skip
            kept = all(getattr(near, name) == value for name, value in request if value and name in _CUT)
            if v <= 16 and kept and not obstacles(machine, model, recipe, accelerators, asked):
                found.append(near)
    return list(dict.fromkeys(found))


def _replicas(
    machines: Sequence[Machine], counts: Sequence[int], recipe: Recipe, request: LayoutRequest, like: Layout
) -> tuple[Layout, list[int]] | None:
    """The layout with all replicas that fit, and those of each pool, experts' groups whole; ``None``: one has none."""
    unit = like.expert // gcd(like.expert, like.tensor * like.context)
    rooms = [count // like.model_parallel // unit * unit for count in counts]
    if request.data is not None:
        rooms = _fill(machines, rooms, request.data, unit)
    if min(rooms) < 1 or sum(rooms) > recipe.batch:
        return None
    return replace(like, data=sum(rooms)), rooms


def _settled(pools: list[_Pool], recipe: Recipe) -> tuple[Answer, tuple[Share, ...]] | None:
    """The balance in whole microbatches; ``None`` if it does not fit."""
    turns = [_turn(pool, recipe.batch) for pool in pools]
    level = _level(pools, turns, recipe.batch)
    whole = [max(int(n / turn), 1) * turn for n, turn in zip(level, turns, strict=True)]
    numbers = _moved(pools, turns, whole, recipe.batch)
    answers = [pool.step(n) for pool, n in zip(pools, numbers, strict=True)]
    fullest = min((answer.memory for answer in answers), key=lambda held: held.margin)
    if fullest.margin < 0:
        return None
    shares = tuple(
        Share(pool.machine.name, pool.replicas, n, pool.layout, answer.step.total)
        for pool, n, answer in zip(pools, numbers, answers, strict=True)
    )
    most = max(range(len(pools)), key=lambda i: pools[i].replicas)
    together = _together(pools, numbers, [answer.step for answer in answers], recipe)
    return Answer(pools[most].layout, together, fullest), shares


def _fill(machines: Sequence[Machine], rooms: Sequence[int], asked: int, unit: int) -> list[int]:
    """So many replicas in all, in the fastest pools first, but one group of them at least in each."""
    given = [min(unit, room) for room in rooms]
    for index in sorted(range(len(rooms)), key=lambda i: -machines[i].peak):
        given[index] += min(rooms[index] - given[index], max(asked - sum(given), 0))
    return given if sum(given) == asked else [0 for _ in rooms]


class _Cut(NamedTuple):
    """A layout, and the sequences a second that one of its replicas trains; zero where it does not fit."""

    layout: Layout
    rate: float


def _best_cuts(
    machine: Machine, model: Transformer, recipe: Recipe, request: LayoutRequest, likes: Sequence[Layout]
) -> list[_Cut]:
    """For each layout the microbatch and the recomputation with which this pool is quickest."""
    tried: list[Layout] = []
    groups: list[slice] = []
    free = request.recompute is None and request.recompute_layers is None
    for like in likes:
        sizes = [like.microbatch] if request.microbatch else sorted({1, 2, 4, 8, like.microbatch})
        kinds = [(kind, 0) for kind in RECOMPUTE] if free else [(like.recompute, like.recompute_layers)]
        mine = [
            replace(like, microbatch=b, recompute=kind, recompute_layers=layers)
            for b, (kind, layers) in product(sizes, kinds)
        ]
        groups.append(slice(len(tried), len(tried) + len(mine)))
        tried += mine
    L = Layouts.of(tried)
    if free:
        L, _ = eased(machine, model, recipe, L, usable(machine))
    found = evaluate(machine, model, recipe, L)
    possible = found.fits & (L.microbatch * L.data <= recipe.batch)
    rates = np.where(possible, microbatches(recipe.batch, L) * L.microbatch / found.total, 0)
    best = [group.start + int(np.argmax(rates[group])) for group in groups]
    return [_Cut(L[index], float(rates[index])) for index in best]


def _turn(pool: _Pool, batch: int) -> int:
    """Interleaved stages deal microbatches out in rounds; one that is not full costs as much, so whole ones move."""
    stages = pool.layout.pipeline
    return stages if pool.layout.interleave > 1 and batch >= stages * pool.layout.data * pool.layout.microbatch else 1


def _level(pools: Sequence[_Pool], turns: Sequence[int], batch: int) -> list[float]:
    """Microbatches of a replica in each pool with which all pools would end together, in parts of one."""
    lines = []
    for pool, turn in zip(pools, turns, strict=True):
        even = ceil(batch / (pool.layout.data * pool.layout.microbatch * turn)) * turn
        slope = (pool.seconds(2 * even) - pool.seconds(even)) / even
        lines.append((pool.weight, pool.seconds(even) - slope * even, slope))
    together = (batch + sum(w * c / s for w, c, s in lines)) / sum(w / s for w, _, s in lines)
    return [(together - c) / s for _, c, s in lines]


def _moved(pools: Sequence[_Pool], turns: Sequence[int], numbers: list[int], batch: int) -> list[int]:
    """Whole microbatches that hold the batch, moved from the last pool to the others while that helps."""

    def pace(numbers: Sequence[int]) -> float:
        return max(pool.seconds(n) for pool, n in zip(pools, numbers, strict=True))

    def filled(numbers: list[int]) -> list[int]:
        while sum(pool.weight * n for pool, n in zip(pools, numbers, strict=True)) < batch:
            cheapest = min(range(len(pools)), key=lambda i: pools[i].seconds(numbers[i] + turns[i]))
            numbers = [n + turns[i] * (i == cheapest) for i, n in enumerate(numbers)]
        return numbers

    numbers = filled(numbers)
    for _ in range(_MOVES):
        last = max(range(len(pools)), key=lambda i: pools[i].seconds(numbers[i]))
        if numbers[last] <= turns[last]:
            break
        moved = filled([n - turns[i] * (i == last) for i, n in enumerate(numbers)])
        if pace(moved) >= pace(numbers):
            break
        numbers = moved
    return numbers


def _together(pools: Sequence[_Pool], numbers: Sequence[int], steps: Sequence[StepTime], recipe: Recipe) -> StepTime:
    """The job's step: parts are means over the pools by their peak, and what the quicker ones wait is one more.

    Weighted so, the first part is the model's arithmetic over the peak of all accelerators, as MFU is defined.  What
    the microbatches hold beyond the batch counts as arithmetic below peak, as it does in one pool.
    """
    peak = sum(pool.peak for pool in pools)
    pace = max(step.total for step in steps)
    names = reduce(lambda seen, step: seen | dict.fromkeys(name for name, _ in step.parts), steps, dict[str, None]())
    parts = dict.fromkeys(names, 0.0) | {_UNEVEN: 0.0}
    for pool, step in zip(pools, steps, strict=True):
        for name, seconds in step.parts:
            parts[name] += pool.peak / peak * seconds
        parts[_UNEVEN] += pool.peak / peak * (pace - step.total)
    asked = recipe.batch / sum(pool.weight * n for pool, n in zip(pools, numbers, strict=True))
    for name in ("model arithmetic at peak", "masked attention skipped"):
        surplus = parts.get(name, 0.0) * (1 - asked)
        if surplus:
            parts[name] -= surplus
            parts["arithmetic below peak"] += surplus
    one = steps[0]
    flops = one.model_flops / one.tokens * recipe.tokens
    return StepTime(tuple((n, s) for n, s in parts.items() if s), tokens=recipe.tokens, model_flops=flops, peak=peak)
