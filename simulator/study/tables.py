"""The file of a study: its tables, its views, and the header that says what the numbers are of."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError

__all__ = ["SCHEMA", "Header", "check_kind", "connect", "header", "make", "quoted"]

SCHEMA = 1  # of the tables below
_APPLICATION = 0x53475055  # what `file` and we know a store by
_RESERVED = ("point", "replica", "replicas", "seed", "status", "reason", "took_s", "command")

_TEXTS = ("finish_date", "layout")  # outputs that have no mean


@dataclass(frozen=True)
class Header:
    """What a store is for and who filled it.  Two stores whose headers differ hold other numbers."""

    study: str  # its name
    question: str
    base: str  # the scenario's file, or its name
    fixed: tuple[str, ...]  # changes at all points
    scenario: str  # digest of the two
    mode: str
    factors: tuple[str, ...]
    design: str  # factors and design, as JSON
    points: int
    outputs: tuple[str, ...]
    seed: int
    simgpu: str  # version
    catalogue: str  # digest
    replicas: int  # of each point; with a precision, at most
    precision: float | None
    definition: str  # the whole study, as JSON

    @property
    def asked(self) -> int:
        """Tasks; with a precision, at most."""
        return self.points * self.replicas

    @property
    def precise(self) -> str:
        """The output whose mean a precision is about."""
        return "time_to_train_d" if "time_to_train_d" in self.outputs else self.outputs[0]


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def connect(path: Path, mode: str, *, shared: bool = False) -> sqlite3.Connection:
    """An open file; with mode ``ro`` nobody can write through it, ``shared``: for more than one thread."""
    if mode == "ro" and path.with_name(f"{path.name}-journal").exists():
        # of a process killed while it put the log away: whoever reads first takes that back, which needs the right to
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)) as db:
            db.execute("SELECT count(*) FROM sqlite_schema")
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=10, check_same_thread=not shared)


def check_kind(path: Path) -> None:
    """Refuse what is no file and what is no store; a file that is not there, or is empty, may become one."""
    try:
        if path.is_dir():
            raise SimulatorError(f"{path}: expected a file for the store; got a folder; {path / 'study.db'} would do")
        if not path.exists():
            return
        if not path.is_file():
            raise SimulatorError(f"{path}: expected a file for the store; got a device")
        with path.open("rb") as file:
            begin = file.read(16)
    except OSError as refused:
        raise SimulatorError(f"{path}: cannot be read: {refused.strerror or refused}") from refused
    if begin and not begin.startswith(b"SQLite format 3\0"):
        raise SimulatorError(f"{path}: expected a store of simgpu; got another file")


def header(db: sqlite3.Connection, path: Path) -> Header:
    """The header of an open store.

    Raises
    ------
    SimulatorError
        It is no store, or one with other tables than those of this version.
    """
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise SimulatorError(f"{path}: expected a store of simgpu; got an SQLite file of another program")
    found: dict[str, Any] = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM study")}
    if found.pop("schema", None) != SCHEMA:
        raise SimulatorError(
            f"{path}: expected tables of kind {SCHEMA}; simgpu {found.get('simgpu')} made it, which can read it"
        )
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return Header(**values)


def make(db: sqlite3.Connection, asked: Header) -> None:
    """Tables and views, all or none."""
    outputs = ", ".join(map(quoted, asked.outputs))
    factors = "".join(
        f", json_extract(labels, '$[{place}]') AS {quoted(name if name not in _RESERVED else f'{name}=')}"
        for place, name in enumerate(asked.factors)
    )
    means = "".join(f", avg({quoted(name)}) AS {quoted(name)}" for name in asked.outputs if name not in _TEXTS)
    pairs = [("schema", SCHEMA), *asdict(asked).items()]
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute("CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute("CREATE TABLE points (point INTEGER PRIMARY KEY, labels TEXT NOT NULL, changes TEXT)")
    db.execute(
        "CREATE TABLE tasks (point INTEGER NOT NULL, replica INTEGER NOT NULL, seed INTEGER NOT NULL, "
        f"status TEXT NOT NULL, reason TEXT NOT NULL, took_s REAL NOT NULL, {outputs}, PRIMARY KEY (point, replica)) "
        "WITHOUT ROWID"
    )
    db.execute(
        f"CREATE VIEW results AS SELECT point, replica{factors}, {outputs}, seed, status, reason, took_s "
        "FROM tasks JOIN points USING (point)"
    )
    db.execute(
        f"CREATE VIEW means AS SELECT point{factors}, sum(status = 'done') AS replicas{means} "
        "FROM tasks JOIN points USING (point) GROUP BY point"
    )
    db.execute(
        "CREATE VIEW failures AS SELECT reason, status, count(*) AS tasks, count(DISTINCT point) AS points, "
        "min(point) AS first FROM tasks WHERE status <> 'done' GROUP BY reason, status"
    )
    db.executemany("INSERT INTO study VALUES (?, ?)", ((key, json.dumps(value)) for key, value in pairs))
    db.execute("COMMIT")
