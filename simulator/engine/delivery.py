"""Deliveries: nodes that arrive on their dates."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import groupby
from typing import Any

import simpy

from simulator.engine.cluster import Cluster
from simulator.engine.failures import rearm
from simulator.engine.record import Record
from simulator.plan.model import Plan

__all__ = ["deliver"]


def deliver(
    env: simpy.Environment, plan: Plan, cluster: Cluster, record: Record, failures: Sequence[simpy.Process]
) -> Generator[simpy.Event, Any, None]:
    """Install what arrives; all that arrives at one moment at once, so that no job starts on half of it."""
    arriving = sorted(
        (max(0.0, delivery.time), pool, delivery.nodes)
        for pool, planned in enumerate(plan.pools)
        for delivery in planned.deliveries
    )
    for time, lorries in groupby(arriving, key=lambda lorry: lorry[0]):
        if time > env.now:
            yield env.timeout(time - env.now)
        for _, pool, nodes in lorries:
            cluster.install(pool, nodes)
            record.event(env.now, "delivery", "", f"{nodes} {plan.pools[pool].name}")
        cluster.entitle()
        rearm(failures)
        cluster.changed()
