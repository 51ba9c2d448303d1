"""What an unfinished run would have needed, had it gone on as it last did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulator.engine.log import Activity, JobEnd, Log, Tally
from simulator.plan.model import JobPlan, Plan
from simulator.results.series import Series
from simulator.units import DAY

__all__ = ["Hindrance", "Projection", "project"]


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a job was not getting anywhere when the run ended."""

    kind: Literal["nodes", "start", "restart", "time"]  # the last: its start was over, no token was safe yet
    needed: float  # by a start, or by a restart with its load [s]
    given: float  # until the end, or between interruptions [s]


@dataclass(frozen=True, slots=True)
class Projection:
    """One job carried on at ``rate``, the net rate of its last stretch on unchanged hardware."""

    job: str
    share: float  # of its tokens, trained within the horizon
    rate: float  # tokens per second of wall time, losses included
    since: float  # the stretch the rate was taken from began here [s]
    remaining: float | None  # further time needed; None: nothing was being trained any more [s]
    hindrance: Hindrance | None = None  # why nothing was


def _stretch(plan: Plan, state: Series) -> float:
    """Beginning of the last stretch on unchanged hardware that is long enough to have a rate: a day at least."""
    end = float(state.time[-1])
    deliveries = [delivery.time for pool in plan.pools for delivery in pool.deliveries]
    changes = [*deliveries, *(step.time for step in plan.power)]
    return max((time for time in changes if time <= end - DAY), default=float(state.time[0]))


def project(plan: Plan, log: Log | Tally, state: Series) -> tuple[Projection, ...]:
    """The unfinished jobs, each carried on at its last rate."""
    end, since = float(state.time[-1]), _stretch(plan, state)
    found = []
    for number, (job, ending) in enumerate(zip(plan.jobs, log.jobs, strict=True)):
        if ending.finished is not None:
            continue
        began = max(since, ending.started if ending.started is not None else since)
        gained = ending.tokens - float(np.interp(began, state.time, state.tokens[:, number]))
        rate = gained / (end - began) if end > began else 0.0
        remaining = (job.tokens - ending.tokens) / rate if rate > 0 else None
        hindrance = _hindrance(job, ending, _last_activity(log, number), end) if remaining is None else None
        found.append(Projection(job.name, ending.tokens / job.tokens, rate, began, remaining, hindrance))
    return tuple(found)


def _last_activity(log: Log | Tally, job: int) -> Activity | None:
    if isinstance(log, Tally):
        return log.last[job]
    return next((interval.activity for interval in reversed(log.intervals) if interval.job == job), None)


def _hindrance(job: JobPlan, ending: JobEnd, last: Activity | None, end: float) -> Hindrance:
    """The log knows what the job was doing at the end; how long that takes is taken from its best size."""
    rung = job.rungs[0]
    if ending.started is None or last is Activity.WAITING:
        return Hindrance("nodes", 0.0, 0.0)
    left, back = end - ending.started, rung.restart + rung.load
    if left <= rung.restart:
        return Hindrance("start", rung.restart, left)
    return Hindrance("restart" if back > rung.mtti else "time", back, rung.mtti)
