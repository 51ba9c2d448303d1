"""One task of a study, what it needs, and what comes of it.

A task is a point of the design and the number of a replica.  Which worker performs it, when, and in which company says
nothing about its numbers: the seed follows from the replica's number alone, so all points meet the same weather.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol, overload

from simulator.engine import sample
from simulator.errors import Fault, SimulatorError
from simulator.plan import Plan, Point
from simulator.plan import plan as build
from simulator.plan import point as closed_form
from simulator.results.summary import summarise
from simulator.scenario import Scenario
from simulator.scenario.change import apply
from simulator.scenario.document import Document
from simulator.scenario.read import checked
from simulator.scenario.variation import document_of
from simulator.study.outputs import Value, expected, lived
from simulator.study.replicate import seed_of

__all__ = ["Design", "Mode", "Outcome", "Performer", "Task", "Tasks", "Work", "perform"]

Mode = Literal["plan", "simulate"]
Status = Literal["done", "failed", "lost"]


class Design(Protocol):
    """Points by their number, computed when asked for: nobody holds a million of them."""

    def __len__(self) -> int: ...

    def point(self, number: int) -> tuple[str, ...]:
        """The changes that make this point, ``path=value`` each."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """One replica of one point."""

    number: int  # point · replicas + replica
    point: int
    replica: int
    changes: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: its values, or why there are none."""

    number: int
    status: Status  # failed: so is every other attempt; lost: its workers died, the next sweep tries again
    reason: str  # empty when done
    values: dict[str, Value]
    took: float  # [s]


@dataclass(frozen=True)
class Tasks(Sequence[Task]):
    """All tasks of a study, made when asked for; the replicas of a point follow each other."""

    design: Design
    replicas: int
    seed: int

    def __len__(self) -> int:
        return len(self.design) * self.replicas

    @overload
    def __getitem__(self, number: int) -> Task: ...
    @overload
    def __getitem__(self, number: slice) -> list[Task]: ...
    def __getitem__(self, number: int | slice) -> Task | list[Task]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        point, replica = divmod(number, self.replicas)
        return Task(number, point, replica, self.design.point(point), _seed(self.seed, replica))


_seed = lru_cache(maxsize=65536)(seed_of)  # the replicas of all points share their seeds


@dataclass(frozen=True, slots=True)
class Work:
    """What all tasks of a study start from.  Equal when the digests are.

    Slots, and so no weak reference: what has one, Dask sends to a single worker, and it is gone when that one dies.
    """

    digest: str  # of the scenario
    mode: Mode
    outputs: tuple[str, ...]
    scenario: Scenario = field(compare=False)


Performer = Callable[[Work, Sequence[Task]], list[Outcome]]


def perform(work: Work, tasks: Sequence[Task]) -> list[Outcome]:
    """Perform a chunk of tasks: a pure function of its arguments, but for the time it took.

    A point that cannot be is an outcome like any other, and so is a bug of ours: neither ends the study.
    """
    return [
        outcome
        for changes, group in groupby(tasks, key=lambda task: task.changes)
        for outcome in _point(work, changes, list(group))
    ]


def _point(work: Work, changes: tuple[str, ...], tasks: Sequence[Task]) -> Iterator[Outcome]:
    """The replicas of one point; what its plan took counts as the first one's."""
    began = time.perf_counter()
    made: Plan | Point | str
    try:
        made = _planned(work, changes)
    except Exception as error:
        made = _reason(error)
    for task in tasks:
        values: dict[str, Value] = {}
        reason = made if isinstance(made, str) else ""
        if not isinstance(made, str):
            try:
                values = _values(work, made, task.seed)
            except Exception as error:
                reason = _reason(error)
        ended = time.perf_counter()
        yield Outcome(task.number, "failed" if reason else "done", reason, values, ended - began)
        began = ended


@lru_cache(maxsize=16)
def _planned(work: Work, changes: tuple[str, ...]) -> Plan | Point:
    """The plan of a point: made once by each worker, whatever the number of its replicas."""
    document, faults = _changed(work, changes)
    scenario = checked(document, faults)
    return build(scenario) if work.mode == "simulate" else closed_form(scenario)


@lru_cache(maxsize=64)
def _changed(work: Work, changes: tuple[str, ...]) -> tuple[Document, tuple[Fault, ...]]:
    """The scenario's document with the changes in it: neighbouring points differ in their last ones."""
    if not changes:
        return document_of(work.scenario), ()
    before, earlier = _changed(work, changes[:-1])
    document, faults = apply(before, changes[-1:])
    return document, (*earlier, *faults)


def _values(work: Work, made: Plan | Point, seed: int) -> dict[str, Value]:
    if isinstance(made, Point):
        return expected(made, work.outputs)
    return lived(made, summarise(made, sample(made, seed=seed)), work.outputs)


def _reason(error: Exception) -> str:
    """What a person is told: of a mistake its message, of a bug of ours also where it is."""
    if isinstance(error, SimulatorError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = traceback.format_exception_only(error)[-1].strip()
    return f"a bug of simgpu: {said} ({Path(where.filename).name}:{where.lineno}, in {where.name})"
