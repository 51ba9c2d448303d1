"""Recorded queues: who submitted what and when, from the Standard Workload Format or from CSV.

CSV columns are known by the names in :data:`NAMES`; a scenario's ``queue.columns`` names others.  A job that never ran
or had no accelerator is left out and counted; whatever cannot be true is a fault with its line and column.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from simulator.errors import did_you_mean
from simulator.scenario.lines import Faults, lines, refuse
from simulator.workload.queue import MOST_ACCELERATORS, TraceColumns

__all__ = ["MOST_JOBS", "NAMES", "RecordedJobs", "read_jobs"]

MOST_JOBS = 5_000_000
_SHORTEST_CUT = 40  # characters of a value that a message shows

#: Header names by role, of the traces that are documented in docs/traces.md.  The first that a header has counts.
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "submit": ("submit", "submit_time", "submitted_time", "creation_time"),
        "start": ("start", "start_time", "scheduled_time"),
        "end": ("end", "end_time", "deletion_time"),
        "runtime": ("runtime", "run_time", "duration"),
        "accelerators": ("accelerators", "gpus", "gpu_num", "num_gpu", "num_gpus"),
        "user": ("user", "user_id"),
        "priority": ("priority",),
    }
)
_SWF = ".swf"
_SWF_FIELDS = 18
_SWF_COLUMNS = {"submit": 1, "run": 3, "allocated": 4, "requested": 7, "limit": 8, "user": 11}  # from 0


@dataclass(frozen=True, eq=False)
class RecordedJobs:
    """A trace: one array of length n per property, sorted by submission; times in seconds from the first one."""

    file: str
    submit: NDArray[np.float64]
    runtime: NDArray[np.float64]
    estimate: NDArray[np.float64]  # the user's limit where there is one, else the runtime; never less than it
    size: NDArray[np.int64]
    priority: NDArray[np.int64]
    user: NDArray[np.int64]
    users: tuple[str, ...]
    idle: int  # left out: no accelerators
    unstarted: int  # left out: never ran

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read, in sentences."""
        days = (self.submit[-1] - self.submit[0]) / 86400
        said = [f"{len(self.submit):,} recorded jobs, submitted over {days:,.3g} d"]
        if self.idle:
            said.append(f"left out for want of accelerators: {self.idle:,}")
        if self.unstarted:
            said.append(f"left out because they never ran: {self.unstarted:,}")
        return tuple(said)


def read_jobs(path: Path, columns: TraceColumns, *, most: int = MOST_ACCELERATORS) -> RecordedJobs:
    """The jobs of a trace file; ``.swf`` is Standard Workload Format, anything else CSV with a header.

    Memory grows by some 50 bytes a job; the file is read line by line, its order does not matter.

    Parameters
    ----------
    most
        Accelerators that the cluster will ever have: a larger job would wait for ever.

    Raises
    ------
    ScenarioError
        Every fault up to the twentieth, each with its line and column.
    """
    faults = Faults(path)
    made = _Jobs(path, faults, most)
    if path.suffix.lower() == _SWF:
        _read_swf(path, made, faults)
    else:
        _read_csv(path, columns, made, faults)
    faults.raise_any()
    return made.recorded()


class _Jobs:
    """The arrays while they grow."""

    def __init__(self, path: Path, faults: Faults, most: int) -> None:
        self._path, self._faults, self._most = path, faults, most
        self._times = {name: array("d") for name in ("submit", "runtime", "estimate")}
        self._counts = {name: array("q") for name in ("size", "priority", "user")}
        self._users: dict[str, int] = {}
        self.size_column = ""
        self.idle = self.unstarted = 0

    def add(
        self, line: int, *, submit: float, runtime: float, size: int, limit: float = 0.0, user: str = "",
        priority: int = 0,
    ) -> None:  # fmt: skip
        if len(self._times["submit"]) >= MOST_JOBS:
            refuse(self._path, line, "", f"expected at most {MOST_JOBS:,} jobs; got more")
        if size > self._most:
            there = f"the {self._most:,} accelerators the cluster will ever have"
            self._faults.add(line, self.size_column, f"expected at most {there}; got {size:,}")
            return
        for name, value in (("submit", submit), ("runtime", runtime), ("estimate", max(limit, runtime))):
            self._times[name].append(value)
        whose = self._users.setdefault(user, len(self._users))
        for name, count in (("size", size), ("priority", priority), ("user", whose)):
            self._counts[name].append(count)

    def recorded(self) -> RecordedJobs:
        if not self._times["submit"]:
            left_out = f"; left out: {self.idle:,} without accelerators, {self.unstarted:,} that never ran"
            found = "none" + (left_out if self.idle or self.unstarted else "")
            refuse(self._path, None, "", f"expected at least one job; got {found}")
        times = {name: np.array(values, dtype=float) for name, values in self._times.items()}
        counts = {name: np.array(values, dtype=np.int64) for name, values in self._counts.items()}
        order = np.argsort(times["submit"], kind="stable")
        times["submit"] = times["submit"] - times["submit"][order[0]]
        return RecordedJobs(
            file=str(self._path),
            submit=times["submit"][order],
            runtime=times["runtime"][order],
            estimate=times["estimate"][order],
            size=counts["size"][order],
            priority=counts["priority"][order],
            user=counts["user"][order],
            users=tuple(self._users),
            idle=self.idle,
            unstarted=self.unstarted,
        )


# Standard Workload Format


def _read_swf(path: Path, jobs: _Jobs, faults: Faults) -> None:
    """18 numbers a line, −1 for what is not known; comments begin with a semicolon.

    Allocated processors count as accelerators, requested ones where those are unknown; the requested time is the
    scheduler's estimate.
    """
    jobs.size_column = "allocated processors (5)"
    for number, line in enumerate(lines(path), start=1):
        written = line.partition(";")[0].split()
        if not written:
            continue
        if len(written) != _SWF_FIELDS:
            faults.add(number, "", f"expected the {_SWF_FIELDS} fields of the format; got {len(written)}")
            continue
        row = _Row(number, faults)
        submit = row.number("submit time (2)", written[_SWF_COLUMNS["submit"]])
        run = row.number("run time (4)", written[_SWF_COLUMNS["run"]], least=-1)
        size = row.number("allocated processors (5)", written[_SWF_COLUMNS["allocated"]], least=-1)
        asked = row.number("requested processors (8)", written[_SWF_COLUMNS["requested"]], least=-1)
        limit = row.number("requested time (9)", written[_SWF_COLUMNS["limit"]], least=-1)
        wanted = row.whole(jobs.size_column, size if size > 0 else asked)
        if row.faulty:
            continue
        if run < 0:
            jobs.unstarted += 1
        elif wanted <= 0:
            jobs.idle += 1
        else:
            jobs.add(number, submit=submit, runtime=run, size=wanted, limit=limit, user=written[_SWF_COLUMNS["user"]])


# CSV


def _read_csv(path: Path, columns: TraceColumns, jobs: _Jobs, faults: Faults) -> None:
    rows = csv.reader(lines(path), strict=True)
    try:
        header = next(rows, None)
        if header is None or not any(header):
            refuse(path, None, "", "expected a header and jobs; got an empty file")
        place = _places(path, [name.strip() for name in header], columns)
        jobs.size_column = header[place["accelerators"]].strip()
        for row in rows:
            if row:
                _take(row, rows.line_num, header, place, jobs, faults)
    except csv.Error as broken:
        refuse(path, rows.line_num, "", f"expected CSV; got something else ({broken})")


def _places(path: Path, header: Sequence[str], columns: TraceColumns) -> dict[str, int]:
    """Index of each role's column."""
    found: dict[str, int] = {}
    faults = Faults(path)
    folded = [name.casefold() for name in header]
    for role, known in NAMES.items():
        named = getattr(columns, role)
        wanted = (named,) if named is not None else known
        at = next((folded.index(name.casefold()) for name in wanted if name.casefold() in folded), None)
        if at is not None:
            found[role] = at
        elif named is not None:
            hint = did_you_mean(named, header) or f"; columns are {', '.join(header)[:200]}"
            faults.add(1, role, f"expected the column {named!r}, as queue.columns says; got none of that name{hint}")
    if "runtime" in found and not {"start", "end"} <= set(found):
        found = {role: at for role, at in found.items() if role not in ("start", "end")}
    for role in ("submit", "accelerators"):
        if role not in found and getattr(columns, role) is None:
            faults.add(1, role, _missing(role, header))
    if "runtime" not in found:
        for role in ("start", "end"):
            if role not in found and getattr(columns, role) is None:
                faults.add(1, role, f"{_missing(role, header)}; or a runtime instead of start and end")
    faults.raise_any()
    if "start" in found:
        found.pop("runtime", None)
    return found


def _missing(role: str, header: Sequence[str]) -> str:
    names = ", ".join(NAMES[role])
    return f"expected a column named {names}, or the one that queue.columns.{role} names; got {', '.join(header)[:200]}"


def _take(
    written: Sequence[str], line: int, header: Sequence[str], place: Mapping[str, int], jobs: _Jobs, faults: Faults
) -> None:
    """One line of a CSV trace."""
    if len(written) != len(header):
        faults.add(line, "", f"expected {len(header)} columns as in the header; got {len(written)}")
        return
    cell = {role: written[at].strip() for role, at in place.items()}
    name = {role: header[at].strip() for role, at in place.items()}
    row = _Row(line, faults)
    size = row.whole(name["accelerators"], row.number(name["accelerators"], cell["accelerators"] or "0", least=0))
    submit = row.moment(name["submit"], cell["submit"])
    ran = bool(cell["start"] and cell["end"]) if "start" in place else bool(cell["runtime"])
    if row.faulty or size == 0 or not ran:
        jobs.idle += size == 0
        jobs.unstarted += size != 0 and not ran
        return
    if "start" in place:
        start = row.moment(name["start"], cell["start"])
        end = row.moment(name["end"], cell["end"])
        runtime = end - start
        if runtime < 0:
            row.wrong(name["end"], f"expected an end at or after the start, {cell['start']}; got {cell['end']}")
    else:
        runtime = row.number(name["runtime"], cell["runtime"], least=0)
    priority = row.whole(name["priority"], row.number(name["priority"], cell["priority"])) if "priority" in place else 0
    if not row.faulty:
        jobs.add(line, submit=submit, runtime=runtime, size=size, user=cell.get("user", ""), priority=priority)


class _Row:
    """One line's values, with what is wrong with them."""

    def __init__(self, line: int, faults: Faults) -> None:
        self.faulty = False
        self._line, self._faults = line, faults

    def wrong(self, column: str, message: str) -> None:
        """A value cannot be true.  Of several in one line the first is told."""
        if not self.faulty:
            self._faults.add(self._line, column, message)
        self.faulty = True

    def number(self, column: str, written: str, *, least: float = -math.inf) -> float:
        """A finite number."""
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or "_" in written:
            self.wrong(column, f"expected a number; got {_shown(written)}")
            return 0.0
        if value < least:
            self.wrong(column, f"expected {least:g} or more; got {_shown(written)}")
        return value

    def whole(self, column: str, value: float) -> int:
        """A whole number of a size that makes sense."""
        if value != int(value) or abs(value) > MOST_ACCELERATORS:
            self.wrong(column, f"expected a whole number up to {MOST_ACCELERATORS:,}; got {value:g}")
            return 0
        return int(value)

    def moment(self, column: str, written: str) -> float:
        """Seconds, or date and time; without a zone it is UTC. [s]"""
        try:
            value = float(written)
        except ValueError:
            value = _seconds(written)
        if not math.isfinite(value) or abs(value) > 1e12:
            self.wrong(column, f"expected seconds, or date and time, e.g. 2023-05-17 11:00:58; got {_shown(written)}")
            return 0.0
        return value


def _seconds(written: str) -> float:
    try:
        moment = dt.datetime.fromisoformat(written)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _shown(written: str) -> str:
    return repr(written if len(written) <= _SHORTEST_CUT else f"{written[:_SHORTEST_CUT]} …") if written else "nothing"
