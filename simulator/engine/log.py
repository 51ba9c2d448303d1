"""What happened: every second of every job in exactly one named interval, and the events between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Activity", "Event", "Interval", "JobEnd", "Log", "Loss", "Mark", "Sample", "Tally"]


class Activity(StrEnum):
    """What a job's second went into.  The names are those practitioners measure by.

    ``COMPUTE`` counts seconds at the planned speed; what running with fewer nodes than planned costs is ``DEGRADED``.
    """

    COMPUTE = "compute"
    DEGRADED = "degraded"
    SAVE = "checkpoint save"
    RESTORE = "checkpoint restore"
    WASTED = "wasted progress"
    RECOVERY = "infrastructure recovery"
    WAITING = "waiting for nodes"
    PLANNED = "planned stop"
    INITIALISATION = "initialisation"


class Interval(NamedTuple):
    """``start`` to ``end`` of one job in one activity. [s]

    Saves, degraded time and lost work inside one stretch of running are lumped at its end: the sums are exact, the
    order inside the stretch is not.
    """

    job: int
    start: float
    end: float
    activity: Activity


class Event(NamedTuple):
    """Something that happened at one moment."""

    time: float
    kind: str  # delivery, power, start, interruption, setback, spare, repair, planned stop, resize, checkpoint, finish,
    # horizon; a setback is a failure that strikes a job before it runs again: it prolongs the interruption
    job: str  # empty when it concerns the cluster
    detail: str  # the cause, of an interruption or setback


class Sample(NamedTuple):
    """State of the cluster from ``time`` on, written whenever it changes."""

    time: float
    installed: tuple[int, ...]  # nodes by pool
    healthy: tuple[int, ...]
    working: tuple[int, ...]
    power: float  # facility power [W]
    tokens: tuple[float, ...]  # safely trained so far, by job
    spare_power: float = float("inf")  # what the cap leaves beside the building and the nodes of training jobs [W]


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How one job ended."""

    job: str
    first_request: float  # when its first node was requested
    started: float | None
    finished: float | None  # None: not within the horizon
    tokens: float  # trained and safe; at the horizon also those since the last save, which nothing has destroyed
    interruptions: int  # unplanned ends of running; setbacks are not counted again
    worked: tuple[float, ...]  # seconds of work that was not lost, on each rung of the job's ladder
    running: float  # seconds in which the job ran, between interruptions


@dataclass(slots=True)
class Loss:
    """What one cause has cost all jobs until now."""

    stops: int = 0  # running jobs stopped
    setbacks: int = 0  # jobs struck that were not running again yet
    seconds: float = 0.0  # wall time of jobs: lost work, recovery, loading, waiting, planned stop
    accelerator_seconds: float = 0.0  # the same times the accelerators of the job's size


@dataclass(frozen=True, slots=True)
class Mark:
    """Running totals at one moment."""

    time: float
    tokens: tuple[float, ...]  # safely trained, by job
    energy: float  # [J]
    node_seconds: tuple[float, ...]  # of installed nodes, by pool
    working: float  # node-seconds
    supplied: tuple[float, ...] = ()  # of the energy, by source of the plan [J]


@dataclass(frozen=True)
class Tally:
    """The books of a run, kept while it happens: all that a summary needs, and nothing that grows with events."""

    seed: int
    end: float
    jobs: tuple[JobEnd, ...]
    spent: tuple[Mapping[Activity, float], ...]  # wall time by activity, job after job
    last: tuple[Activity | None, ...]  # what each job was doing at the end
    losses: Mapping[str, Loss]  # by cause
    energy: float
    peak_power: float
    installed: tuple[int, ...]
    node_seconds: tuple[float, ...]
    marks: tuple[Mark, ...]  # some hundred, and one at each delivery
    down: Mapping[int, float]  # seconds with so many nodes broken
    faults: int  # nodes that broke
    replaced: int  # lost nodes whose place a spare took
    crew_seconds: float  # hands at work
    crew_wait: float  # broken nodes waiting for hands


@dataclass(frozen=True, slots=True)
class Log:
    """A whole run."""

    seed: int
    end: float
    intervals: tuple[Interval, ...]
    events: tuple[Event, ...]
    samples: tuple[Sample, ...]
    jobs: tuple[JobEnd, ...]
    tally: Tally | None = None  # of logs that a simulation wrote
