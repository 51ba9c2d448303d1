"""What the training jobs leave: accelerators over time, and the nodes that break while the queue has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.engine.log import Log
from simulator.plan.model import Plan

__all__ = ["Capacity", "capacity"]

_ON_A_JOB = ("interruption", "setback")


@dataclass(frozen=True, eq=False)
class Capacity:
    """Healthy accelerators from each ``time`` on, until ``end``; the last number holds for what is still to run then.

    ``struck`` are the accelerators that broke at this moment while they were the queue's: jobs that ran on them stop.
    """

    time: NDArray[np.float64]
    accelerators: NDArray[np.int64]
    struck: NDArray[np.int64]
    end: float


def capacity(plan: Plan, log: Log, *, training: bool = True) -> Capacity:
    """The queue's share of the cluster in one run.

    Parameters
    ----------
    training
        False: the same cluster with the same failures and no training job on it.

    A node that breaks at the moment at which a training job is struck was that job's; if it takes a healthy node
    instead, the queue loses that one to it.
    """
    each = np.array([pool.accelerators for pool in plan.pools], dtype=np.int64)
    samples = log.samples
    time = np.array([sample.time for sample in samples], dtype=float)
    installed = np.array([sample.installed for sample in samples], dtype=np.int64).reshape(len(samples), -1)
    healthy = np.array([sample.healthy for sample in samples], dtype=np.int64).reshape(len(samples), -1)
    working = np.array([sample.working for sample in samples], dtype=np.int64).reshape(len(samples), -1)
    broken = np.diff(installed - healthy, axis=0, prepend=0).clip(min=0)
    if training:
        struck = np.array(sorted({event.time for event in log.events if event.kind in _ON_A_JOB}))
        broken[np.isin(time, struck)] = 0
        healthy = healthy - working
    return Capacity(time, healthy @ each, broken @ each, log.end)
