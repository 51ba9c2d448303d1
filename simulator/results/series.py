"""The log's samples as arrays, and the sums over time that the timeline and the summary share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from simulator.engine.log import Log, Tally
from simulator.plan.model import Plan, split

__all__ = ["Series", "course", "end_of", "series"]

Floats = NDArray[np.float64]


def end_of(log: Log | Tally) -> float:
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
    carried: Floats  # of the power, by source; no column where the plan names none

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
    def supplied(self) -> Floats:
        """Energy of each source until each row. [J]"""
        return _cumulative(self.carried[:-1] * self.lasting[:, None])

    @cached_property
    def node_seconds(self) -> Floats:
        """Time since delivery, summed over the nodes of each pool, until each row. [s]"""
        return _cumulative(self.installed[:-1] * self.lasting[:, None])


def _cumulative(steps: Floats) -> Floats:
    return np.concatenate([np.zeros((1, *steps.shape[1:])), steps.cumsum(axis=0)])


def series(plan: Plan, log: Log) -> Series:
    """The samples up to the last job's end.  Of several at one moment the last one counts."""
    end, samples = end_of(log), log.samples
    time = np.fromiter((sample.time for sample in samples), float, len(samples))
    keep = np.flatnonzero(np.append(np.diff(time) > 0, True) & (time <= end)) if len(time) else np.empty(0, dtype=int)
    if not len(keep):
        raise ValueError("a log without a sample")
    chosen = [samples[index] for index in keep.tolist()]
    closing = [chosen[-1]] if time[keep[-1]] < end else []

    def table(values: Iterable[tuple[float, ...]], width: int) -> Floats:
        return np.fromiter(chain.from_iterable(values), float, len(rows) * width).reshape(len(rows), width)

    rows = chosen + closing
    pools, jobs = len(plan.pools), len(plan.jobs)
    _, installed, healthy, working, power, tokens_then, _ = zip(*rows, strict=True)
    tokens = table(tokens_then, jobs)
    if closing:
        tokens[-1] = [max(job.tokens, before) for job, before in zip(log.jobs, tokens[-1], strict=True)]
    moments = np.append(time[keep], [end] * len(closing))
    carried = [split(plan.sources, row.power, when) for row, when in zip(rows, moments, strict=True) if plan.sources]
    return Series(
        time=moments,
        installed=table(installed, pools),
        healthy=table(healthy, pools),
        working=table(working, pools),
        power=np.array(power, dtype=float),
        tokens=tokens,
        carried=np.array(carried, dtype=float).reshape(len(rows), len(plan.sources)),
    )


def course(tally: Tally) -> Series:
    """The books' marks as a series: means between two marks, so that every sum over time is exact at each of them.

    Only the sum over pools is known of the working nodes; it stands in the first column.
    """
    marks = tally.marks
    time = np.array([mark.time for mark in marks])
    keep = np.flatnonzero(np.append(np.diff(time) > 0, True))
    time, chosen = time[keep], [marks[index] for index in keep]
    lasting = np.diff(time)

    def means(totals: Floats) -> Floats:
        steps = np.diff(totals, axis=0) / (lasting if totals.ndim == 1 else lasting[:, None])
        return np.concatenate([steps, steps[-1:] if len(steps) else np.zeros((1, *totals.shape[1:]))])

    installed = means(np.array([mark.node_seconds for mark in chosen]))
    installed[-1] = tally.installed
    working = np.zeros_like(installed)
    working[:, 0] = means(np.array([mark.working for mark in chosen]))
    tokens = np.array([mark.tokens for mark in chosen])
    power = means(np.array([mark.energy for mark in chosen]))
    carried = means(np.array([mark.supplied for mark in chosen], dtype=float).reshape(len(chosen), -1))
    return Series(
        time=time, installed=installed, healthy=installed, working=working, power=power, tokens=tokens, carried=carried
    )
