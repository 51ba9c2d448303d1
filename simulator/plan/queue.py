"""What the engine knows of a queue: its jobs, one array per property, and the rules they are served by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.errors import PlanError
from simulator.plan.model import PoolPlan
from simulator.scenario import Scenario
from simulator.scenario.recorded_jobs import RecordedJobs, read_jobs
from simulator.units import DAY

__all__ = ["Arrivals", "Policy", "QueueJobs", "QueuePlan", "queue_plan"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class QueueJobs:
    """The jobs of a queue in the order they were written, one array of length n per property; times in seconds.

    A million jobs take 48 MB like this.
    """

    submit: Floats  # from the start
    runtime: Floats  # undisturbed, on ``size`` accelerators
    estimate: Floats  # what the scheduler believes the runtime to be, never less than it is
    size: Integers  # accelerators, all of them at once (a gang) or none
    priority: Integers  # higher is served first
    user: Integers  # index into ``users``
    users: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        return len(self.submit)

    def before(self, end: float) -> QueueJobs:
        """Those submitted before ``end``."""
        keep = self.submit < end
        return QueueJobs(
            self.submit[keep],
            self.runtime[keep],
            self.estimate[keep],
            self.size[keep],
            self.priority[keep],
            self.user[keep],
            self.users,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """How the queue is served."""

    backfill: bool  # EASY: a job may pass the first one if it does not delay it
    preemption: bool  # a job may take the accelerators of jobs of lower priority
    checkpoint: float  # useful time between a job's saves; infinite: it saves nothing and starts anew [s]
    restart: float  # from getting accelerators again to going on with the work [s]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Jobs to be drawn: Poisson arrivals, log-normal runtimes, shares of sizes and priorities."""

    rate: float  # [1/s]
    median: float  # of the runtimes [s]
    sigma: float  # standard deviation of their logarithm
    sizes: tuple[tuple[int, float], ...]  # accelerators, share of the jobs
    priorities: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class QueuePlan:
    """A queue beside the training jobs, which go first: it gets the nodes that they leave."""

    policy: Policy
    arrivals: Arrivals | None  # None: the jobs are recorded
    recorded: QueueJobs | None = field(compare=False)
    notes: tuple[str, ...]  # how a trace was read


def queue_plan(scenario: Scenario, pools: Sequence[PoolPlan]) -> QueuePlan | None:
    """The scenario's queue on a cluster of these pools; None: it has none.

    Raises
    ------
    ScenarioError
        The trace cannot be read, or has jobs that are larger than the cluster will ever be.
    """
    asked = scenario.queue
    if asked is None:
        return None
    recorded: QueueJobs | None = None
    notes: tuple[str, ...] = ()
    if asked.trace is not None:
        most = sum(pool.nodes * pool.accelerators for pool in pools)
        trace = read_jobs(Path(asked.trace), asked.columns, most=most)
        notes = trace.notes
        recorded = _after(trace, asked.skip)
    drawn = asked.arrivals
    return QueuePlan(
        policy=Policy(
            backfill=asked.backfill == "easy",
            preemption=asked.preemption,
            checkpoint=math.inf if asked.checkpoint is None else asked.checkpoint,
            restart=asked.restart,
        ),
        arrivals=None
        if drawn is None
        else Arrivals(
            rate=drawn.rate,
            median=drawn.runtime.median,
            sigma=drawn.runtime.sigma,
            sizes=tuple(drawn.sizes.items()),
            priorities=tuple(drawn.priorities.items()),
        ),
        recorded=recorded,
        notes=notes,
    )


def _after(trace: RecordedJobs, skip: float) -> QueueJobs:
    """The jobs of a trace from a moment on, which stands at the scenario's start."""
    first = int(np.searchsorted(trace.submit, skip))
    if first == len(trace.submit):
        got = f"got {skip / DAY:,.4g} d, when the last job was submitted after {trace.submit[-1] / DAY:,.4g} d"
        raise PlanError(f"queue.skip: expected to leave at least one job of {trace.file}; {got}")
    return QueueJobs(
        trace.submit[first:] - skip,
        trace.runtime[first:],
        trace.estimate[first:],
        trace.size[first:],
        trace.priority[first:],
        trace.user[first:],
        trace.users,
    )
