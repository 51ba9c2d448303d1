"""The plan's own answer, in closed form: without failures, and with what failures cost on average."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from simulator.economics import Bill, bill
from simulator.plan.ladder import Nodes, installed, offered, phases, standing
from simulator.plan.model import JobPlan, Plan, Rung, split
from simulator.plan.power import cap_at
from simulator.reliability.checkpoint import expected_goodput

__all__ = ["Outlook", "outlook", "rung_at", "usual_rung"]

_SLACK = 1 + 1e-9  # a cap that is met exactly is met


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the last job ends and what it costs; ``finish`` is infinite when that is never."""

    finish: float  # [s]
    tokens_per_second: float  # useful ones, mean over the time in which jobs have nodes
    goodput: float  # expected share of that time that is useful
    energy: float  # at the facility's meter [J]
    carbon: float  # of it [kgCO2e]
    peak: float  # highest power of the facility, every job at work [W]
    bill: Bill

    @property
    def cost(self) -> float:
        """Dollars from the start to the finish."""
        return self.bill.total


def rung_at(
    plan: Plan, job: JobPlan, time: float, *, taken: Nodes = (), drawn: float = 0.0, failures: bool = True
) -> Rung | None:
    """The best rung the deliveries and the power of ``time`` allow, spares aside; ``None`` if not even the smallest.

    Parameters
    ----------
    taken, drawn
        Nodes by pool, and watts, that jobs of higher priority hold.
    """
    room = [offered(pool, time) for pool in plan.pools]
    left = [there - held for there, held in zip(room, taken or [0] * len(room), strict=True)]
    watts = (cap_at(plan.power, time) - standing(plan.pools, time) - drawn) * _SLACK
    best = job.rungs if failures else sorted(job.rungs, key=lambda rung: -rung.tokens_per_second)
    for rung in best:
        if rung.power <= watts and all(n <= m for n, m in zip(rung.nodes, left, strict=True)):
            return rung
    return None


def usual_rung(plan: Plan, job: JobPlan) -> Rung:
    """The size that deliveries and power give a job for longest before it is done, or before the horizon."""
    end = min(outlook(plan).finish, plan.horizon)
    times = [time for time in phases(plan.pools, plan.power, plan.horizon) if time < end]
    lasting: dict[int, float] = defaultdict(float)
    for begin, until in pairwise([*times, end]):
        rung = rung_at(plan, job, begin)
        if rung is not None:
            lasting[job.rungs.index(rung)] += until - begin
    return job.rungs[max(lasting, key=lambda number: (lasting[number], -number), default=0)]


def goodput_of(rung: Rung, *, failures: bool) -> float:
    """Useful share of a rung's time, saves included."""
    if failures:
        return rung.useful_tokens_per_second / rung.tokens_per_second
    return expected_goodput(interval=rung.interval, save=rung.save, between=math.inf, restart=0, while_restarting=True)


def _held(plan: Plan, left: Sequence[float], time: float, *, failures: bool) -> list[Rung | None]:
    """The rung of every job that still has work, by priority."""
    taken, drawn = (0,) * len(plan.pools), 0.0
    rungs: list[Rung | None] = []
    for job, tokens in zip(plan.jobs, left, strict=True):
        rung = rung_at(plan, job, time, taken=taken, drawn=drawn, failures=failures) if tokens > 0 else None
        if rung is not None:
            taken, drawn = tuple(a + b for a, b in zip(taken, rung.nodes, strict=True)), drawn + rung.power
        rungs.append(rung)
    return rungs


def outlook(plan: Plan, *, failures: bool = True) -> Outlook:
    """Expected finish, cost and energy of all jobs side by side on what has arrived and is powered.

    Without ``failures`` the answer is the plan's: nothing breaks, but checkpoints are still taken.  With them, each
    stretch runs at the goodput of :func:`simulator.reliability.checkpoint.expected_goodput`; waiting for nodes in
    repair and running degraded are left to the simulation.
    """
    changes = phases(plan.pools, plan.power, math.inf)
    left = [job.tokens for job in plan.jobs]
    now = worked = useful = energy = paid = carbon = peak = 0.0
    while any(tokens > 0 for tokens in left):
        coming = next((time for time in changes if time > now), math.inf)
        rungs = _held(plan, left, now, failures=failures)
        rates = [
            rung.tokens_per_second * goodput_of(rung, failures=failures) if rung is not None else 0.0 for rung in rungs
        ]
        done = min((tokens / rate for tokens, rate in zip(left, rates, strict=True) if rate > 0), default=math.inf)
        span = min(coming - now, done)
        if math.isinf(span):
            now = math.inf
            break
        left = [
            0.0 if rate > 0 and tokens / rate <= span else tokens - rate * span
            for tokens, rate in zip(left, rates, strict=True)
        ]
        watts = _power(plan, rungs, now, failures=failures)
        energy += span * watts
        for source, part in zip(plan.sources, split(plan.sources, watts, now), strict=False):
            paid += span * part * source.price
            carbon += span * part * source.carbon
        between = sum(rung.power - rung.running_power for rung in rungs if rung is not None)  # saves
        peak = max(peak, _power(plan, rungs, now, failures=False) + between)
        worked += span * sum(rung is not None for rung in rungs)
        useful += span * sum(goodput_of(rung, failures=failures) for rung in rungs if rung is not None)
        now += span
    end = min(now, 100 * plan.horizon)  # what stands for ever is not billed for ever
    stood = [sum(d.nodes * max(end - d.time, 0.0) for d in pool.deliveries) for pool in plan.pools]
    finished = worked > 0 and math.isfinite(now)
    return Outlook(
        finish=now,
        tokens_per_second=sum(job.tokens for job in plan.jobs) / worked if finished else 0.0,
        goodput=useful / worked if worked else 0.0,
        energy=energy,
        peak=peak,
        carbon=carbon if plan.sources else energy * plan.carbon,
        bill=bill(plan.tariff, stood, energy, energy_cost=paid if plan.sources else None),
    )


def _power(plan: Plan, rungs: Sequence[Rung | None], time: float, *, failures: bool) -> float:
    """Mean facility power: of jobs that run and of those that recover, of idle nodes, and of the building. [W]

    What the cap leaves no power for is switched off.
    """
    idle = sum(installed(pool.deliveries, time) * pool.idle_power for pool in plan.pools)
    working = 0.0
    for rung in rungs:
        if rung is not None:
            resting = sum(n * pool.idle_power for n, pool in zip(rung.nodes, plan.pools, strict=True))
            holding = sum(n * pool.holding_power for n, pool in zip(rung.nodes, plan.pools, strict=True))
            running = rung.running if failures else 1.0
            working += running * rung.running_power + (1 - running) * holding - resting
    return min(idle + working + standing(plan.pools, time), cap_at(plan.power, time))
