"""The power cap, as it changes with time."""

from __future__ import annotations

from bisect import bisect_right

from simulator.engine.calendar import Calendar
from simulator.engine.cluster import Cluster
from simulator.engine.record import Record
from simulator.plan.model import Plan
from simulator.units import show

__all__ = ["supply"]


_ROUNDING = 1e-6  # [s]


def supply(calendar: Calendar, plan: Plan, cluster: Cluster, record: Record) -> None:
    """Raise and lower the cap.  Before its first date a site has no power; a plan without steps has no cap.

    Falls are known ahead: what jobs may use is the lowest cap from now until a save would end, so that they have saved
    and left their nodes when the cap falls, and start nothing that they would have to leave at once.
    """
    if not plan.power:
        return
    steps = sorted(plan.power, key=lambda step: step.time)
    dates, watts = [step.time for step in steps], [0.0, *(step.watts for step in steps)]
    notice = max((rung.save + rung.drain for job in plan.jobs for rung in job.rungs), default=0.0)

    def switch(time: float) -> None:
        first, last = bisect_right(dates, time), bisect_right(dates, time + notice + _ROUNDING)
        if time == 0 or time in dates:
            record.event(calendar.now, "power", "", show(watts[first], "W"))
        cluster.cap = min(watts[first : last + 1])
        cluster.entitle()
        cluster.changed()

    for time in sorted({0.0} | {max(0.0, moment) for date in dates for moment in (date, date - notice)}):
        calendar.after(time, lambda time=time: switch(time))  # type: ignore[misc]
