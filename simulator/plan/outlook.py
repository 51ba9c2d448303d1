"""The plan's own answer, in closed form: without failures, and with what failures cost on average."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.economics import Bill, bill
from simulator.plan.ladder import installed, offered, phases
from simulator.plan.model import JobPlan, Plan, Rung
from simulator.plan.power import cap_at
from simulator.reliability.checkpoint import expected_goodput

__all__ = ["Outlook", "outlook", "rung_at"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the last job ends and what it costs; ``finish`` is infinite when that is never."""

    finish: float  # [s]
    tokens_per_second: float  # useful ones, mean over the time in which jobs have nodes
    goodput: float  # expected share of the time that is useful, on the rungs used
    energy: float  # at the facility's meter [J]
    bill: Bill

    @property
    def cost(self) -> float:
        """Dollars from the start to the finish."""
        return self.bill.total


def rung_at(plan: Plan, job: JobPlan, time: float, *, failures: bool = True) -> Rung | None:
    """The best rung the deliveries and the power of ``time`` allow, spares aside; ``None`` if not even the smallest."""
    room = [offered(pool, time) for pool in plan.pools]
    watts = cap_at(plan.power, time)
    best = job.rungs if failures else sorted(job.rungs, key=lambda rung: -rung.tokens_per_second)
    for rung in best:
        if rung.power <= watts and all(n <= m for n, m in zip(rung.nodes, room, strict=True)):
            return rung
    return None


def goodput_of(rung: Rung, *, failures: bool) -> float:
    """Useful share of a rung's time, saves included."""
    if failures:
        return rung.useful_tokens_per_second / rung.tokens_per_second
    return expected_goodput(interval=rung.interval, save=rung.save, between=math.inf, restart=0, while_restarting=True)


def outlook(plan: Plan, *, failures: bool = True) -> Outlook:
    """Expected finish, cost and energy, job after job on what has arrived and is powered.

    Without ``failures`` the answer is the plan's: nothing breaks, but checkpoints are still taken.  With them, each
    stretch runs at the goodput of :func:`simulator.reliability.checkpoint.expected_goodput`; waiting for nodes and
    running degraded are left to the simulation.  Jobs run one after another here, by priority.
    """
    times = phases(plan.pools, plan.power, math.inf)
    now = worked = useful = energy = 0.0
    for job in plan.jobs:
        left = job.tokens
        for begin, end in zip(times, [*times[1:], math.inf], strict=True):
            if left <= 0 or end <= now:
                continue
            rung = rung_at(plan, job, begin, failures=failures)
            since = max(now, begin)
            if rung is None:
                energy += _idle(plan, since, min(end, 1e12)) if math.isfinite(end) else 0.0
                now = end
                continue
            goodput = goodput_of(rung, failures=failures)
            rate = rung.tokens_per_second * goodput
            until = min(end, since + left / rate)
            left = 0.0 if until < end else left - rate * (until - since)
            idle = max(_installed_power(plan, since) - sum(_idle_watts(plan, rung)), 0.0)
            energy += (until - since) * min(rung.power + idle, max(cap_at(plan.power, begin), rung.power))
            worked += until - since
            useful += goodput * (until - since)
            now = until
        if left > 0:
            now = math.inf
    stood = [
        sum(d.nodes * max(min(now, 100 * plan.horizon) - d.time, 0.0) for d in pool.deliveries) for pool in plan.pools
    ]
    return Outlook(
        finish=now,
        tokens_per_second=sum(job.tokens for job in plan.jobs) / worked if worked and math.isfinite(now) else 0.0,
        goodput=useful / worked if worked else 0.0,
        energy=energy,
        bill=bill(plan.tariff, stood, energy),
    )


def _installed_power(plan: Plan, time: float) -> float:
    """Idle power of everything installed. [W]"""
    return sum(installed(pool.deliveries, time) * pool.idle_power for pool in plan.pools)


def _idle_watts(plan: Plan, rung: Rung) -> list[float]:
    """Idle power of a rung's nodes, which they do not draw while they train. [W]"""
    return [n * pool.idle_power for n, pool in zip(rung.nodes, plan.pools, strict=True)]


def _idle(plan: Plan, begin: float, end: float) -> float:
    """Energy of waiting with everything idle, within the cap. [J]"""
    return (end - begin) * min(_installed_power(plan, begin), cap_at(plan.power, begin))
