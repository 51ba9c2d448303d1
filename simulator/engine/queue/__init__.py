"""A queue of many small jobs on what the training jobs leave of the cluster.

It is an event loop of its own rather than SimPy: a million jobs are two million events, and a heap handles one in
microseconds.  The training jobs have priority and never wait for the queue, so the queue can follow their log.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.engine.log import Log
from simulator.engine.queue.arrivals import draw
from simulator.engine.queue.capacity import Capacity, capacity
from simulator.engine.queue.serve import QueueLog, serve
from simulator.plan.model import Plan
from simulator.plan.queue import QueueJobs, QueuePlan

__all__ = ["Capacity", "QueueLog", "Served", "Sharing", "capacity", "draw", "serve", "share"]


@dataclass(frozen=True)
class Served:
    """The queue on one cluster: what it had, and what became of its jobs."""

    capacity: Capacity
    log: QueueLog


@dataclass(frozen=True)
class Sharing:
    """The same jobs on the same cluster with the same failures: beside the training jobs, and without them."""

    jobs: QueueJobs
    submitted_later: int  # recorded jobs that come after the training jobs' end; they are not looked at
    beside: Served
    alone: Served


def share(plan: Plan, queue: QueuePlan, log: Log) -> Sharing:
    """Serve the queue while a run goes on: from its start to its end, and until who came by then is done."""
    if queue.recorded is not None:
        everyone = queue.recorded
    else:
        assert queue.arrivals is not None, "a queue is drawn or recorded"
        everyone = draw(queue.arrivals, end=log.end, seed=log.seed)
    jobs = everyone.before(log.end)
    beside, alone = (
        Served(room, serve(jobs, room, queue.policy, seed=log.seed))
        for room in (capacity(plan, log), capacity(plan, log, training=False))
    )
    return Sharing(jobs, len(everyone) - len(jobs), beside, alone)
