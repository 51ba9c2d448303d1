"""What can still be read of a damaged store, in a new one beside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from simulator.errors import SimulatorError
from simulator.study.tables import connect, header, make

__all__ = ["salvage"]

Rows = Iterator[tuple[object, ...]]


def salvage(path: Path) -> str:
    """Copy the rows that can be read to ``NAME-saved.db`` and say how many they are."""
    try:
        with closing(connect(path, "ro")) as db:
            asked = header(db, path)
            found = list(_rows(db, "points", 0, asked.points)), list(_rows(db, "tasks", 0, asked.points))
    except (sqlite3.Error, SimulatorError, ValueError, TypeError):
        return "what study it holds cannot be read, so nothing was saved"
    known = {row[0] for row in found[0]}
    tasks = [row for row in found[1] if row[0] in known]
    beside = _free(path)
    with closing(connect(beside, "rwc")) as db:
        make(db, asked)
        db.execute("BEGIN")
        for table, rows in (("points", found[0]), ("tasks", tasks)):
            if rows:
                db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        db.execute("COMMIT")
    return (
        f"{len(tasks):,} of at most {asked.asked:,} tasks can be read and are saved in {beside}: "
        "sweep with --out of that name to go on from there"
    )


def _rows(db: sqlite3.Connection, table: str, first: int, last: int, key: str = "point", within: str = "") -> Rows:
    """Rows whose key is from ``first`` to before ``last``; where those cannot be read, of each half of them."""
    with suppress(sqlite3.DatabaseError):
        sql = f"SELECT * FROM {table} WHERE {within}{key} >= ? AND {key} < ?"
        yield from db.execute(sql, (first, last)).fetchall()
        return
    if last - first > 1:
        middle = (first + last) // 2
        yield from _rows(db, table, first, middle, key, within)
        yield from _rows(db, table, middle, last, key, within)
    elif table == "tasks" and not within:
        with suppress(sqlite3.DatabaseError, TypeError):
            most = json.loads(db.execute("SELECT value FROM study WHERE key = 'replicas'").fetchone()[0])
            yield from _rows(db, table, 0, most, "replica", f"point = {first} AND ")


def _free(path: Path) -> Path:
    """A name that is not taken."""
    number = 1
    while (beside := path.with_stem(f"{path.stem}-saved{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    return beside
