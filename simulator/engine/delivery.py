"""Deliveries: nodes that arrive on their dates."""

from __future__ import annotations

from itertools import groupby

from simulator.engine.calendar import Calendar
from simulator.engine.cluster import Cluster
from simulator.engine.hazards import Hazards
from simulator.engine.record import Record
from simulator.plan.model import Plan

__all__ = ["deliver"]


def deliver(calendar: Calendar, plan: Plan, cluster: Cluster, record: Record, hazards: Hazards) -> None:
    """Install what arrives; all that arrives at one moment at once, so that no job starts on half of it."""
    arriving = sorted(
        (max(0.0, delivery.time), pool, delivery.nodes)
        for pool, planned in enumerate(plan.pools)
        for delivery in planned.deliveries
    )

    def unload(lorries: list[tuple[float, int, int]]) -> None:
        for _, pool, nodes in lorries:
            cluster.install(pool, nodes)
            hazards.install(pool, nodes)
            record.event(calendar.now, "delivery", "", f"{nodes} {plan.pools[pool].name}")
        cluster.entitle()
        cluster.changed()

    for time, lorries in groupby(arriving, key=lambda lorry: lorry[0]):
        calendar.after(time, lambda arrived=list(lorries): unload(arrived))  # type: ignore[misc]
