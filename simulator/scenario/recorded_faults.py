"""Recorded faults: a JSON list of fault starts and ends by server, read with the line of every entry."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from simulator.reliability.record import FaultRecord
from simulator.scenario.lines import Faults, lines, refuse
from simulator.units import DAY

__all__ = ["read_faults"]

_LARGEST = 64_000_000  # characters; two hundred thousand faults
_LATEST = 1e6  # days
_KINDS = ("fault_start", "fault_end")
_SHORTEST_CUT = 40  # characters of a value that a message shows
_BLANKS = re.compile(r"[ \t\r\n]+")
_KEYS = ("node_id", "event_time", "event_type", "fault_type")


def read_faults(path: Path, servers: int | None = None) -> FaultRecord:
    """The faults of a trace of the form StepFun published: entries in the order of time, each

        {"node_id": …, "event_time": days, "event_type": "fault_start" or "fault_end", "fault_type": {"Class": …}}

    An end belongs to the earliest open fault of the same server and type.  Zero is the record's time zero, its end the
    last entry.

    Parameters
    ----------
    servers
        All that were watched; default: those that failed.

    Raises
    ------
    ScenarioError
        Every fault up to the twentieth, each with its line.
    """
    try:
        state = path.stat()
        changed = (state.st_mtime_ns, state.st_size)
    except OSError:
        changed = (0, 0)  # and reading says why
    return _read(path, servers, changed)


@lru_cache(maxsize=8)
def _read(path: Path, servers: int | None, changed: tuple[int, int]) -> FaultRecord:
    """The file as it was then; what-ifs ask for it again and again."""
    faults, made = Faults(path), _Record()
    for line, entry in _entries(path):
        wrong = made.take(entry)
        if wrong:
            faults.add(line, *wrong)
    faults.raise_any()
    if not made.start:
        refuse(path, None, "", "expected at least one fault; got none")
    if servers is not None and servers < len(made.servers):
        message = f"expected at least the {len(made.servers):,} servers that fail in {path}; got {servers:,}"
        refuse(path, None, "failures.servers", message)
    return made.recorded(servers)


def _entries(path: Path) -> Iterator[tuple[int, Any]]:
    """Line and value of each item of the list."""
    text, decode = _text(path), json.JSONDecoder().raw_decode
    position, line, expected = 0, 1, "["
    while True:
        mark = _blank(text, position)
        line, position = line + text.count("\n", position, mark), mark
        found = text[position : position + 1]
        if found == "]" and expected != "[":
            return
        if expected and found != expected:
            shown = repr(text[position : position + _SHORTEST_CUT].split("\n")[0]) if found else "the end of the file"
            refuse(path, line, "", f"expected {expected!r} of a JSON list of fault events; got {shown}")
        if expected:
            expected, position = "", position + 1
            continue
        try:
            value, stop = decode(text, position)
        except (json.JSONDecodeError, RecursionError) as broken:
            at = line + text.count("\n", position, getattr(broken, "pos", position))
            refuse(path, at, "", f"expected JSON; got something else ({getattr(broken, 'msg', 'nested too deep')})")
        yield line, value
        line, position, expected = line + text.count("\n", position, stop), stop, ","


def _blank(text: str, position: int) -> int:
    """Where the blanks that begin at ``position`` end."""
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _text(path: Path) -> str:
    parts, size = [], 0
    for line in lines(path):
        size += len(line)
        if size > _LARGEST:
            refuse(path, None, "", f"expected at most {_LARGEST:,} characters; got more")
        parts.append(line)
    text = "".join(parts)
    if not text.strip():
        refuse(path, None, "", "expected a JSON list of fault events; got an empty file")
    return text


class _Record:
    """The faults while they are read."""

    def __init__(self) -> None:
        self.servers: dict[str, int] = {}
        self._causes: dict[str, int] = {}
        self.start: list[float] = []
        self._end: list[float] = []
        self._server: list[int] = []
        self._cause: list[int] = []
        self._open: dict[tuple[str, str], list[int]] = {}
        self._latest = 0.0

    def take(self, entry: Any) -> tuple[str, str] | None:
        """One more event; what is wrong with it: where, and what."""
        wrong = self._wrong(entry)
        if wrong is not None:
            return wrong
        node, time, kind, what = (entry[key] for key in _KEYS)
        waiting = self._open.setdefault((node, json.dumps(what, sort_keys=True)), [])
        if kind == "fault_end":
            if not waiting:
                return (
                    "event_type",
                    f"expected the start of this fault of {node[:_SHORTEST_CUT]} before its end; got none",
                )
            self._end[waiting.pop(0)] = time * DAY
        else:
            waiting.append(len(self.start))
            self.start.append(time * DAY)
            self._end.append(math.inf)
            self._server.append(self.servers.setdefault(node, len(self.servers)))
            self._cause.append(self._causes.setdefault(what["Class"], len(self._causes)))
        self._latest = float(time)
        return None

    def _wrong(self, entry: Any) -> tuple[str, str] | None:
        if not isinstance(entry, dict):
            return "", f"expected a mapping with {', '.join(_KEYS)}; got {_shown(entry)}"
        missing = next((key for key in _KEYS if key not in entry), None)
        if missing:
            return missing, f"expected a value; got an event with {', '.join(entry)[:200] or 'nothing'} only"
        node, time, kind, what = (entry[key] for key in _KEYS)
        named = isinstance(what, dict) and isinstance(what.get("Class"), str)
        checks = (
            (isinstance(node, str), "node_id", f"expected a name; got {_shown(node)}"),
            (_is_number(time), "event_time", f"expected days since the record began; got {_shown(time)}"),
            (kind in _KINDS, "event_type", f"expected fault_start or fault_end; got {_shown(kind)}"),
            (named, "fault_type", f"expected a mapping with the name of a Class; got {_shown(what)}"),
        )
        for sound, where, message in checks:
            if not sound:
                return where, message
        if time < self._latest:
            return "event_time", f"expected events in the order of time, {self._latest:g} or later; got {time:g}"
        return None

    def recorded(self, servers: int | None) -> FaultRecord:
        lasts = self._latest * DAY
        return FaultRecord(
            start=np.array(self.start),
            end=np.minimum(np.array(self._end), lasts),
            server=np.array(self._server, dtype=np.int64),
            cause=np.array(self._cause, dtype=np.int64),
            causes=tuple(self._causes),
            servers=servers or len(self.servers),
            lasts=lasts,
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LATEST


def _shown(value: Any) -> str:
    return repr(str(value)[:_SHORTEST_CUT])
