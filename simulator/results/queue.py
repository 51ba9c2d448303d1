"""What a queue went through: utilisation, delay, slowdown and fairness, beside the training jobs and without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.queue import Served, Sharing
from simulator.plan.model import Plan, split
from simulator.plan.queue import QueueJobs
from simulator.results.columns import names
from simulator.results.series import Series
from simulator.units import DAY, HOUR, MEGA, TONNE

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ClassSummary", "EnergySummary", "QueueSummary", "ServedSummary", "jain", "queue_over_time", "queue_table",
    "summarise_queue",
]  # fmt: skip

_SHORT = 10.0  # a job that is shorter counts as this long when slowdowns are taken [s]
_STEP = 8  # size classes: 1, 2–8, 9–64, 65–512 …


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """Jobs of like size."""

    accelerators: str  # e.g. ``9–64``
    jobs: int
    delay_mean_s: float  # from submission to first start
    delay_p50_s: float
    delay_p95_s: float
    slowdown: float  # mean
    stopped: int  # times a job lost its accelerators


@dataclass(frozen=True, slots=True)
class ServedSummary:
    """The queue on one cluster.

    A job's slowdown is its time from submission to end over its runtime, both at least ten seconds.  Fairness is
    Jain's index of the share of their time in the system that the jobs of a size class, or of a user, run: 1 is equal
    service, 1/n is one of n served.  A job that never started counts with the delay until the run's end.
    """

    utilisation: float  # of the accelerators the queue had, while the run went on
    cluster_utilisation: float  # of all healthy ones, training jobs included
    delay_mean_s: float
    delay_p50_s: float
    delay_p95_s: float
    slowdown: float
    fairness_sizes: float
    fairness_users: float | None  # None: one user, or nobody knows whose jobs they are
    never_started: int
    stopped: int  # times a job lost its accelerators to other jobs or to a failure
    struck: int  # of them to a failure
    accelerator_hours: float  # in use
    useful_accelerator_hours: float
    lost_accelerator_hours: float  # since the last save, done again
    restarting_accelerator_hours: float
    classes: tuple[ClassSummary, ...]


@dataclass(frozen=True, slots=True)
class EnergySummary:
    """What the queue's jobs draw beside the training jobs while the run goes on, beyond what its nodes draw idling.

    The run's own books hold the rest: those nodes stand there and idle whoever has jobs for them.
    """

    energy_MWh: float  # noqa: N815  the unit's own spelling
    energy_cost_usd: float
    carbon_tCO2e: float  # noqa: N815


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """The queue beside the training jobs and without them."""

    jobs: int
    submitted_later: int  # recorded jobs submitted after the training jobs' end, not looked at
    beside: ServedSummary
    alone: ServedSummary
    energy: EnergySummary

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, units in the names."""

        def plain(served: ServedSummary) -> dict[str, Any]:
            classes = [{f.name: getattr(one, f.name) for f in fields(one)} for one in served.classes]
            return {**{f.name: getattr(served, f.name) for f in fields(served)}, "classes": classes}

        numbers = {"jobs": self.jobs, "submitted_later": self.submitted_later}
        drawn = {f.name: getattr(self.energy, f.name) for f in fields(self.energy)}
        return {**numbers, **drawn, "with_training": plain(self.beside), "without_training": plain(self.alone)}


def jain(shares: NDArray[np.float64]) -> float:
    """Jain's index of fairness.

        J = (Σ x)² / (n Σ x²)

    1 when all are served alike, 1/n when one gets everything; 1 as well when there is nobody to compare.
    """
    squares = len(shares) * float((shares**2).sum())
    return float(shares.sum()) ** 2 / squares if squares > 0 else 1.0


def summarise_queue(plan: Plan, sharing: Sharing, state: Series) -> QueueSummary:
    """The numbers of one run, whose ``state`` is that of the cluster without the queue."""
    everything = float(_areas(sharing.alone)[0])
    return QueueSummary(
        jobs=len(sharing.jobs),
        submitted_later=sharing.submitted_later,
        beside=_served(sharing.jobs, sharing.beside, everything),
        alone=_served(sharing.jobs, sharing.alone, everything),
        energy=_energy(plan, sharing.beside, state),
    )


def _energy(plan: Plan, served: Served, state: Series) -> EnergySummary:
    """The queue's energy, at the price and carbon of the sources that are left when the cluster has the cheapest."""
    edges, drawn = served.log.edges, served.log.drawn
    lasted = np.diff(edges)
    joules = float(drawn @ lasted)
    dollars, carbon = joules * plan.tariff.energy, joules * plan.carbon
    if plan.sources:
        before = np.diff(np.interp(edges, state.time, state.energy)) / np.where(lasted > 0, lasted, 1.0)
        middles = ((edges[:-1] + edges[1:]) / 2).tolist()
        bins = zip(before.tolist(), (before + drawn).tolist(), middles, strict=True)
        more = np.array([np.subtract(split(plan.sources, b, t), split(plan.sources, a, t)) for a, b, t in bins])
        by_source = lasted @ more
        dollars = float(by_source @ np.array([source.price for source in plan.sources]))
        carbon = float(by_source @ np.array([source.carbon for source in plan.sources]))
    return EnergySummary(joules / (MEGA * HOUR), dollars, carbon / TONNE)


def _areas(served: Served) -> NDArray[np.float64]:
    """Accelerator-seconds that were there and that were in use while the run went on."""
    log = served.log
    areas: NDArray[np.float64] = np.array([log.capacity, log.busy]) @ np.diff(log.edges)
    return areas


def _served(jobs: QueueJobs, served: Served, everything: float) -> ServedSummary:
    log, end = served.log, served.capacity.end
    there, used = _areas(served)
    delay, around = _delay(jobs, served), np.where(np.isnan(log.ended), end, log.ended) - jobs.submit
    slowdown = np.maximum(around, _SHORT) / np.maximum(jobs.runtime, _SHORT)
    hours = [float((jobs.size * part).sum()) / HOUR for part in (log.kept, log.lost, log.restarting)]
    everyone = _class("all", np.ones(len(jobs), dtype=bool), delay, slowdown, log.stopped)
    kinds = _kinds(jobs)
    return ServedSummary(
        utilisation=used / there if there else 0.0,
        cluster_utilisation=(everything - there + used) / everything if everything else 0.0,
        delay_mean_s=everyone.delay_mean_s,
        delay_p50_s=everyone.delay_p50_s,
        delay_p95_s=everyone.delay_p95_s,
        slowdown=everyone.slowdown,
        fairness_sizes=_fairness(kinds, jobs, around),
        fairness_users=_fairness(jobs.user, jobs, around) if len(jobs.users) > 1 else None,
        never_started=int(np.isnan(log.started).sum()),
        stopped=everyone.stopped,
        struck=int(log.struck.sum()),
        accelerator_hours=log.in_use / HOUR,
        useful_accelerator_hours=hours[0],
        lost_accelerator_hours=hours[1],
        restarting_accelerator_hours=hours[2],
        classes=tuple(_class(_label(kind), kinds == kind, delay, slowdown, log.stopped) for kind in np.unique(kinds)),
    )


def _delay(jobs: QueueJobs, served: Served) -> NDArray[np.float64]:
    started = served.log.started
    delay: NDArray[np.float64] = np.where(np.isnan(started), np.maximum(served.capacity.end, jobs.submit), started)
    return delay - jobs.submit


def _kinds(jobs: QueueJobs) -> NDArray[np.int64]:
    """Size class of each job: 0 for one accelerator, 1 up to eight, 2 up to sixty-four …"""
    bounds = _STEP ** np.arange(20, dtype=np.int64)
    return np.searchsorted(bounds, jobs.size, side="left").astype(np.int64)


def _label(kind: int) -> str:
    return "1" if kind == 0 else f"{_STEP ** (kind - 1) + 1:,}–{_STEP**kind:,}"


def _class(
    label: str, members: NDArray[np.bool_], delay: NDArray[np.float64], slowdown: NDArray[np.float64],
    stopped: NDArray[np.int64],
) -> ClassSummary:  # fmt: skip
    if not members.any():
        return ClassSummary(label, 0, 0.0, 0.0, 0.0, 1.0, 0)
    middle, high = np.quantile(delay[members], (0.5, 0.95)).tolist()
    return ClassSummary(
        accelerators=label,
        jobs=int(members.sum()),
        delay_mean_s=float(delay[members].mean()),
        delay_p50_s=middle,
        delay_p95_s=high,
        slowdown=float(slowdown[members].mean()),
        stopped=int(stopped[members].sum()),
    )


def _fairness(group: NDArray[np.int64], jobs: QueueJobs, around: NDArray[np.float64]) -> float:
    ran, spent = np.bincount(group, jobs.runtime), np.bincount(group, around)
    return jain(np.divide(ran, spent, out=np.ones_like(ran), where=spent > 0)[np.bincount(group) > 0])


def _both(sharing: Sharing) -> Iterator[tuple[str, Served]]:
    yield "with", sharing.beside
    yield "without", sharing.alone


def queue_table(summary: QueueSummary) -> pd.DataFrame:
    """Delay and slowdown by size class; columns in :data:`simulator.results.columns.FRAMES`."""
    import pandas as pd

    rows = []
    for training, served in (("with", summary.beside), ("without", summary.alone)):
        for one in served.classes:
            delays = (one.delay_mean_s / HOUR, one.delay_p50_s / HOUR, one.delay_p95_s / HOUR)
            rows.append((training, one.accelerators, one.jobs, *delays, one.slowdown, one.stopped))
    return pd.DataFrame(rows, columns=names("queue"))


def queue_over_time(sharing: Sharing) -> pd.DataFrame:
    """What the queue had, used and waited for, in bins of equal width."""
    import pandas as pd

    parts = []
    for training, served in _both(sharing):
        log = served.log
        columns = (log.edges[:-1] / DAY, log.capacity, log.busy, log.waiting, log.wanted, log.drawn / MEGA)
        part = pd.DataFrame(dict(zip(names("queue_timeline")[1:], columns, strict=True)))
        part.insert(0, "training", training)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
