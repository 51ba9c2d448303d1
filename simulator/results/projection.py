"""What an unfinished run would have needed, had it gone on as it last did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.engine.log import Log
from simulator.plan.model import Plan
from simulator.results.series import Series
from simulator.units import DAY

__all__ = ["Projection", "project"]


@dataclass(frozen=True, slots=True)
class Projection:
    """One job carried on at ``rate``, the net rate of its last stretch on unchanged hardware."""

    job: str
    share: float  # of its tokens, trained within the horizon
    rate: float  # tokens per second of wall time, losses included
    since: float  # the stretch the rate was taken from began here [s]
    remaining: float | None  # further time needed; None: nothing was being trained any more [s]


def _stretch(plan: Plan, state: Series) -> float:
    """Beginning of the last stretch on unchanged hardware that is long enough to have a rate: a day at least."""
    end = float(state.time[-1])
    deliveries = [delivery.time for pool in plan.pools for delivery in pool.deliveries]
    changes = [*deliveries, *(step.time for step in plan.power)]
    return max((time for time in changes if time <= end - DAY), default=float(state.time[0]))


def project(plan: Plan, log: Log, state: Series) -> tuple[Projection, ...]:
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
        found.append(Projection(job.name, ending.tokens / job.tokens, rate, began, remaining))
    return tuple(found)
