"""What happens over the days when things break, arrive and come back.  SimPy lives here and nowhere else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from simulator.engine.calendar import Calendar, HeapCalendar, SimpyCalendar
from simulator.engine.cluster import Cluster
from simulator.engine.delivery import deliver
from simulator.engine.hazards import Hazards, check_count
from simulator.engine.leap import Leaps, hindrances
from simulator.engine.log import Activity, Event, Interval, JobEnd, Log, Loss, Mark, Sample, Tally
from simulator.engine.power import supply
from simulator.engine.record import Record
from simulator.engine.repair import Workshop
from simulator.engine.replay import replay
from simulator.engine.training import Training
from simulator.plan.model import Ageing, Plan

__all__ = [
    "Activity", "Event", "Interval", "JobEnd", "Log", "Loss", "Mark", "Sample", "Tally", "hindrances", "sample",
    "simulate",
]  # fmt: skip


def simulate(plan: Plan, *, seed: int | None = None) -> Log:
    """Let the plan happen: from its start until all jobs are done or the horizon is reached.

    The same plan and seed give the same log, to the last bit.  The cost grows with the number of failures, not with
    accelerators or days.  Intervals come job after job, each job's in the order of time.

    Raises
    ------
    PlanError
        So many failures are expected that nobody could wait for the end.
    """
    with _no_collection():
        record, tally = _live(plan, plan.seed if seed is None else seed, SimpyCalendar(), told=True)
        return Log(
            seed=tally.seed,
            end=tally.end,
            intervals=tuple(interval for intervals in record.intervals for interval in intervals),
            events=tuple(record.events),
            samples=tuple(record.samples),
            jobs=tally.jobs,
            tally=tally,
        )


def sample(plan: Plan, *, seed: int, leaping: bool = True) -> Tally:
    """The books of one run and nothing else, for ensembles: those :func:`simulate` would keep.

    Parameters
    ----------
    leaping
        Live through weeks at once where the plan allows it (:mod:`simulator.engine.leap`), which is ten to twenty times
        as fast and right to the last bits of its sums; without, the books are the same to the last bit.
    """
    return _live(plan, seed, HeapCalendar(), told=False, leaping=leaping)[1]


@contextmanager
def _no_collection() -> Iterator[None]:
    """What is told lives to the end of the run: to look for cycles in it again and again takes a fifth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _live(plan: Plan, seed: int, calendar: Calendar, *, told: bool, leaping: bool = False) -> tuple[Record, Tally]:
    """The one life both calendars run."""
    drawn = plan if plan.recorded is None else replace(plan, causes=(), domains=(), ageing=Ageing())
    check_count(drawn)
    cluster, record = Cluster(plan), Record(plan, told=told)
    workshop = Workshop(calendar, plan, cluster, record, seed)
    hazards = Hazards(calendar, drawn, cluster, workshop, seed)
    # Power and nodes of the first moment have to be there before a job looks for them.
    supply(calendar, plan, cluster, record)
    deliver(calendar, plan, cluster, record, hazards)
    trainings = [Training(calendar, index, plan, cluster, record, seed) for index in range(len(plan.jobs))]
    cluster.tenants.extend(trainings)
    for training in trainings:
        calendar.after(0.0, training.begin)
    if plan.recorded is not None:
        replay(calendar, plan, plan.recorded, cluster, record, seed)
    if plan.maintenance is not None:
        every, lasts = plan.maintenance.every, plan.maintenance.lasts
        calendar.after(every, partial(_maintain, calendar, cluster, every, lasts))

    leaps = None
    if isinstance(calendar, HeapCalendar) and leaping and not hindrances(plan):
        leaps = Leaps(calendar, plan, cluster, record, workshop, hazards, trainings[0])
    due = calendar.peek()
    while due <= plan.horizon and not all(cluster.finished):
        if leaps is None or not leaps.leap():
            calendar.step()
        due = calendar.peek()
        if cluster.dirty and due > calendar.now:  # one sample per moment, after all of its changes
            record.meter(calendar.now, cluster)

    end = calendar.now if all(cluster.finished) else plan.horizon
    if not all(cluster.finished):
        record.event(end, "horizon", "", "reached before all jobs were done")
    jobs = tuple(training.end(end) for training in trainings)
    record.meter(end, cluster)
    record.mark(end, cluster)
    return record, Tally(
        seed=seed,
        end=end,
        jobs=jobs,
        spent=tuple(record.spent),
        last=tuple(record.last),
        losses=dict(record.losses),
        energy=record.energy,
        peak_power=record.peak,
        installed=tuple(cluster.installed),
        node_seconds=tuple(record.node_seconds),
        marks=tuple(record.marks),
        down=dict(record.down),
        faults=record.faults,
        replaced=record.replaced,
        crew_seconds=record.crew_seconds,
        crew_wait=record.crew_wait,
    )


def _maintain(calendar: Calendar, cluster: Cluster, every: float, lasts: float) -> None:
    for tenant in cluster.tenants:
        tenant.maintain(lasts)
    calendar.after(every, partial(_maintain, calendar, cluster, every, lasts))
