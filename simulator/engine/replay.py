"""Recorded faults, lived through again."""

from __future__ import annotations

import math
from functools import partial
from itertools import groupby

from simulator.engine.calendar import Calendar
from simulator.engine.cluster import Cluster
from simulator.engine.record import Record
from simulator.engine.streams import Stream
from simulator.errors import PlanError
from simulator.plan.model import Plan
from simulator.plan.replay import RecordedFaults

__all__ = ["replay", "schedule"]

_MOST = 5_000_000  # stays; minutes of computing, and a log that still fits into memory

Visit = tuple[float, float, int, int]  # start, end, node, cause


def replay(
    calendar: Calendar, plan: Plan, recorded: RecordedFaults, cluster: Cluster, record: Record, seed: int
) -> None:
    """Take nodes down when the servers they stand for went down, and bring them back when those came back.

    A node that has not arrived yet misses what happens to its server until then.
    """
    bounds = [pool.nodes for pool in plan.pools]
    visits = groupby(schedule(recorded, sum(bounds), plan.horizon, seed), key=lambda visit: visit[0])

    def fall(together: list[Visit]) -> None:
        for _, end, node, cause in together:
            pool, number = _place(node, bounds)
            if number >= cluster.installed[pool]:
                continue
            job = _tenant(cluster, pool, number)
            record.faults += 1
            cluster.lose(pool, job)
            calendar.after(max(0.0, end - calendar.now), partial(_give_back, calendar, plan, cluster, record, pool))
            if job is not None:
                cluster.tenants[job].strike(recorded.causes[cause])
        await_next()

    def await_next() -> None:
        moment = next(visits, None)
        if moment is not None:
            start, together = moment
            calendar.after(max(0.0, start - calendar.now), partial(fall, list(together)))

    await_next()


def schedule(recorded: RecordedFaults, nodes: int, horizon: float, seed: int) -> list[Visit]:
    """Every stay of every node until the horizon, in the order of time; see :class:`RecordedFaults` for the mapping.

    Raises
    ------
    PlanError
        There are more than anyone could wait for.
    """
    servers, lasts = recorded.servers, recorded.lasts
    copies, rounds = math.ceil(nodes / servers), math.ceil(horizon / lasts) + 1 if lasts > 0 else 1
    if len(recorded.stays) * copies * rounds > _MOST:
        raise PlanError(
            f"failures.trace: {len(recorded.stays) * copies * rounds:.3g} recorded stays until the horizon; at most "
            f"{_MOST:,} are lived through. A shorter horizon or fewer nodes would fit"
        )
    order = _shuffled(servers, Stream(seed, "recorded servers"))
    standing: dict[int, list[int]] = {}
    for node in range(nodes):
        standing.setdefault(order[node % servers], []).append(node)
    found = []
    for stay in recorded.stays:
        for node in standing.get(stay.server, ()):
            ahead = (node // servers) * lasts / copies
            for turn in range(rounds):
                start, end = stay.start + turn * lasts - ahead, stay.end + turn * lasts - ahead
                if (end > 0 or start >= 0) and start <= horizon:
                    found.append((max(0.0, start), end, node, stay.cause))
    return sorted(found)


def _shuffled(count: int, stream: Stream) -> list[int]:
    """0 … count − 1 in an order by chance (Fisher and Yates)."""
    order = list(range(count))
    for at in range(count - 1, 0, -1):
        other = int(stream.uniform() * (at + 1))
        order[at], order[other] = order[other], order[at]
    return order


def _place(node: int, bounds: list[int]) -> tuple[int, int]:
    """Pool of a node, and its number there."""
    for pool, nodes in enumerate(bounds):
        if node < nodes:
            return pool, node
        node -= nodes
    raise AssertionError("a node beyond the cluster")


def _tenant(cluster: Cluster, pool: int, number: int) -> int | None:
    """Whose a healthy node is: the nodes of the jobs come first, in their order, then the idle ones.

    The cluster counts nodes and does not name them, so a node stands at its share of the healthy ones.
    """
    installed = cluster.installed[pool]
    place = (number + 0.5) / installed * (installed - cluster.broken[pool])
    for job, held in enumerate(cluster.held):
        if place < held[pool]:
            return job
        place -= held[pool]
    return None


def _give_back(calendar: Calendar, plan: Plan, cluster: Cluster, record: Record, pool: int) -> None:
    cluster.mend(pool)
    record.event(calendar.now, "repair", "", f"{plan.pools[pool].name}: as recorded")
    cluster.changed()
