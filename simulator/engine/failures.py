"""Failures: one process per cause, for the whole cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import simpy

from simulator.engine.cluster import Cluster
from simulator.engine.repair import Workshop
from simulator.engine.streams import Stream
from simulator.errors import PlanError
from simulator.plan.model import Cause, Plan

__all__ = ["check_count", "fail", "rearm"]

MOST_FAILURES = 5_000_000  # minutes of computing, and a log that still fits into memory


def check_count(plan: Plan) -> None:
    """Refuse a plan with more failures than anyone could wait for.

    Raises
    ------
    PlanError
        More than five million are expected before the horizon.
    """
    exposure = sum(
        delivery.nodes * pool.failure_weight * max(0.0, plan.horizon - max(0.0, delivery.time))
        for pool in plan.pools
        for delivery in pool.deliveries
    )
    rate = sum(cause.rate for cause in plan.causes)
    expected = rate * exposure
    if not expected <= MOST_FAILURES:
        days, days_allowed = exposure / 86400, MOST_FAILURES / rate / 86400
        raise PlanError(
            f"failures: {expected:.3g} expected before the horizon ({rate * 86400:.3g} per node-day over {days:.3g} "
            f"node-days); at most {MOST_FAILURES:,} are simulated one by one. A rate {expected / MOST_FAILURES:.3g} "
            f"times lower, or a shorter horizon or smaller cluster of {days_allowed:.3g} node-days, would fit"
        )


def fail(
    env: simpy.Environment, cause: Cause, cluster: Cluster, workshop: Workshop, seed: int
) -> Generator[simpy.Event, Any, None]:
    """Strike nodes, again and again.

    N nodes failing independently at rate λ are one Poisson process of rate Nλ.  What is drawn is the hazard until the
    next failure, not its time: a delivery, which interrupts this process, changes how fast hazard is used up and
    nothing else, so the draws stay the same whatever the cluster does.
    """
    arrivals, victims = Stream(seed, f"arrivals of {cause.name}"), Stream(seed, f"victims of {cause.name}")
    hazard = arrivals.exponential(1.0)
    while True:
        rate, began = cause.rate * cluster.exposure, env.now
        try:
            yield env.timeout(hazard / rate) if rate > 0 else env.event()
        except simpy.Interrupt:
            hazard = max(0.0, hazard - rate * (env.now - began))
            continue
        hazard = arrivals.exponential(1.0)
        victim, lost = cluster.victim(victims.uniform()), victims.uniform() < cause.node_lost
        if victim is None:
            continue
        pool, job = victim
        if lost:
            cluster.lose(pool, job)
            workshop.take(pool)
        if job is not None:
            cluster.tenants[job].strike(cause)


def rearm(failures: Iterable[simpy.Process]) -> None:
    """The number of nodes has changed, and with it the rate of every cause."""
    for failure in failures:
        failure.interrupt()
