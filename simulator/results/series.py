"""The log's samples as arrays, and the sums over time that the timeline and the summary share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulator.engine.log import Log
from simulator.plan.model import Plan

__all__ = ["Series", "end_of", "series"]

Floats = NDArray[np.float64]


def end_of(log: Log) -> float:
    """When the last job ended, or the run did. [s]"""
    return max((log.end if job.finished is None else job.finished for job in log.jobs), default=log.end)


@dataclass(frozen=True)
class Series:
    """State from each ``time`` on, one row a change, the last row at the end.  Columns are pools or jobs."""

    time: Floats
    installed: Floats
    healthy: Floats
    working: Floats
    power: Floats
    tokens: Floats

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def lasting(self) -> Floats:
        """How long each state but the last lasts. [s]"""
        return np.diff(self.time)

    @cached_property
    def energy(self) -> Floats:
        """Energy drawn until each row. [J]"""
        return _cumulative(self.power[:-1] * self.lasting)

    @cached_property
    def node_seconds(self) -> Floats:
        """Time since delivery, summed over the nodes of each pool, until each row. [s]"""
        return _cumulative(self.installed[:-1] * self.lasting[:, None])


def _cumulative(steps: Floats) -> Floats:
    return np.concatenate([np.zeros((1, *steps.shape[1:])), steps.cumsum(axis=0)])


def series(plan: Plan, log: Log) -> Series:
    """The samples up to the last job's end.  Of several at one moment the last one counts."""
    end, samples = end_of(log), log.samples
    time = np.array([sample.time for sample in samples], dtype=float)
    keep = np.flatnonzero(np.append(np.diff(time) > 0, True) & (time <= end)) if len(time) else np.empty(0, dtype=int)
    if not len(keep):
        raise ValueError("a log without a sample")
    chosen = [samples[index] for index in keep]
    closing = [chosen[-1]] if time[keep[-1]] < end else []

    def table(values: list[tuple[float, ...]], width: int) -> Floats:
        return np.array(values, dtype=float).reshape(len(values), width)

    rows = chosen + closing
    pools, jobs = len(plan.pools), len(plan.jobs)
    tokens = table([row.tokens for row in rows], jobs)
    if closing:
        tokens[-1] = [max(job.tokens, before) for job, before in zip(log.jobs, tokens[-1], strict=True)]
    return Series(
        time=np.append(time[keep], [end] * len(closing)),
        installed=table([row.installed for row in rows], pools),
        healthy=table([row.healthy for row in rows], pools),
        working=table([row.working for row in rows], pools),
        power=np.array([row.power for row in rows], dtype=float),
        tokens=tokens,
    )
