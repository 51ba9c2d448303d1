"""The fastest layout that fits, and the words for when none does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

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

__all__ = ["Answer", "check", "evaluate", "fastest", "fastest_of"]


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


def _divisors(number: int) -> list[int]:
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
    in whole groups.

    Data parallelism takes what the other degrees leave of ``accelerators``, but no replica that does not shorten the
    step: with m microbatches each, ⌈batch / (m · microbatch)⌉ replicas do the work, and the rest would only fail.
    """
    if machine.execution == "gpu":
        shape = (model.layers, model.heads, model.experts, model.gated)
        grid, unit = _grid(machine.domain, shape, recipe, request)
    else:
        grid, unit = _streaming_grid(machine.execution == "wafer", recipe.batch, request)
    t, p, v, c, e, b, k, z, s, schedule = grid
    room = np.floor(accelerators / (t * p * c))
    if request.data is None:
        # replicas come in numbers whose ranks the experts' groups divide
        d = np.minimum(room, np.maximum(np.floor(recipe.batch / b), 1))
        d = np.floor(d / unit) * unit
        d = np.ceil(recipe.batch / (np.ceil(recipe.batch / (np.maximum(d, 1) * b)) * b) / unit) * unit
    else:
        d = np.full_like(t, request.data)
    valid = (d >= 1) & (d <= room) & (np.mod(t * c * d, e) == 0)
    # ZeRO with one replica is no ZeRO; keep one spelling of it
    valid &= (z == (1 if request.zero is None else request.zero)) | (d * c > 1)
    # DualPipe is fed from both ends, and what waits in the middle has to be paired
    paired = (schedule != 2) | ((np.mod(p, 2) == 0) & (recipe.batch >= 2 * p * np.maximum(d, 1) * b))
    shard = np.full_like(t, request.shard or 0)
    whole = np.mod(np.maximum(d, 1) * c, np.maximum(shard, 1)) == 0
    return Layouts(t, p, v, c, d, e, b, k, z, s, schedule, shard).where(valid & paired & whole)


@lru_cache(maxsize=64)
def _grid(
    domain: int, shape: tuple[int, int, int, bool], recipe: Recipe, request: LayoutRequest
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All combinations of degrees but the replicas, one a column, and the multiples in which replicas come.

    The same for every number of accelerators, so a ladder of sizes builds it once.
    """
    (layers, heads, experts, gated), r = shape, request
    tensor = [t for t in _powers(min(domain, 64)) if heads % t == 0]
    pipeline = [p for p in {*_divisors(layers), *_powers(layers)} if p <= 256]
    context = _powers(max(recipe.sequence // 8192, 1)) if recipe.sequence >= 32768 else [1]
    expert = [e for e in _divisors(experts) if e <= 256] if experts else [1]
    micro = _powers(min(recipe.batch, 8))
    kinds = (0, 2) if recipe.fused_attention and not gated else (0, 1, 2)
    rows: list[tuple[int, ...]] = []
    for t, p in product(_pick(r.tensor, tensor), _pick(r.pipeline, pipeline)):
        chunks = [v for v in _divisors(-(-layers // p)) if v <= 16] if p > 1 else [1]
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
    evaluation = _of_those_that_fit(machine, model, recipe, layouts)
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
    evaluation = _of_those_that_fit(machine, model, recipe, candidates(machine, model, recipe, accelerators, fixed))
    return None if evaluation is None else Answer.of(evaluation, int(np.argmin(evaluation.total)))


def _of_those_that_fit(machine: Machine, model: Transformer, recipe: Recipe, layouts: Layouts) -> Evaluation | None:
    """Times of the layouts that fit; memory is cheap to compute and rejects most, so it goes first."""
    if machine.execution == "gpu":
        layouts = layouts.where(footprint(machine, model, recipe, layouts).margin >= 0)
        return evaluate(machine, model, recipe, layouts) if len(layouts) else None
    evaluation = evaluate(machine, model, recipe, layouts)
    return evaluate(machine, model, recipe, layouts.where(evaluation.fits)) if evaluation.fits.any() else None


def check(machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest) -> None:
    """Refuse degrees that cannot work, all at once, with the arithmetic.

    Raises
    ------
    PlanError
        One line for each degree that is wrong.
    """
    r, wrong = request, _misfits(machine, recipe, request)
    if machine.execution != "gpu":
        names = ("pipeline", "interleave", "context", "expert") + (("tensor",) if machine.execution == "wafer" else ())
        wrong += [
            f"{name}: weights stream through whole systems; expected 1; got {getattr(r, name)}"
            for name in names
            if (getattr(r, name) or 1) > 1
        ]
        if r.zero is not None and r.zero > 1:
            wrong.append(f"zero: weights and gradients live outside already; expected 1 or less; got {r.zero}")
    if machine.execution == "gpu":
        if r.tensor and model.heads % r.tensor:
            near = [t for t in _divisors(model.heads) if t <= r.tensor][-1]
            wrong.append(f"tensor: expected a divisor of {model.heads} heads; got {r.tensor}; {near} works")
        if r.tensor and r.tensor > machine.domain:
            wrong.append(
                f"tensor: expected at most the {machine.domain} accelerators of one scale-up domain; got {r.tensor}"
            )
        chunks = (r.pipeline or 1) * (r.interleave or 1)
        if chunks > model.layers:
            wrong.append(f"pipeline × interleave: expected at most {model.layers} layers; got {chunks}")
        held = -(-model.layers // (r.pipeline or 1))
        if r.interleave and r.interleave > 1 and held % r.interleave:
            wrong.append(f"interleave: expected a divisor of the {held} layers of a stage; got {r.interleave}")
        if r.expert and r.expert > 1 and (not model.experts or model.experts % r.expert):
            wrong.append(f"expert: expected a divisor of {model.experts} experts; got {r.expert}")
    if r.expert and r.data and (r.tensor or 1) * (r.context or 1) * r.data % r.expert:
        ranks = (r.tensor or 1) * (r.context or 1) * r.data
        wrong.append(f"expert: expected a divisor of tensor × context × data = {ranks} ranks; got {r.expert}")
    if r.microbatch and r.microbatch > recipe.batch:
        wrong.append(f"microbatch: expected at most the global batch of {recipe.batch} sequences; got {r.microbatch}")
    used = (r.tensor or 1) * (r.pipeline or 1) * (r.context or 1) * (r.data or 1)
    if used > accelerators:
        wrong.append(f"tensor × pipeline × context × data: expected at most {accelerators} accelerators; got {used}")
    if wrong:
        raise PlanError("\n".join(f"layout of {model.name} on {machine.name}: {line}" for line in wrong))


def _misfits(machine: Machine, recipe: Recipe, r: LayoutRequest) -> list[str]:
    """What a machine without a known host, a schedule or a group of shards cannot have."""
    wrong = []
    if recipe.offload != "none" and not machine.host:
        wrong.append(f"offload: expected none, for the catalogue has no link to a host's memory; got {recipe.offload}")
    if r.schedule in ("zero-bubble", "dualpipe") and (r.interleave or 1) > 1:
        wrong.append(f"interleave: {r.schedule} has one chunk a stage; expected 1; got {r.interleave}")
    if r.schedule == "dualpipe" and (r.pipeline or 2) % 2:
        wrong.append(f"pipeline: dualpipe pairs stages; expected an even number; got {r.pipeline}")
    ranks = (r.data or 0) * (r.context or 1)
    if r.shard and ranks and ranks % r.shard:
        wrong.append(f"shard: expected a divisor of data × context = {ranks} ranks; got {r.shard}")
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
        f"({layouts[leanest]}) needs {show(needs.total, 'B')} per accelerator, has {show(needs.capacity, 'B')} usable"
    )
    for more in (accelerators * 2**i for i in range(1, 16)):
        wider = candidates(machine, model, recipe, more, request)
        if len(wider) and _of_those_that_fit(machine, model, recipe, wider) is not None:
            return f"{message}; it would fit on {more} accelerators"
    freer = candidates(machine, model, recipe, accelerators, LayoutRequest())
    if len(freer) and _of_those_that_fit(machine, model, recipe, freer) is not None:
        return f"{message}; it would fit with `layout: fastest`"
    return f"{message}; no number of these accelerators holds it: fewer tokens in a sequence or more memory would"
