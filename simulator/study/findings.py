"""What a store says: tasks, points and failures, in the order of the points, whoever finished first."""

from __future__ import annotations

import heapq
import json
import re
import shlex
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError
from simulator.results.ensemble import statistic
from simulator.study.outputs import Value
from simulator.study.store import damaged, readable
from simulator.study.tables import Header, quoted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Failure", "Finding", "Overview", "command", "findings", "load", "overview", "query", "reproduced"]

_MORE_IS_BETTER = {"goodput", "mfu", "tokens_per_second", "mtti_h"}
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Finding:
    """One point: the mean of each output over its replicas and half of the mean's 95 % interval."""

    point: int
    labels: tuple[str, ...]  # of the factors, in their order
    changes: tuple[str, ...]
    replicas: int  # done
    failed: int
    means: tuple[float | None, ...]  # None: some replica has no value, or it is none to average
    halves: tuple[float | None, ...]  # None: of fewer than two replicas


@dataclass(frozen=True, slots=True)
class Failure:
    """Tasks that failed for one reason, but for the numbers in it."""

    reason: str  # of the first
    status: str
    tasks: int
    point: int  # the first
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """A store in short."""

    header: Header
    done: int
    failed: int
    lost: int
    points: int  # that have a value
    shown: tuple[Finding, ...]  # all points, or the best of them
    best: Finding | None
    by: str  # the output that decides
    most: bool  # whether more of it is better
    failures: tuple[Failure, ...]


def command(header: Header, changes: Sequence[str], seed: int | None = None) -> str:
    """What gives one row again, in a shell."""
    return reproduced(header.mode, header.base, (*header.fixed, *changes), seed)


def reproduced(mode: str, base: str, changes: Sequence[str], seed: int | None = None) -> str:
    """The command for a scenario with changes."""
    words = ["simgpu", "run" if mode == "simulate" else "plan", base]
    for change in changes:
        words += ["--set", change]
    if seed is not None and mode == "simulate":
        words += ["--seed", str(seed)]
    return shlex.join(words)


def _texts(labels: str) -> tuple[str, ...]:
    """Labels as they were written."""
    return tuple(json.loads(labels, parse_int=str, parse_float=str))


def _changes(header: Header, labels: str, changes: str | None) -> tuple[str, ...]:
    if changes is not None:
        return tuple(json.loads(changes))
    return tuple(f"{factor}={label}" for factor, label in zip(header.factors, _texts(labels), strict=True))


def load(path: str | Path) -> pd.DataFrame:
    """One row a task: point, replica, a column a factor, the outputs, seed, status, reason, and the command that gives
    the row again.

    Factors are numbers where all of their values are, else text.  What the clock says is left out, so equal studies
    give equal frames.

    Raises
    ------
    SimulatorError
        There is no such store, or it is damaged.
    """
    import pandas as pd

    with readable(Path(path)) as (db, header):
        outputs = ", ".join(map(quoted, header.outputs))
        found = db.execute(
            f"SELECT point, replica, labels, changes, seed, status, reason, {outputs} "
            "FROM tasks JOIN points USING (point) ORDER BY point, replica"
        )
        rows = [
            (point, replica, *json.loads(labels), *values, seed, status, reason,
             command(header, _changes(header, labels, changes), seed))
            for point, replica, labels, changes, seed, status, reason, *values in found
        ]  # fmt: skip
    columns = ["point", "replica", *header.factors, *header.outputs, "seed", "status", "reason", "command"]
    frame = pd.DataFrame.from_records(rows, columns=columns)
    if "finished" in frame:
        frame["finished"] = frame["finished"].astype("boolean")
    return frame


def findings(db: sqlite3.Connection, header: Header) -> Iterator[Finding]:
    """Every point that has a row, one at a time."""
    outputs = ", ".join(map(quoted, header.outputs))
    rows = db.execute(
        f"SELECT point, labels, changes, status, {outputs} FROM tasks JOIN points USING (point) ORDER BY point, replica"
    )
    for point, group in groupby(rows, key=lambda row: row[0]):
        tasks = list(group)
        done = [task[4:] for task in tasks if task[3] == "done"]
        spreads = [_spread(column) for column in zip(*done, strict=True)] or [(None, None)] * len(header.outputs)
        yield Finding(
            point,
            _texts(tasks[0][1]),
            _changes(header, *tasks[0][1:3]),
            len(done),
            len(tasks) - len(done),
            tuple(mean for mean, _ in spreads),
            tuple(half for _, half in spreads),
        )


def _spread(values: Sequence[Value]) -> tuple[float | None, float | None]:
    numbers = [None if value is None or isinstance(value, str) else float(value) for value in values]
    if len(numbers) == 1:
        return numbers[0], None
    found = statistic(numbers)
    return found.mean, None if found.standard_error is None else 1.96 * found.standard_error


def overview(path: Path, *, most_points: int = 40, best: int = 10) -> Overview:
    """A store in short: all of its points where they are few, else the best; what failed and why.

    The best is that of the study's objective, else of its first output.  Memory does not grow with the points.
    """
    with readable(path) as (db, header):
        counts = dict(db.execute("SELECT status, count(*) FROM tasks GROUP BY status"))
        by, most = _objective(header)
        place, sign = header.outputs.index(by), -1.0 if most else 1.0
        few: list[Finding] = []
        points = 0

        def valued() -> Iterator[tuple[float, int, Finding]]:
            nonlocal points
            for finding in findings(db, header):
                if len(few) <= most_points:
                    few.append(finding)
                value = finding.means[place]
                points += value is not None
                if value is not None:
                    yield sign * value, finding.point, finding

        leading = [finding for _, _, finding in heapq.nsmallest(best, valued())]
        total = db.execute("SELECT count(*) FROM points").fetchone()[0]
        return Overview(
            header,
            counts.get("done", 0),
            counts.get("failed", 0),
            counts.get("lost", 0),
            points,
            tuple(few if total <= most_points else leading),
            leading[0] if leading else None,
            by,
            most,
            tuple(_failures(db, header)),
        )


def _objective(header: Header) -> tuple[str, bool]:
    """The output by which points are ranked, and whether more of it is better."""
    asked: dict[str, Any] = json.loads(header.definition).get("objective") or {}
    for key, most in (("minimise", False), ("maximise", True)):
        if asked.get(key) in header.outputs:
            return asked[key], most
    return header.outputs[0], header.outputs[0] in _MORE_IS_BETTER


def _failures(db: sqlite3.Connection, header: Header) -> Iterator[Failure]:
    """The reasons, the most frequent first; those that differ in numbers only are one."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for reason, status, tasks, first in db.execute("SELECT reason, status, tasks, first FROM failures ORDER BY first"):
        group = groups.setdefault((_NUMBER.sub("#", reason), status), [reason, 0, first])
        group[1] += tasks
    for (_, status), (reason, tasks, first) in sorted(groups.items(), key=lambda item: (-item[1][1], item[1][2])):
        labels, changes = db.execute("SELECT labels, changes FROM points WHERE point = ?", (first,)).fetchone()
        yield Failure(reason, status, tasks, first, _changes(header, labels, changes))


def query(path: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a question in SQL, which can change nothing.

    Raises
    ------
    SimulatorError
        It is no question, or not SQL that the tables and views can answer.
    """
    with readable(path) as (db, _):
        db.set_authorizer(_only_questions)
        try:
            found = db.execute(sql)
            if found.description is not None:
                return [column[0] for column in found.description], found.fetchall()
            said = "nothing was asked"
        except (sqlite3.Error, sqlite3.Warning) as refused:
            if damaged(refused):
                raise
            said = "it may only ask" if "not authorized" in str(refused) else str(refused)
    raise SimulatorError(
        f"--query: {said}; expected one SELECT on the views results, means and failures, or the tables study, points "
        "and tasks"
    )


_HARMLESS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


def _only_questions(action: int, first: str | None, second: str | None, *_: Any) -> int:
    allowed = action in _HARMLESS and second != "load_extension"
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
