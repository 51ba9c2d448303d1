"""The fastest layout that fits, and the words for when none does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import PlanError
from simulator.step import streaming, timing
from simulator.step.layout import RECOMPUTE, SCHEDULES, Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.memory import Memory, footprint
from simulator.step.timing import Evaluation, StepTime
from simulator.units import show
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = [
    "Answer", "Obstacle", "candidates", "check", "divisors", "evaluate", "fastest", "fastest_of", "nearest",
    "obstacles", "replicas", "those_that_fit",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One layout with its step time and memory."""

    layout: Layout
    step: StepTime
    memory: Memory

    @classmethod
    def of(cls, evaluation: Evaluation, index: int) -> Answer:
        """The layout at ``index``."""
        return cls(evaluation.layouts[index], evaluation.at(index), evaluation.memory.at(index))


def evaluate(machine: Machine, model: Transformer, recipe: Recipe, layouts: Layouts) -> Evaluation:
    """Step times by the machine's own way of executing."""
    model_of = timing.evaluate if machine.execution == "gpu" else streaming.evaluate
    return model_of(machine, model, recipe, layouts)


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
    if machine.execution == "gpu":
        shape = (model.layers, model.heads, model.experts, model.gated)
        grid, unit = _grid(machine.domain, shape, recipe, request)
    else:
        grid, unit = _streaming_grid(machine.execution == "wafer", recipe.batch, request)
    t, p, v, c, e, b, k, z, s, schedule = grid
    room = np.floor(accelerators / (t * p * c))
    d = replicas(room, recipe.batch, b, unit) if request.data is None else np.full_like(t, request.data)
    valid = (d >= 1) & (d <= room) & (np.mod(t * c * d, e) == 0)
    # ZeRO with one replica is no ZeRO; keep one spelling of it
    valid &= (z == (1 if request.zero is None else request.zero)) | (d * c > 1)
    # DualPipe is fed from both ends, and what waits in the middle has to be paired
    paired = (schedule != 2) | ((np.mod(p, 2) == 0) & (recipe.batch >= 2 * p * np.maximum(d, 1) * b))
    shard = np.full_like(t, request.shard or 0)
    whole = np.mod(np.maximum(d, 1) * c, np.maximum(shard, 1)) == 0
    return Layouts(t, p, v, c, d, e, b, k, z, s, schedule, shard).where(valid & paired & whole)


def replicas(
    room: NDArray[np.float64], batch: int, microbatch: NDArray[np.float64], unit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Replicas worth having where there is ``room`` for so many; none where not even ``unit`` fit.

    No replica that does not shorten the step: with m microbatches each, ⌈batch / (m · microbatch)⌉ replicas do the
    work, and the rest would only fail.  They come in multiples of ``unit``, whose ranks the experts' groups divide.
    """
    most = np.floor(np.minimum(room, np.maximum(np.floor(batch / microbatch), 1)) / unit) * unit
    rounds = np.ceil(batch / (np.maximum(most, 1) * microbatch))
    return np.where(most > 0, np.ceil(batch / (rounds * microbatch) / unit) * unit, 0.0)


@lru_cache(maxsize=64)
def _grid(
    domain: int, shape: tuple[int, int, int, bool], recipe: Recipe, request: LayoutRequest
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All combinations of degrees but the replicas, one a column, and the multiples in which replicas come.

    The same for every number of accelerators, so a ladder of sizes builds it once.
    """
    (layers, heads, experts, gated), r = shape, request
    tensor = [t for t in _powers(min(domain, 64)) if heads % t == 0]
    pipeline = [p for p in {*divisors(layers), *_powers(layers)} if p <= 256]
    context = _powers(max(recipe.sequence // 8192, 1)) if recipe.sequence >= 32768 else [1]
    expert = [e for e in divisors(experts) if e <= 256] if experts else [1]
    micro = _powers(min(recipe.batch, 8))
    kinds = (0, 2) if recipe.fused_attention and not gated else (0, 1, 2)
    rows: list[tuple[int, ...]] = []
    for t, p in product(_pick(r.tensor, tensor), _pick(r.pipeline, pipeline)):
        chunks = [v for v in divisors(-(-layers // p)) if v == 1 or (v <= 16 and p * v <= layers)] if p > 1 else [1]
        parallel = _pick(None if r.sequence_parallel is None else int(r.sequence_parallel), [int(t > 1)])
        stages = (1, 2, 3) if p == 1 else (1, 2)
        for schedule in _schedules(r, p):
            rest = product(
                _pick(r.interleave, chunks if schedule == 0 else [1]), _pick(r.context, context),
                _pick(r.expert, expert), _pick(r.microbatch, micro), _recompute(r, kinds), _pick(r.zero, stages),
                parallel, [schedule],
            )  # fmt: skip
            rows += [(t, p, *others) for others in rest]
    grid = np.array(rows, dtype=float).T
    whole = grid.astype(int)
    return grid, grid[4] / np.gcd(whole[4], whole[0] * whole[3])


def _streaming_grid(wafer: bool, batch: int, request: LayoutRequest) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same for machines whose weights stream in: groups of tiles, microbatch and recomputation."""
    tiles = _pick(request.tensor, [1] if wafer else _powers(1024))
    combined = product(tiles, _pick(request.microbatch, _powers(min(batch, 4096))), _recompute(request, (0, 2)))
    grid = np.array([(t, 1, 1, 1, 1, b, k, 1, 0, 0) for t, b, k in combined], dtype=float).T
    return grid, np.ones_like(grid[0])


def _schedules(request: LayoutRequest, pipeline: int) -> list[int]:
    """Schedules to try: 1F1B unless another is asked for; without stages all are the same."""
    if pipeline == 1 or request.schedule is None:
        return [0]
    return list(range(len(SCHEDULES))) if request.schedule == "any" else [SCHEDULES.index(request.schedule)]


def _recompute(request: LayoutRequest, choices: Iterable[int]) -> list[int]:
    return [RECOMPUTE.index(request.recompute)] if request.recompute is not None else list(choices)


def fastest(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest | None = None
) -> Answer:
    """The fastest layout that fits on ``accelerators`` accelerators.

    Raises
    ------
    PlanError
        Nothing fits: says what the leanest layout needs, what there is, and from how many accelerators on it would fit.
    """
    request = request or LayoutRequest()
    check(machine, model, recipe, accelerators, request)
    layouts = candidates(machine, model, recipe, accelerators, request)
    if not len(layouts):
        raise PlanError(
            f"{model.name} on {accelerators} {machine.name}: no layout is possible with {_words(request)}; "
            f"tensor × pipeline × context must not exceed {accelerators} accelerators"
        )
    evaluation = those_that_fit(machine, model, recipe, layouts)
    if evaluation is None:
        raise PlanError(_does_not_fit(machine, model, recipe, accelerators, request, layouts))
    return Answer.of(evaluation, int(np.argmin(evaluation.total)))


def fastest_of(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest, *, like: Layout
) -> Answer | None:
    """The fastest layout with the tensor, pipeline, context and expert degrees of ``like``; ``None`` if none fits.

    For sizes below one that was searched: how the model is cut hardly changes with the number of replicas; how the
    microbatches go through it (chunks, their size, recomputation) does, unless ``request`` fixes it.
    """
    data = accelerators // like.model_parallel
    fixed = request.model_copy(
        update={
            "tensor": like.tensor, "pipeline": like.pipeline, "context": like.context, "expert": like.expert,
            "zero": like.zero, "sequence_parallel": like.sequence_parallel, "schedule": like.schedule,
        }
    )  # fmt: skip
    if data < 1:
        return None
    evaluation = those_that_fit(machine, model, recipe, candidates(machine, model, recipe, accelerators, fixed))
    return None if evaluation is None else Answer.of(evaluation, int(np.argmin(evaluation.total)))


def those_that_fit(machine: Machine, model: Transformer, recipe: Recipe, layouts: Layouts) -> Evaluation | None:
    """Times of the layouts that fit, ``None`` if none does.

    Memory is cheap to compute and rejects most, so it goes first.
    """
    if machine.execution == "gpu":
        layouts = layouts.where(footprint(machine, model, recipe, layouts).margin >= 0)
        return evaluate(machine, model, recipe, layouts) if len(layouts) else None
    evaluation = evaluate(machine, model, recipe, layouts)
    return evaluate(machine, model, recipe, layouts.where(evaluation.fits)) if evaluation.fits.any() else None


def check(machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest) -> None:
    """Refuse degrees that cannot work, all at once, with the arithmetic and the nearest layout that works.

    Raises
    ------
    PlanError
        One line for each degree that is wrong.
    """
    wrong = obstacles(machine, model, recipe, accelerators, request)
    if machine.execution == "gpu" and request.tensor and request.tensor > machine.domain:
        domain = f"at most the {machine.domain} accelerators of one scale-up domain"
        wrong.append(Obstacle("tensor", domain, request.tensor))
    if wrong:
        close = nearest(machine, model, recipe, accelerators, request)
        lines = [*map(str, wrong), *([f"the nearest layout that works is {close}"] if close is not None else [])]
        raise PlanError("\n".join(f"layout of {model.name} on {machine.name}: {line}" for line in lines))


class Obstacle(NamedTuple):
    """A degree that is impossible anywhere: which one, what it could be, what it is."""

    degree: str
    expected: str
    got: int | str

    def __str__(self) -> str:
        return f"{self.degree}: expected {self.expected}; got {self.got}"


def obstacles(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> list[Obstacle]:
    """What makes the fixed degrees impossible on any network, with the arithmetic."""
    r, wrong = request, []
    if recipe.offload != "none" and not machine.host:
        wrong.append(Obstacle("offload", "none, for the catalogue has no link to a host's memory", recipe.offload))
    if machine.execution != "gpu":
        names = ("pipeline", "interleave", "context", "expert") + (("tensor",) if machine.execution == "wafer" else ())
        why = "1, for weights stream through whole systems"
        wrong += [Obstacle(name, why, getattr(r, name)) for name in names if (getattr(r, name) or 1) > 1]
        if r.zero is not None and r.zero > 1:
            wrong.append(Obstacle("zero", "1 or less, for weights and gradients live outside already", r.zero))
    else:
        wrong += _misfits(r)
        held = -(-model.layers // (r.pipeline or 1))
        experts = f"a divisor of {model.experts} experts" if model.experts else "1, for there are no experts"
        if r.tensor and model.heads % r.tensor:
            wrong.append(Obstacle("tensor", f"a divisor of {model.heads} heads", r.tensor))
        chunks = (r.pipeline or 1) * (r.interleave or 1)
        if chunks > model.layers:
            wrong.append(Obstacle("pipeline × interleave", f"at most {model.layers} layers", chunks))
        if r.interleave and r.interleave > 1 and held % r.interleave:
            wrong.append(Obstacle("interleave", f"a divisor of the {held} layers of a stage", r.interleave))
        if r.context and r.context > recipe.sequence:
            wrong.append(Obstacle("context", f"at most the {recipe.sequence} tokens of a sequence", r.context))
        if r.expert and r.expert > 1 and (not model.experts or model.experts % r.expert):
            wrong.append(Obstacle("expert", experts, r.expert))
    ranks = (r.tensor or 1) * (r.context or 1) * (r.data or 1)
    if r.expert and r.data and ranks % r.expert:
        wrong.append(Obstacle("expert", f"a divisor of tensor × context × data = {ranks} ranks", r.expert))
    if r.microbatch and r.microbatch > recipe.batch:
        wrong.append(Obstacle("microbatch", f"at most the global batch of {recipe.batch} sequences", r.microbatch))
    used = ranks * (r.pipeline or 1)
    if used > accelerators:
        most = f"at most {accelerators} accelerators"
        wrong.append(Obstacle("tensor × pipeline × context × data", most, used))
    return wrong


def nearest(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> Layout | None:
    """The layout that works and is fewest doublings away from the fixed degrees, the fastest of several; or none.

    Looked for among the free candidates and those in which one fixed degree is let go.
    """
    freed = [LayoutRequest(), *(request.model_copy(update={name: None}) for name in _fixed(request))]
    found = [candidates(machine, model, recipe, accelerators, one) for one in freed]
    layouts = Layouts.joined([one.where(_possible(machine, model, recipe, one)) for one in found])
    evaluation = those_that_fit(machine, model, recipe, layouts) if len(layouts) else None
    if evaluation is None:
        return None
    order = np.lexsort((evaluation.total, np.round(_doublings(evaluation.layouts, request), 6)))
    return evaluation.layouts[int(order[0])]


def _fixed(request: LayoutRequest) -> dict[str, float]:
    """The degrees that are fixed, as the arrays of :class:`Layouts` hold them."""
    indexed = {"recompute": RECOMPUTE, "schedule": SCHEDULES}
    given = {name: value for name, value in request if value is not None and value != "any"}
    return {name: indexed[name].index(value) if name in indexed else float(value) for name, value in given.items()}


def _doublings(L: Layouts, request: LayoutRequest) -> NDArray[np.float64]:
    """How far each layout is from the fixed degrees: factors of two, steps of a scale, or one for another kind."""
    away = np.zeros(len(L))
    for name, value in _fixed(request).items():
        has = getattr(L, name)
        if name in ("schedule", "shard"):
            away += has != value
        elif name in ("recompute", "zero", "sequence_parallel"):
            away += np.abs(has - value)
        else:
            away += np.abs(np.log2(has / value))
    return away


def _possible(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> NDArray[np.bool_]:
    """Which layouts :func:`check` would let pass."""
    fine = (L.microbatch <= recipe.batch) & (L.tensor * L.context * L.data % L.expert == 0)
    fine &= recipe.offload == "none" or machine.host > 0
    if machine.execution == "gpu":
        held = np.ceil(model.layers / L.pipeline)
        fine &= (model.heads % L.tensor == 0) & (L.tensor <= machine.domain) & (L.context <= recipe.sequence)
        fine &= (
            (L.pipeline * L.interleave <= model.layers)
            & (held % L.interleave == 0)
            & (max(model.experts, 1) % L.expert == 0)
        )
        fine &= ((L.schedule == 0) | (L.interleave == 1)) & (~L.two_way | (L.pipeline % 2 == 0))
    else:
        tiles = 1 if machine.execution == "wafer" else np.inf
        fine &= (L.pipeline * L.interleave * L.context * L.expert == 1) & (L.zero <= 1) & (L.tensor <= tiles)
    return np.asarray(fine)


def _misfits(r: LayoutRequest) -> list[Obstacle]:
    """Degrees that a schedule or a group of shards cannot have."""
    wrong, ranks = [], (r.data or 0) * (r.context or 1)
    if r.schedule in ("zero-bubble", "dualpipe") and (r.interleave or 1) > 1:
        wrong.append(Obstacle("interleave", f"1, for {r.schedule} has one chunk a stage", r.interleave or 1))
    if r.schedule == "dualpipe" and (r.pipeline or 2) % 2:
        wrong.append(Obstacle("pipeline", "an even number, for dualpipe pairs stages", r.pipeline or 1))
    if r.shard and ranks and ranks % r.shard:
        wrong.append(Obstacle("shard", f"a divisor of data × context = {ranks} ranks", r.shard))
    return wrong


def _words(request: LayoutRequest) -> str:
    given = [f"{name} {value}" for name, value in request if value is not None]
    return ", ".join(given) or "any degrees"


def _does_not_fit(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest, layouts: Layouts
) -> str:
    """By how much the leanest layout misses, and what would help."""
    memory = evaluate(machine, model, recipe, layouts).memory
    leanest = int(np.argmax(memory.margin))
    needs = memory.at(leanest)
    message = (
        f"{model.name} does not fit on {accelerators} {machine.name} with {_words(request)}: the leanest layout "
        f"({layouts[leanest]}) needs {show(needs.total, 'B')} per accelerator, has {show(needs.capacity, 'B')} usable, "
        f"{show(-needs.margin, 'B')} too little"
    )
    close = nearest(machine, model, recipe, accelerators, request) if _fixed(request) else None
    message += f"; the nearest layout that works is {close}" if close is not None else ""
    for more in (accelerators * 2**i for i in range(1, 16)):
        wider = candidates(machine, model, recipe, more, request)
        if len(wider) and those_that_fit(machine, model, recipe, wider) is not None:
            return f"{message}; it would fit on {more} accelerators"
    if close is not None:
        return message
    return f"{message}; no number of these accelerators holds it: fewer tokens in a sequence or more memory would"
