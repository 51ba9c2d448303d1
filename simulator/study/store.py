"""What a study has found, in one SQLite file that outlives whatever ends the process that fills it.

One process writes, in batches, each of them whole or not at all (write-ahead log, flushed to the disk).  A task that is
in the file is done and never done again; a process that is killed in the middle of a write has lost that batch and no
more.  Anybody may read meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

from simulator.errors import SimulatorError
from simulator.report.folder import check_writable
from simulator.study.outputs import Value
from simulator.study.salvage import salvage
from simulator.study.tables import Header, check_kind, connect, header, make, quoted

__all__ = ["Row", "Store", "damaged", "readable"]

_PAGE = 10_000  # rows looked at together
_BETWEEN = 0.25  # least time between two batches [s]
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")

Row = tuple[int, int, int, str, str, float, tuple[Value, ...]]  # point, replica, seed, status, reason, took, outputs


# a longer study begins with the shorter one, a longer search with the shorter one
_MAY_GROW = ("points", "replicas", "precision", "question", "base", "definition")
_WHO = {"simgpu": "simgpu {}", "catalogue": "a catalogue whose digest begins with {:.8}"}


def _literal(label: str) -> str:
    """A label in JSON: a number where it is one, to the last digit, else text."""
    return label if _JSON_NUMBER.fullmatch(label) else json.dumps(label, ensure_ascii=False)


def damaged(refused: Exception) -> bool:
    """Whether a page of the file contradicts another, or is none."""
    return _code(refused) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _code(refused: Exception) -> int:
    return int(getattr(refused, "sqlite_errorcode", 0)) & 0xFF  # what Python itself refuses has none


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite refuses is for the user to put right: say what, where, and what was saved."""
    try:
        yield
    except sqlite3.DatabaseError as refused:
        if damaged(refused):
            found = " ".join(str(refused).split())
            raise SimulatorError(f"{path}: damaged ({found}); {salvage(path)}") from refused
        said = str(refused)
        if _code(refused) == sqlite3.SQLITE_FULL:
            said = "the disk is full; what was saved before stays: make room, then the same command goes on from there"
        raise SimulatorError(f"{path}: cannot be read or written: {said}") from refused


@contextmanager
def readable(path: Path) -> Iterator[tuple[sqlite3.Connection, Header]]:
    """A store to read and nothing else, also while a sweep fills it.

    Raises
    ------
    SimulatorError
        No such file, no store, or a damaged one.
    """
    check_kind(path)
    if not path.exists() and not path.is_symlink():
        raise SimulatorError(f"{path}: expected a store, as simgpu sweep --out makes it; there is no such file")
    with _told(path), closing(connect(path, "ro")) as db:
        if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise SimulatorError(f"{path}: expected a store of simgpu; got an empty file")
        yield db, header(db, path)


def _lock(path: Path) -> int:
    """Keep other sweeps away for as long as this process lives, however it ends."""
    beside = path.with_name(path.name + "-lock")
    while True:
        try:
            handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as refused:
            raise SimulatorError(f"{path}: cannot be written: {refused.strerror or refused}") from refused
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise SimulatorError(
                f"{path}: another sweep is filling it; wait for that, or choose another file with --out"
            ) from None
        with suppress(FileNotFoundError):  # the sweep that ended just now took it away
            if os.stat(beside).st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)


class Store:
    """A study's file, open for the one process that fills it."""

    def __init__(self, path: Path, db: sqlite3.Connection, asked: Header, lock: int) -> None:
        self.path, self.header = path, asked
        self._db, self._lock = db, lock
        self._saved = time.monotonic()
        self._waiting = False
        columns = ("point", "replica", "seed", "status", "reason", "took_s", *map(quoted, asked.outputs))
        places = ", ".join("?" * len(columns))
        again = ", ".join(f"{column} = excluded.{column}" for column in columns[2:])
        self._task = (
            f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({places}) "
            f"ON CONFLICT (point, replica) DO UPDATE SET {again} WHERE tasks.status = 'lost'"
        )

    @classmethod
    @contextmanager
    def open(cls, path: Path, asked: Header) -> Iterator[Self]:
        """The store at ``path``, made if there is none, with all that was done before.

        Raises
        ------
        SimulatorError
            It holds another study, or numbers of another version; or it cannot be written.
        """
        check_writable(path.parent)
        check_kind(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not os.access(path, os.W_OK):
            raise SimulatorError(f"{path}: expected a file that can be written to; no permission")
        lock = _lock(path)
        try:
            with _told(path), closing(connect(path, "rwc")) as db:
                filled = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
                there = header(db, path) if filled else None
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")  # a batch that is told is on the disk
                if there is None:
                    make(db, asked)
                else:
                    _check_whole(db)
                    asked = _continued(db, there, asked, path)
                store = cls(path, db, asked, lock)
                try:
                    yield store
                finally:
                    store.save()
                    with suppress(sqlite3.OperationalError):  # somebody reads: the log stays beside the file
                        db.execute("PRAGMA journal_mode = DELETE")
        finally:
            with suppress(FileNotFoundError):
                path.with_name(path.name + "-lock").unlink()
            os.close(lock)

    def missing(self, points: Iterable[int], replicas: range) -> Iterator[tuple[int, int]]:
        """Points and replicas without a row, in order; a lost task is missing.

        A generator that holds one page of rows, whatever their number, and may be asked by any thread.
        """
        found = self._found(replicas)
        there = next(found, None)
        for point in points:
            for replica in replicas:
                while there is not None and there < (point, replica):
                    there = next(found, None)
                if there != (point, replica):
                    yield point, replica

    def _found(self, replicas: range) -> Iterator[tuple[int, int]]:
        """Keys of the rows, page by page: a reader who kept his place would keep the log from being put away."""
        with closing(connect(self.path, "ro", shared=True)) as db:
            after = (-1, -1)
            while True:
                page: list[tuple[int, int]] = db.execute(
                    "SELECT point, replica FROM tasks WHERE (point, replica) > (?, ?) AND replica >= ? AND replica < ? "
                    "AND status <> 'lost' ORDER BY point, replica LIMIT ?",
                    (*after, replicas.start, replicas.stop, _PAGE),
                ).fetchall()
                yield from page
                if len(page) < _PAGE:
                    return
                after = page[-1]

    def add(self, points: Iterable[tuple[int, Sequence[str], Sequence[str]]], rows: Iterable[Row]) -> None:
        """Take rows in, and the points they are of: number, labels of the factors, changes.

        They are saved at once, or with what comes within the next quarter of a second.
        """
        if not self._waiting:
            self._db.execute("BEGIN IMMEDIATE")
            self._waiting = True
        self._db.executemany(
            "INSERT OR IGNORE INTO points VALUES (?, ?, ?)",
            (
                (point, _labels(labels), _changes(self.header.factors, labels, changes))
                for point, labels, changes in points
            ),
        )
        self._db.executemany(self._task, ((*row[:6], *row[6]) for row in rows))
        if time.monotonic() - self._saved > _BETWEEN:
            self.save()

    def save(self) -> None:
        """Put what was taken in on the disk."""
        if self._waiting:
            self._waiting = False
            if self._db.in_transaction:  # a full disk has ended it
                self._db.execute("COMMIT")
        self._saved = time.monotonic()

    def counts(self, points: int) -> dict[str, int]:
        """Tasks of the first points by status."""
        asked = "SELECT status, count(*) FROM tasks WHERE point < ? GROUP BY status"
        return dict(self._db.execute(asked, (points,)))

    def histories(self, replicas: int) -> Iterator[tuple[int, str, Value]]:
        """Point, status and the precise output of the first replicas of each point, in order."""
        yield from self._db.execute(
            f"SELECT point, status, {quoted(self.header.precise)} FROM tasks WHERE replica < ? ORDER BY point, replica",
            (replicas,),
        )


def _labels(labels: Sequence[str]) -> str:
    return f"[{','.join(map(_literal, labels))}]"


def _changes(factors: Sequence[str], labels: Sequence[str], changes: Sequence[str]) -> str | None:
    """The changes in JSON; None where factors and labels say it."""
    if list(changes) == [f"{factor}={label}" for factor, label in zip(factors, labels, strict=True)]:
        return None
    return json.dumps(list(changes), ensure_ascii=False)


def _check_whole(db: sqlite3.Connection) -> None:
    """Raise what _told() knows how to tell when a page of the file contradicts another."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        damage = sqlite3.DatabaseError(found)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


def _continued(db: sqlite3.Connection, there: Header, asked: Header, path: Path) -> Header:
    """The header to go on with: of a study that may have grown, and of the same version."""
    for key, words in _WHO.items():
        before, now = getattr(there, key), getattr(asked, key)
        if before != now:
            raise SimulatorError(
                f"{path}: filled by {words.format(before)}; this is {words.format(now)}, whose numbers may differ: "
                "choose another file with --out, or go on with what filled it"
            )
    before, now = asdict(there), asdict(asked)
    other = [key for key in before if key not in _MAY_GROW and before[key] != now[key]]
    if other:
        raise SimulatorError(f"{path}: holds another study: {', '.join(other)} differ; choose another file with --out")
    most = {key: max(before[key], now[key]) for key in ("points", "replicas")}
    grown = replace(asked, **most)
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "UPDATE study SET value = ? WHERE key = ?", [(json.dumps(getattr(grown, key)), key) for key in _MAY_GROW]
    )
    db.execute("COMMIT")
    return grown
