"""Whether repair keeps up with failure: a cluster that drains, or a workshop whose queue never ends, is no plan."""

from __future__ import annotations

import math

from simulator.errors import PlanError
from simulator.plan.model import Plan
from simulator.plan.outlook import outlook
from simulator.units import DAY, HOUR, show_time

__all__ = ["check_upkeep"]


def check_upkeep(plan: Plan) -> None:
    """Refuse a plan whose repair falls behind, or whose maintenance leaves no time to train.

    Of N nodes that break at the rate λ and are away for R, N / (1 + λ R) are there in the long run, and

        n(t) = N [1 + λ R e^{−(λ + 1/R) t}] / (1 + λ R)

    until then.  Hands are short when N λ H of them are needed at a time, H the hands-on time of a repair, and fewer are
    there.

    Raises
    ------
    PlanError
        When, and what would save it.
    """
    if plan.maintenance is not None:
        rung = plan.jobs[0].rungs[0]
        away = plan.maintenance.lasts + rung.restart + rung.load + rung.save + rung.drain
        if plan.maintenance.every <= away:
            raise PlanError(
                f"failures.maintenance.every: expected more than the {show_time(away)} that a stop of job "
                f"{plan.jobs[0].name} takes, save and restart included; got {show_time(plan.maintenance.every)}, so "
                "that it would never train"
            )
    rate = sum(cause.rate * cause.node_lost for cause in plan.causes if not cause.per_job)
    nodes = sum(pool.nodes * pool.failure_weight for pool in plan.pools)
    hands = sum(band.share * band.hands for band in plan.repairs)
    needed = nodes * rate * hands
    if plan.crews is not None and not hands:
        raise PlanError(
            f"failures.crews: expected some hands-on time in failures.repair, for only that needs a crew and the fleet "
            f"names none; got {plan.crews} crews with nothing to do"
        )
    if plan.crews is not None and needed >= plan.crews:
        raise PlanError(
            f"failures.crews: expected more than {needed:.3g}: {nodes * rate * DAY:.3g} nodes break a day and each "
            f"needs {hands / HOUR:.3g} h of hands on average; got {plan.crews}, so that broken nodes would queue "
            "without end"
        )
    away = sum(band.share * band.mean for band in plan.repairs)
    load = rate * away
    there = sum(pool.nodes for pool in plan.pools)
    least = min(sum(rung.nodes) for rung in plan.jobs[0].rungs)
    if not load or there / (1 + load) >= least:
        return
    # n(t) = least, solved for t
    left = (least * (1 + load) / there - 1) / load
    when = -math.log(max(left, 1e-300)) / (rate + 1 / away) if left > 0 else math.inf
    if when < min(plan.horizon, outlook(plan).finish):
        slowest = (there / least - 1) / rate
        raise PlanError(
            f"the cluster drains: nodes break {load:.3g} times as fast as they come back, and after some "
            f"{when / DAY:,.3g} d fewer are left than the {least:,} that job {plan.jobs[0].name} needs at least; "
            f"repairs of {slowest / HOUR:,.3g} h on average instead of {away / HOUR:,.3g} h, "
            f"{math.ceil(least * (1 + load)) - there:,} more nodes, or fewer failures would save it"
        )
