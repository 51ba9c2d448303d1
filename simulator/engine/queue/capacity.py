"""What the training jobs leave: accelerators over time, and the nodes that break while the queue has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.engine.log import Log
from simulator.plan.model import Plan

__all__ = ["Capacity", "capacity"]

_ON_A_JOB = ("interruption", "setback")
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Capacity:
    """Healthy accelerators from each ``time`` on, until ``end``; the last number holds for what is still to run then.

    ``struck`` are the accelerators that broke at this moment while they were the queue's: jobs that ran on them stop.
    ``watts`` is what each one in use adds to what the facility draws while it idles.
    """

    time: NDArray[np.float64]
    accelerators: NDArray[np.int64]
    struck: NDArray[np.int64]
    watts: NDArray[np.float64]
    end: float


def capacity(plan: Plan, log: Log, *, training: bool = True) -> Capacity:
    """The queue's share of the cluster in one run.

    Parameters
    ----------
    training
        False: the same cluster with the same failures and no training job on it.

    Under a cap the queue gets no more nodes than the power feeds that the training jobs have not set aside; what is off
    is spread over the pools alike.  A node that is in use draws what it does in training instead of what it draws
    idling, and one that is in use in part that part of the difference; so all in use draw what the cap leaves at most.

    A node that breaks at the moment at which a training job is struck was that job's; if it takes a healthy node
    instead, the queue loses that one to it.
    """
    each = np.array([pool.accelerators for pool in plan.pools], dtype=np.int64)
    samples = log.samples
    time = np.array([sample.time for sample in samples], dtype=float)
    installed = np.array([sample.installed for sample in samples], dtype=np.int64).reshape(len(samples), -1)
    healthy = np.array([sample.healthy for sample in samples], dtype=np.int64).reshape(len(samples), -1)
    working = np.array([sample.working for sample in samples], dtype=np.int64).reshape(len(samples), -1)
    power = np.array([sample.spare_power for sample in samples], dtype=float)
    broken = np.diff(installed - healthy, axis=0, prepend=0).clip(min=0)
    if training:
        struck = np.array(sorted({event.time for event in log.events if event.kind in _ON_A_JOB}))
        broken[np.isin(time, struck)] = 0
        healthy = healthy - working
    else:
        power = _power(plan, time, installed)
    asked = healthy @ np.array([pool.training_power for pool in plan.pools])
    idle = healthy @ np.array([pool.idle_power for pool in plan.pools])
    on = np.divide(power, asked, out=np.ones_like(power), where=asked > power)
    healthy = np.floor(healthy * on[:, None] + _ROUNDING).astype(np.int64)
    accelerators = healthy @ each
    more = np.minimum(asked, power) - np.minimum(idle, power)
    watts = np.divide(more, accelerators, out=np.zeros_like(power), where=accelerators > 0)
    return Capacity(time, accelerators, broken @ each, watts, log.end)


def _power(plan: Plan, time: NDArray[np.float64], installed: NDArray[np.int64]) -> NDArray[np.float64]:
    """What the cap leaves beside the building when there are no training jobs; infinite without one. [W]"""
    if not plan.power:
        return np.full(len(time), np.inf)
    watts = np.array([0.0, *(step.watts for step in plan.power)])
    capped: NDArray[np.float64] = watts[np.searchsorted([step.time for step in plan.power], time, side="right")]
    building = installed @ np.array([pool.standing_power for pool in plan.pools])
    left: NDArray[np.float64] = np.maximum(capped - building, 0.0)
    return left
