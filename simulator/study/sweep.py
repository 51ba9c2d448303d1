"""Perform a study's tasks and keep what comes of them: the loop that engines and store meet in."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import simulator
from simulator import catalogue
from simulator.errors import SimulatorError
from simulator.results.ensemble import statistic
from simulator.scenario import digest, read
from simulator.study.design import Design, design_of
from simulator.study.engines import Engine
from simulator.study.feed import Feed
from simulator.study.schema import Study
from simulator.study.store import Row, Store
from simulator.study.tables import Header
from simulator.study.task import Outcome, Performer, Task, Tasks, Work, perform

__all__ = ["Progress", "Swept", "default_name", "sweep"]

_LOOK = 20  # replicas between two looks at the spread, as in simulator.study.replicate
_AT_ONCE = 1.0  # s that other processes take to start, about
_TRIES = 2  # times that a task which has seen two workers die is tried alone


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sweep is."""

    total: int  # tasks; with a precision, at most
    before: int  # done by earlier sweeps
    done: int  # by this one, failed and lost ones included
    failed: int  # of those, all that have no values
    took: float  # so far [s]
    left: float | None  # about [s]

    @property
    def rate(self) -> float:
        """Tasks per second."""
        return self.done / self.took if self.took else 0.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep leaves."""

    header: Header
    progress: Progress
    interrupted: bool


def sweep(
    study: Study,
    path: Path,
    engine: Engine,
    *,
    design: Design | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
    stopping: Callable[[], None] = lambda: None,
    performer: Performer = perform,
) -> Swept:
    """Perform what is missing in the store at ``path``, and save it there.

    The numbers are those of the tasks, whatever the engine, its workers and the order in which they finish.  The first
    Ctrl-C lets the chunks end that are under way, the second does not; the store is whole after both.

    Parameters
    ----------
    design
        The points; default: those of the study's design.  A store whose points grow goes on with the new ones.
    watch
        Hears at the beginning, and whenever tasks come back, how far it is.
    stopping
        Is called by the first Ctrl-C, in the midst of anything.
    performer
        What a worker does with tasks.

    Raises
    ------
    SimulatorError
        The base scenario is wrong, the store cannot be used, or the workers are of another version.
    """
    scenario = read(study.base, changes=study.fixed)
    design = design_of(study) if design is None else design
    header = _header(study, digest(scenario), scenario.seed, len(design))
    work = Work(header.scenario, study.mode, header.outputs, scenario)
    with Store.open(path, header) as store:
        return _Sweep(store, design, work, engine, watch, stopping, performer).run()


def default_name(study: Study) -> str:
    """A store's name that the same question finds again: ``<name>-<digest>.db``."""
    scenario = digest(read(study.base, changes=study.fixed))
    asked = json.dumps([scenario, study.mode, study.kept, _points(study)], sort_keys=True)
    return f"{study.name}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}.db"


def _points(study: Study) -> str:
    """What points there are, as JSON."""
    plain = study.model_dump(mode="json", by_alias=True)
    return json.dumps({key: plain[key] for key in ("factors", "design")}, sort_keys=True)


def _header(study: Study, scenario: str, seed: int, points: int) -> Header:
    return Header(
        study=study.name,
        question=study.question,
        base=study.base,
        fixed=study.fixed,
        scenario=scenario,
        mode=study.mode,
        factors=tuple(study.factors),
        design=_points(study),
        points=points,
        outputs=study.kept,
        seed=seed,
        simgpu=simulator.__version__,
        catalogue=catalogue.digest(),
        replicas=study.runs,
        precision=study.precision,
        definition=study.model_dump_json(by_alias=True),
    )


def _performed(
    performer: Performer, work: Work, who: tuple[str, str], number: int, tasks: Sequence[Task]
) -> tuple[int, list[Outcome]]:
    """What a worker does; one that would compute other numbers says so instead."""
    here = _who()
    if here != who:
        raise SimulatorError(
            f"a worker has simgpu {here[0]} with catalogue {here[1]:.8}, the sweep {who[0]} with {who[1]:.8}: "
            "install the same version on all machines"
        )
    return number, performer(work, tasks)


@lru_cache(maxsize=1)
def _who() -> tuple[str, str]:
    return simulator.__version__, catalogue.digest()


class _Sweep:
    """One sweep under way."""

    def __init__(
        self,
        store: Store,
        design: Any,
        work: Work,
        engine: Engine,
        watch: Callable[[Progress], None],
        stopping: Callable[[], None],
        performer: Performer,
    ) -> None:
        self._store, self._design, self._engine, self._watch = store, design, engine, watch
        self._stopping = stopping
        self._call = (performer, work, _who())
        self._tasks = Tasks(design, store.header.replicas, store.header.seed)
        self._before = sum(n for status, n in store.counts(len(design)).items() if status != "lost")
        self._done = self._failed = 0
        self._began = time.monotonic()
        self._feed: Feed | None = None
        self._stopped = False

    def run(self) -> Swept:
        """Perform all that is missing."""
        self._tell()
        interrupted = False
        try:
            with self._interrupts():
                for missing in self._rounds():
                    self._round(missing)
                    if self._stopped:
                        break
        except KeyboardInterrupt:
            interrupted = True
        self._store.save()
        return Swept(self._store.header, self._progress(), interrupted or self._stopped)

    def _rounds(self) -> Iterator[Iterator[tuple[int, int]]]:
        """What is missing, at once or, with a precision, so many replicas at a time.

        Whether a point goes on depends on its first replicas alone, never on which of them came first.
        """
        header = self._store.header
        if header.precision is None:
            yield self._store.missing(range(len(self._design)), range(header.replicas))
            return
        points: Sequence[int] = range(len(self._design))
        for begin in range(0, header.replicas, _LOOK):
            yield self._store.missing(points, range(begin, min(begin + _LOOK, header.replicas)))
            points = self._wide(begin + _LOOK, header.precision)

    def _wide(self, replicas: int, precision: float) -> list[int]:
        """Points whose mean is not yet known that well, after so many replicas all of which have a value."""
        wide = []
        for point, rows in groupby(self._store.histories(replicas), key=lambda row: row[0]):
            values = [value if status == "done" else None for _, status, value in rows]
            found = statistic([float(value) for value in values if value is not None])
            if len(values) < replicas or found.known < replicas or not found.mean:
                continue
            if 1.96 * (found.standard_error or 0.0) > precision * abs(found.mean):
                wide.append(point)
        return wide

    def _round(self, missing: Iterator[tuple[int, int]]) -> None:
        replicas = self._tasks.replicas
        tasks = (self._tasks[point * replicas + replica] for point, replica in missing)
        left = len(self._tasks) - self._before - self._done
        self._feed = feed = Feed(tasks, left, workers=self._engine.workers, replicas=replicas)
        if self._engine.near and not self._at_once(feed):
            return
        while feed.more:
            try:
                for number, outcomes in self._stream(feed, ahead=2 * self._engine.workers):
                    self._take(feed.done(number, outcomes), outcomes)
            except self._engine.deaths:
                for task in feed.broken():
                    self._alone(task)

    def _stream(self, chunks: Iterator[tuple[int, list[Task]]], *, ahead: int) -> Iterator[tuple[int, list[Outcome]]]:
        calls = ((*self._call, number, tasks) for number, tasks in chunks)
        return self._engine.stream(_performed, calls, ahead=ahead)

    def _at_once(self, feed: Feed) -> bool:
        """Perform in this process what other processes are not worth their start for; whether more is left.

        The more is left, the sooner they are started.
        """
        for number, tasks in feed:
            outcomes = _performed(*self._call, number, tasks)[1]
            self._take(feed.done(number, outcomes), outcomes)
            left = feed.left_s or 0.0
            if number > 0 and left > _AT_ONCE and (time.monotonic() - self._began) * left > _AT_ONCE**2:
                return True
        return False

    def _alone(self, task: Task) -> None:
        """Try a task with nothing else under way; give it up when its workers keep dying."""
        for _ in range(_TRIES):
            try:
                for _number, outcomes in self._stream(iter([(0, [task])]), ahead=1):
                    self._take([task], outcomes)
                return
            except self._engine.deaths as death:
                reason = f"its worker died each time, for want of memory perhaps ({type(death).__name__})"
        self._take([task], [Outcome(task.number, "lost", reason, {}, 0.0)])

    def _take(self, tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> None:
        points = {task.point: task.changes for task in tasks}
        labels = ((point, self._design.labels(point), changes) for point, changes in points.items())
        outputs = self._store.header.outputs
        rows: Iterator[Row] = (
            (
                task.point,
                task.replica,
                task.seed,
                outcome.status,
                outcome.reason,
                outcome.took,
                tuple(outcome.values.get(name) for name in outputs),
            )
            for task, outcome in zip(tasks, outcomes, strict=True)
        )
        self._store.add(labels, rows)
        self._done += len(tasks)
        self._failed += sum(outcome.status != "done" for outcome in outcomes)
        self._tell()

    def _tell(self) -> None:
        self._watch(self._progress())

    def _progress(self) -> Progress:
        took = time.monotonic() - self._began
        total = len(self._tasks)
        left = total - self._before - self._done
        seconds = left * took / self._done if self._done else None
        return Progress(total, self._before, self._done, self._failed, took, seconds)

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """The first Ctrl-C stops what is not yet under way, the second everything."""

        over = False

        def asked(number: int, frame: Any) -> None:
            if over:
                return
            if self._stopped:
                raise KeyboardInterrupt
            self._stopped = True
            if self._feed is not None:
                self._feed.stopped = True
            self._stopping()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, asked)
        try:
            try:
                yield
            finally:
                over = True  # so that none comes between here and there, and this handler stays for ever
        finally:
            signal.signal(signal.SIGINT, before)
