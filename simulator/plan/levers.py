"""What holds the run back: single changes, each planned anew, and the days and dollars each would save."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from simulator.errors import PlanError
from simulator.plan.build import plan as build
from simulator.plan.ladder import installed, offered, phases
from simulator.plan.model import JobPlan, Plan, Size
from simulator.plan.outlook import Outlook, outlook, rung_at
from simulator.scenario import Scenario
from simulator.step import Machine
from simulator.units import DAY

__all__ = ["Lever", "levers", "sizes_to_compare"]


@dataclass(frozen=True, slots=True)
class Lever:
    """One change and what it would save against the plan as it is, in expectation; negative is worse."""

    name: str
    days_saved: float
    dollars_saved: float
    bound: bool = False  # the most that could ever be gained there, not something to buy


def _faster(**factors: float) -> Callable[[Machine], Machine]:
    def change(machine: Machine) -> Machine:
        return replace(machine, **{name: getattr(machine, name) * factor for name, factor in factors.items()})

    return change


def _earlier(scenario: Scenario) -> Scenario:
    pools = [
        pool.model_copy(update={"arrivals": {scenario.start: max(pool.arrivals.values())}})
        for pool in scenario.cluster.pools
    ]
    return _with_cluster(scenario, pools=tuple(pools))


def _more_nodes(scenario: Scenario) -> Scenario:
    pools = [
        pool.model_copy(update={"arrivals": {d: math.ceil(n * 1.1) for d, n in pool.arrivals.items()}})
        for pool in scenario.cluster.pools
    ]
    jobs = [
        job.model_copy(update={"accelerators": math.ceil(job.accelerators * 1.1)}) if job.accelerators else job
        for job in scenario.jobs
    ]
    return _with_cluster(scenario, pools=tuple(pools)).model_copy(update={"jobs": tuple(jobs)})


def _with_cluster(scenario: Scenario, **changes: Any) -> Scenario:
    return scenario.model_copy(update={"cluster": scenario.cluster.model_copy(update=changes)})


def _half_the_failures(scenario: Scenario) -> Scenario:
    failures = scenario.failures.model_copy(update={"scale": scenario.failures.scale / 2})
    return scenario.model_copy(update={"failures": failures})


def _half_the_restart(scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"failures": scenario.failures.restarting(0.5)})


def _with_jobs(scenario: Scenario, **changes: Any) -> Scenario:
    return scenario.model_copy(update={"jobs": tuple(job.model_copy(update=changes) for job in scenario.jobs)})


def _twice_the_batch(scenario: Scenario) -> Scenario:
    jobs = tuple(job.model_copy(update={"batch": 2 * job.batch}) for job in scenario.jobs)
    return scenario.model_copy(update={"jobs": jobs})


def _grown(plan: Plan, time: float) -> Size:
    """Nodes on offer with a tenth more of each pool installed."""
    more = [math.ceil(1.1 * installed(pool.deliveries, time)) for pool in plan.pools]
    return Size(tuple(n - math.floor(n * pool.spare_share) for n, pool in zip(more, plan.pools, strict=True)))


def _sizes_used(plan: Plan, job: JobPlan) -> list[Size]:
    """Sizes of the rungs on which the job would be, phase by phase."""
    times = phases(plan.pools, plan.power, plan.horizon)
    return list(dict.fromkeys(rung.size for time in times if (rung := rung_at(plan, job, time)) is not None))


def sizes_to_compare(plan: Plan) -> list[list[Size]]:
    """Sizes by job that a what-if needs: those the plan uses, and the largest, which may pay once something changes."""
    times = phases(plan.pools, plan.power, plan.horizon)
    everything = list(dict.fromkeys(Size(tuple(offered(pool, time) for pool in plan.pools)) for time in times))
    return [list(dict.fromkeys(_sizes_used(plan, job) + everything)) for job in plan.jobs]


def levers(scenario: Scenario, plan: Plan) -> tuple[Lever, ...]:
    """Single changes, the one that saves most days first, bounds last.  Each is planned again; none is a rule of thumb.

    Expectations in closed form (:func:`simulator.plan.outlook.outlook`), so that a run answers at once.  A change that
    cannot be planned, or changes nothing, is left out.
    """
    now = outlook(plan)
    found: list[Lever] = []

    def consider(name: str, changed: Callable[[], Outlook], *, bound: bool = False) -> None:
        try:
            then = changed()
        except PlanError:  # e.g. an accelerator without an 8-bit format: the change is not to be had
            return
        if math.isinf(now.finish) or math.isinf(then.finish):
            if then.finish < now.finish:  # what never ended would end
                found.append(Lever(name, math.inf, math.inf, bound))
            return
        days = (now.finish - then.finish) / DAY
        dollars = now.cost - then.cost
        if abs(days) > 0.005 * now.finish / DAY or abs(dollars) > 0.005 * now.cost:
            found.append(Lever(name, days, dollars, bound))

    times, same = phases(plan.pools, plan.power, plan.horizon), sizes_to_compare(plan)
    grown = [sizes + [_grown(plan, time) for time in times] for sizes in same]

    def replanned(changed: Scenario, *, sizes_of: list[list[Size]] = same, **options: Any) -> Callable[[], Outlook]:
        return lambda: outlook(build(changed, degraded=False, sizes_of=sizes_of, **options))

    consider("no failures at all", lambda: outlook(plan, failures=False), bound=True)
    consider("half the failures", replanned(_half_the_failures(scenario)))
    consider("restarts in half the time", replanned(_half_the_restart(scenario)))
    if any(len(pool.deliveries) > 1 or pool.deliveries[0].time > 0 for pool in plan.pools):
        consider("all nodes there on the first day", replanned(_earlier(scenario)))
    if plan.power:
        site = scenario.site.model_copy(update={"power": {scenario.start: 1e12}, "supplies": None})
        consider("no limit on power", replanned(scenario.model_copy(update={"site": site})))
    consider("10 % more nodes", replanned(_more_nodes(scenario), sizes_of=grown))
    consider("twice the network bandwidth", replanned(scenario, change=_faster(scaleout=2.0, edge_bandwidth=2.0)))
    consider("twice the scale-up bandwidth", replanned(scenario, change=_faster(scaleup=2.0)))
    consider("twice the memory", replanned(scenario, change=_faster(memory=2.0)))
    consider("twice the memory bandwidth", replanned(scenario, change=_faster(stream=2.0)))
    consider("twice the global batch", replanned(_twice_the_batch(scenario)))
    if any(job.precision != "fp8" for job in scenario.jobs):
        consider("matrix products in fp8", replanned(_with_jobs(scenario, precision="fp8")))
    return tuple(sorted(found, key=lambda lever: (lever.bound, -lever.days_saved, lever.name)))
