"""The log while it is being written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from simulator.engine.log import Activity, Event, Interval, Sample

if TYPE_CHECKING:
    from simulator.engine.cluster import Cluster

__all__ = ["Record"]


class Record:
    """Intervals by job, events and samples, in the order of time."""

    def __init__(self, jobs: int) -> None:
        self.intervals: list[list[Interval]] = [[] for _ in range(jobs)]
        self.events: list[Event] = []
        self.samples: list[Sample] = []

    def event(self, time: float, kind: str, job: str, detail: str) -> None:
        """Something happened."""
        self.events.append(Event(time, kind, job, detail))

    def lay(self, job: int, start: float, end: float, parts: Iterable[tuple[Activity, float]]) -> None:
        """Lay ``parts`` [s] end to end from ``start`` and cut them at ``end``.

        Each interval begins at the very float at which the one before ended, and the last one ends at ``end``: rounding
        cannot open a gap.  An interval that goes on with the activity of the one before is made one with it.
        """
        told = self.intervals[job]
        laid = [(activity, seconds) for activity, seconds in parts if seconds > 0]
        cursor = start
        for position, (activity, seconds) in enumerate(laid, 1):
            stop = end if position == len(laid) else min(cursor + seconds, end)
            if stop <= cursor:
                continue
            if told and told[-1].activity is activity:
                told[-1] = Interval(job, told[-1].start, stop, activity)
            else:
                told.append(Interval(job, cursor, stop, activity))
            cursor = stop

    def sample(self, time: float, cluster: Cluster) -> None:
        """The cluster as it stands from ``time`` on."""
        installed = cluster.installed
        if self.samples and self.samples[-1].time == time:
            self.samples.pop()
        self.samples.append(
            Sample(
                time,
                tuple(installed),
                tuple([nodes - broken for nodes, broken in zip(installed, cluster.broken, strict=True)]),
                tuple(cluster.working),
                cluster.draw(),
                tuple([tenant.safe_tokens(time) for tenant in cluster.tenants]),
            )
        )
        cluster.dirty = False
