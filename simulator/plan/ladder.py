"""The sizes at which a job can run: a ladder of rungs from the largest down to the smallest that still works."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import combinations

from simulator.errors import PlanError
from simulator.plan.contention import Neighbours
from simulator.plan.curtailment import clock_of, compared, curtailed, power_at
from simulator.plan.mixed import left_out, nodes_of, shared
from simulator.plan.model import Delivery, LeftOut, PoolPlan, PowerStep, Rung, Size
from simulator.plan.parts import Parts
from simulator.plan.power import cap_at, power_steps
from simulator.plan.weather import Risk, Saving, Weather, weather
from simulator.reliability import Checkpoint
from simulator.reliability.checkpoint import interval_for
from simulator.step import Answer, Machine, Share, fastest, fastest_of, sliced, slowed, slowest
from simulator.step.streaming import hiding_batch
from simulator.units import DAY, show, show_time
from simulator.workload import LayoutRequest, Recipe, TrainingJob, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["ladder", "machine_of", "request_of", "sizes"]

Nodes = tuple[int, ...]
_HOPELESS = 1e-6  # goodput below which no horizon is long enough to matter


def phases(pools: Sequence[PoolPlan], steps: Sequence[PowerStep], horizon: float) -> list[float]:
    """Times within the horizon at which nodes arrive or the power cap changes."""
    times = {0.0, *(d.time for pool in pools for d in pool.deliveries), *(step.time for step in steps)}
    return sorted(time for time in times if time <= horizon)


def installed(deliveries: Sequence[Delivery], time: float) -> int:
    """Nodes that have arrived by ``time``."""
    return sum(delivery.nodes for delivery in deliveries if delivery.time <= time)


def offered(pool: PoolPlan, time: float) -> int:
    """Installed nodes less the spares: what jobs may plan with."""
    there = installed(pool.deliveries, time)
    return there - math.floor(there * pool.spare_share)


def standing(pools: Sequence[PoolPlan], time: float) -> float:
    """What the building draws for the nodes installed by ``time``, whatever they do. [W]"""
    return sum(installed(pool.deliveries, time) * pool.standing_power for pool in pools)


def _within(nodes: Nodes, pools: Sequence[PoolPlan], *, watts: float, wanted: int | None) -> Nodes:
    """As many of ``nodes`` as the power and the job's wish allow, all pools shrunk alike."""
    power = sum(n * pool.training_power for n, pool in zip(nodes, pools, strict=True))
    accelerators = sum(n * pool.accelerators for n, pool in zip(nodes, pools, strict=True))
    watts = max(watts, 0.0)
    share = min(1.0, watts / power if power > 0 else 1.0)
    if wanted is not None and accelerators:
        share = min(share, wanted / accelerators)
    fitted = [math.floor(n * share + 1e-9) for n in nodes]
    if wanted is not None and share < 1 and sum(n > 0 for n in nodes) == 1:
        # of one pool alone, a wish that whole nodes do not meet exactly gets the node that is partly used
        only = next(i for i, n in enumerate(nodes) if n)
        room = math.floor(watts / pools[only].training_power) if math.isfinite(watts) else nodes[only]
        fitted[only] = min(nodes[only], math.ceil(wanted / pools[only].accelerators), room)
    return tuple(fitted)


def sizes(
    pools: Sequence[PoolPlan], steps: tuple[PowerStep, ...], horizon: float, wanted: int | None, *, taken: Nodes,
    curtailment: str = "nodes",
) -> list[Size]:  # fmt: skip
    """Node counts worth planning for: every phase, every mix of pools, within the power of the time.

    Where that does not feed all nodes, fewer of them, or all or some of them at lower clocks, as ``curtailment`` says.

    ``taken`` is what jobs of higher priority hold; sizes with and without it are offered, for while they run and after.
    """
    found: dict[Size, None] = {}
    for time in phases(pools, steps, horizon):
        everything = tuple(offered(pool, time) for pool in pools)
        left = tuple(max(n - t, 0) for n, t in zip(everything, taken, strict=True))
        used = sum(min(n, t) * p.training_power for n, t, p in zip(everything, taken, pools, strict=True))
        watts = cap_at(steps, time) - standing(pools, time)
        for available, power in ((everything, watts), (left, watts - used)):
            present = [i for i, n in enumerate(available) if n]
            for count in range(1, len(present) + 1):
                for mix in combinations(present, count):
                    nodes = tuple(n if i in mix else 0 for i, n in enumerate(available))
                    fitted = _within(nodes, pools, watts=power, wanted=wanted)
                    asked = _within(nodes, pools, watts=math.inf, wanted=wanted)
                    slower = curtailed(asked, fitted, pools, power) if curtailment != "nodes" else []
                    if any(fitted) and not (slower and curtailment == "clocks"):
                        found[Size(fitted, power)] = None
                    found.update(dict.fromkeys(slower))
    return list(found)


def _used(nodes: Nodes, pools: Sequence[PoolPlan], answer: Answer) -> Nodes:
    """The nodes a layout really uses; the others stay free, each pool's in proportion."""
    there = sum(n * pool.accelerators for n, pool in zip(nodes, pools, strict=True))
    share = answer.layout.accelerators / there
    return tuple(min(n, math.ceil(n * share - 1e-9)) for n in nodes)


def _smaller(nodes: Nodes) -> list[Nodes]:
    """Sizes just below ``nodes`` and ever further: one, two, four … nodes gone for repair, then halves of the rest."""
    total = sum(nodes)
    lost = [2**i for i in range(total.bit_length()) if 2**i <= total // 2]
    halves = [total - total // 2**i for i in range(2, total.bit_length())]
    return [tuple(n - round(gone * n / total) for n in nodes) for gone in (*lost, *halves)]


def ladder(
    parts: Parts, job: TrainingJob, model: Transformer, pools: Sequence[PoolPlan], risks: Sequence[Risk],
    wanted: Sequence[Size], *, degraded: bool, others: Neighbours | None = None,
) -> tuple[tuple[Rung, ...], tuple[LeftOut, ...]]:  # fmt: skip
    """Rungs for the ``wanted`` sizes and, with ``degraded``, for those below them; best first, no useless ones.

    Beside them the pools that the best of them does without.  ``others`` write to the same store.

    Raises
    ------
    PlanError
        No size works: the reason of the largest.
    """
    rungs: dict[Size, Rung] = {}
    under: dict[float, list[Size]] = defaultdict(list)  # by the power there is
    refusal: PlanError | None = None

    def add(size: Size, equal: Answer, like: Sequence[Share] | None = None) -> Rung:
        clock = clock_of(size, pools)
        answer, shares = shared(parts, job, model, size.nodes, clock, equal, like)
        used = nodes_of(shares, size.nodes, pools) if shares else _used(size.nodes, pools, answer)
        rung = _rung(parts, job, model, pools, risks, used, clock, answer, shares, others)
        kept = rung.size
        if kept not in rungs or rungs[kept].tokens_per_second < rung.tokens_per_second:
            rungs[kept] = rung
        under[size.watts].append(kept)
        return rung

    def attempt(size: Size) -> tuple[Answer, Rung] | None:
        """Search a size; remember why the largest that is impossible is."""
        nonlocal refusal
        try:
            answer = _answer(parts, job, model, size.nodes, clock_of(size, pools))
            return answer, add(size, answer)
        except PlanError as reason:
            refusal = refusal or reason
            return None

    def held(nodes: Nodes) -> int:
        return sum(n * pool.accelerators for n, pool in zip(nodes, pools, strict=True))

    least = job.minimum or 1
    flexible = job.layout == "fastest" or job.layout.data is None
    enough = [size for size in sorted(wanted, key=lambda size: -sum(size.nodes)) if held(size.nodes) >= least]
    if wanted and not enough:
        most = max(held(size.nodes) for size in wanted)
        raise PlanError(f"job {job.name}: expected at least {least} accelerators; at most {most} are there with power")
    done: set[Size] = set()
    for size in enough:
        found = attempt(size)
        if found is None or not degraded or not flexible or found[1].size in done:
            continue
        answer, whole = found
        done.add(whole.size)
        for nodes in _smaller(whole.nodes):
            fewer = Size(nodes, size.watts)
            like = _like(parts, job, model, fewer, pools, answer) if held(nodes) >= least else None
            if like is not None:
                with suppress(PlanError):  # a size that would never get anywhere is no rung
                    add(fewer, like, whole.shares)
    if degraded and flexible and rungs:
        # where a smaller size trains more because it is interrupted less, its neighbourhood is worth a search
        best = max(rungs.values(), key=lambda rung: rung.useful_tokens_per_second)
        largest = max(enough, key=lambda size: all(n >= m for n, m in zip(size.nodes, best.nodes, strict=True))).nodes
        for factor in (1.0, 0.9, 1.1, 1.25):
            near = tuple(min(math.ceil(n * factor), max(m, n)) for n, m in zip(best.nodes, largest, strict=True))
            if held(near) >= least:
                attempt(Size(near, best.size.watts))
    if not rungs:
        raise refusal or PlanError(f"job {job.name}: {_never(pools, parts)}")
    ordered = sorted(
        compared(rungs, under).values(), key=lambda rung: (-rung.useful_tokens_per_second, sum(rung.nodes))
    )
    kept: list[Rung] = []
    for rung in ordered:
        if not any(_dispensable(rung, better) for better in kept):
            kept.append(rung)
    return tuple(kept), left_out(ordered, ordered[0], pools)


def _never(pools: Sequence[PoolPlan], parts: Parts) -> str:
    """Why there is no size at all: nothing arrives in time, or the power never suffices for one node."""
    horizon = parts.scenario.horizon
    arrivals = [delivery.time for pool in pools for delivery in pool.deliveries if delivery.nodes]
    if min(arrivals) > horizon:
        return (
            f"expected nodes within the horizon of {horizon / DAY:,.4g} d; the first arrive "
            f"{min(arrivals) / DAY:,.0f} d after the start; a longer horizon or earlier arrivals would help"
        )
    node = min(pool.training_power + pool.standing_power for pool in pools)
    most = max(step.watts for step in power_steps(parts) if step.time <= horizon)
    return f"expected power for one node, {show(node, 'W')} at the facility's meter; at most {show(most, 'W')} is there"


def _dispensable(rung: Rung, better: Rung) -> bool:
    """Whether ``better``, which trains more, also is as fast and needs no more of any pool, nor of the power."""
    smaller = all(a <= b for a, b in zip(better.nodes, rung.nodes, strict=True)) and better.power <= rung.power
    return smaller and better.tokens_per_second >= rung.tokens_per_second


def machine_of(parts: Parts, job: TrainingJob, nodes: Nodes, clock: float = 1.0) -> tuple[Machine, int]:
    """What a job meets on ``nodes`` of each pool at a share of their clock, and how many accelerators these hold."""
    used = [i for i, n in enumerate(nodes) if n]
    counts = [nodes[i] * parts.nodes[i].accelerators for i in used]
    machine = slowest([parts.machine(i, job) for i in used], counts)
    return slowed(sliced(machine, sum(counts)), clock), sum(counts)


def _answer(parts: Parts, job: TrainingJob, model: Transformer, nodes: Nodes, clock: float) -> Answer:
    machine, accelerators = machine_of(parts, job, nodes, clock)
    limit = min(accelerators, job.accelerators) if job.accelerators else accelerators
    return _searched(machine, model.name, job.recipe(model.context), limit, request_of(job))


def request_of(job: TrainingJob) -> LayoutRequest:
    """The degrees a job fixes; none with ``layout: fastest``."""
    return LayoutRequest() if job.layout == "fastest" else job.layout


@lru_cache(maxsize=4096)
def _searched(machine: Machine, model: str, recipe: Recipe, accelerators: int, request: LayoutRequest) -> Answer:
    """What-ifs that leave machine and model alone meet the same sizes again; the catalogue never changes."""
    return fastest(machine, Transformer.load(model), recipe, accelerators, request)


def _like(
    parts: Parts, job: TrainingJob, model: Transformer, size: Size, pools: Sequence[PoolPlan], answer: Answer
) -> Answer | None:
    machine, accelerators = machine_of(parts, job, size.nodes, clock_of(size, pools))
    return fastest_of(machine, model, job.recipe(model.context), accelerators, request_of(job), like=answer.layout)


def _rung(
    parts: Parts, job: TrainingJob, model: Transformer, pools: Sequence[PoolPlan], risks: Sequence[Risk],
    nodes: Nodes, clock: float, answer: Answer, shares: tuple[Share, ...], others: Neighbours | None,
) -> Rung:  # fmt: skip
    """One size with everything that follows from it.

    A checkpoint holds the 16-bit weights and the optimizer's state; every node writes its part, up to what the store
    takes from all together and the ``others`` leave.
    """
    scenario = parts.scenario
    weighted = sum(n * pool.failure_weight for n, pool in zip(nodes, pools, strict=True))
    accelerators = answer.layout.accelerators
    fixed = scenario.failures.restart
    stages = {"restart": fixed} if fixed is not None else parts.fleet.restart_stages(accelerators)
    restart = sum(stages.values())
    write, load = _checkpoint_times(parts, job, model, nodes, others)
    memory = scenario.checkpoint.memory
    met = weather(
        risks,
        nodes=sum(nodes),
        weighted=weighted,
        standby=scenario.failures.warm if scenario.failures.hot == 0 else scenario.failures.standby,
        after=restart + load,
        copies=memory.copies if memory else 1,
    )
    quick, quick_load = _memory_times(parts, job, model, nodes, accelerators) if memory else (0.0, 0.0)
    saving = _saving(scenario.checkpoint, write, quick, met, job.name)
    goodput = met.goodput(saving)
    if job.elastic is not None and answer.layout.data > 1:
        lost = math.ceil(answer.layout.data / sum(nodes)) / answer.layout.data  # a node may hold several replicas
        out = (job.elastic + met.recovery * lost) / met.mtti
        goodput = max(goodput, saving.interval / (saving.interval + saving.save) / (1 + out))
    if goodput < _HOPELESS:
        raise PlanError(
            f"job {job.name} on {answer.layout.accelerators} accelerators is interrupted every {met.mtti:,.4g} s and "
            f"would lose {saving.interval + saving.save + met.recovery:,.4g} s each time (work since the last save, "
            "detection, restart, load): it never gets anywhere; fewer failures, shorter checkpoint intervals or faster "
            "restarts would help"
        )
    power = power_at(nodes, pools, clock)
    holding = sum(n * pool.holding_power for n, pool in zip(nodes, pools, strict=True))
    return Rung(
        nodes=nodes,
        accelerators=accelerators,
        tokens_per_second=answer.step.tokens_per_second,
        useful_tokens_per_second=answer.step.tokens_per_second * goodput,
        power=power,
        interval=saving.interval,
        save=saving.save,
        restart=restart,
        load=load,
        mtti=met.mtti,
        running=met.running,
        hiding_batch=_hiding_batch(parts, job, model, nodes),
        step=answer.step,
        layout=answer.layout,
        memory=answer.memory,
        drain=saving.drain,
        every=saving.every,
        quick=saving.quick,
        quick_load=quick_load,
        replicas=answer.layout.data,
        shares=shares,
        running_power=power - saving.share * max(power - holding, 0.0),
        clock=clock,
        stages=tuple(stages.items()),
        cut=_cut(answer),
    )


def _cut(answer: Answer) -> tuple[int, ...]:
    """What all replicas of a layout have in common; those of another cannot join them."""
    one = answer.layout
    return (one.tensor, one.pipeline, one.interleave, one.context, one.expert, one.zero)


def _checkpoint_times(
    parts: Parts, job: TrainingJob, model: Transformer, nodes: Nodes, others: Neighbours | None
) -> tuple[float, float]:
    """Time to write a checkpoint and to read it back: its bytes over the store's rates for so many nodes. [s]

    A write meets those of others; a time that was asked for is taken as it is.
    """
    asked, formats, store = parts.scenario.checkpoint, PRECISIONS[job.precision], parts.storage
    saved = model.parameters * (formats.weight_bytes + formats.optimizer_bytes)
    crowded = 1.0 if others is None else others.crowding(nodes)
    write = asked.save if asked.save is not None else saved / store.write_rate(sum(nodes)) * crowded
    load = asked.load if asked.load is not None else saved / store.read_rate(sum(nodes))
    return write, load


def _memory_times(
    parts: Parts, job: TrainingJob, model: Transformer, nodes: Nodes, accelerators: int
) -> tuple[float, float]:
    """Time to copy a checkpoint into the hosts' memory, and to read it back from a peer's. [s]

    Every accelerator copies its own part over the link to its host, and that stops the training; a second copy goes to
    a peer beside it.  After a fault the new node reads its part from there, over its network interfaces.

    Raises
    ------
    PlanError
        The catalogue knows no link to the host.
    """
    asked, formats = parts.scenario.checkpoint.memory, PRECISIONS[job.precision]
    assert asked is not None, "asked only where there is a memory tier"
    machine, _ = machine_of(parts, job, nodes)
    part = model.parameters * (formats.weight_bytes + formats.optimizer_bytes) / accelerators
    if asked.save is None and not machine.host:
        raise PlanError(
            f"checkpoint.memory.save: expected a time, for the catalogue has no link from {machine.name} to its host"
        )
    save = part / machine.host if asked.save is None else asked.save
    load = part / machine.scaleout if asked.load is None else asked.load
    return save, load


def _saving(asked: Checkpoint, write: float, quick: float, met: Weather, job: str) -> Saving:
    """How often the size saves, and what that costs; ``quick`` is the time of one that stays in memory.

    With a memory tier the store's interval follows the interruptions that memory does not survive.

    Raises
    ------
    PlanError
        A checkpoint would take longer than the interval that was asked for.
    """
    save, drain = (write, 0.0) if asked.snapshot is None else (asked.snapshot, write)
    memory = asked.memory
    between = met.mtti
    if memory is not None:
        between = met.mtti / met.unremembered if met.unremembered > 0 else math.inf
    interval = interval_for(asked.interval, save=save, between=between)
    if isinstance(asked.interval, float) and max(save, drain) > interval:
        raise PlanError(
            f"checkpoint.interval: expected at least the {show_time(max(save, drain))} that a checkpoint of job {job} "
            f"takes; got {show_time(interval)}; a longer interval or a faster store would help"
        )
    interval = max(interval, drain)
    if memory is None:
        return Saving(interval, save, drain)
    if quick > memory.interval:
        raise PlanError(
            f"checkpoint.memory.interval: expected at least the {show_time(quick)} that a checkpoint takes; "
            f"got {show_time(memory.interval)}"
        )
    rounds = max(1, round(interval / memory.interval), math.ceil(drain / memory.interval - 1e-9))
    return Saving(memory.interval, save, drain, rounds, quick)


def _hiding_batch(parts: Parts, job: TrainingJob, model: Transformer, nodes: Nodes) -> float | None:
    machine, _ = machine_of(parts, job, nodes)
    return None if machine.execution == "gpu" else hiding_batch(machine, model, job.recipe(model.context))


def recipe_of(parts: Parts, index: int) -> Recipe:
    """The step model's recipe of a job."""
    return parts.scenario.jobs[index].recipe(parts.models[index].context)
