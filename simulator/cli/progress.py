"""How far a sweep is, for whoever waits: a bar for people, lines of JSON for programs; both on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.study.sweep import Progress

__all__ = ["Bar", "Lines"]

_EVERY = 1.0  # s


def _write(line: str) -> None:
    """A line from within a signal's handler, which may have interrupted a print."""
    os.write(2, f"{line}\n".encode())


class Bar:
    """A bar with rate, time left and failures, once a second has passed and somebody is there to see it."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        return self

    def __call__(self, progress: Progress) -> None:
        """So far have we come."""
        if not self._shown or (self._bar is None and progress.took < _EVERY):
            return
        if self._bar is None:
            self._start()
        failed = f" · {progress.failed:,} failed" if progress.failed else ""
        left = "" if progress.left is None else f" · {time.strftime('%H:%M:%S', time.gmtime(progress.left))} left"
        days = "" if (progress.left or 0) < 86400 else f" · {progress.left / 86400:,.1f} d left"  # type: ignore[operator]
        told = f"{progress.rate:,.3g} tasks/s{days or left}{failed}"
        self._bar.update(self._task, completed=progress.before + progress.done, total=progress.total, told=told)

    def stopping(self) -> None:
        """Somebody has asked it to end."""
        _write("finishing what is under way; Ctrl-C again stops at once")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None, told="")
        self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


class Lines:
    """One JSON object a line: at the beginning, at most once a second, and at the end."""

    def __init__(self) -> None:
        self._last: Progress | None = None
        self._said = 0.0

    def __enter__(self) -> Lines:
        return self

    def __call__(self, progress: Progress) -> None:
        """So far have we come."""
        if self._last is None or time.monotonic() - self._said > _EVERY:
            self._say("begin" if self._last is None else "progress", progress)
        self._last = progress

    def stopping(self) -> None:
        """Somebody has asked it to end."""
        _write(json.dumps({"event": "stopping"}))

    def _say(self, event: str, progress: Progress) -> None:
        self._said = time.monotonic()
        line = {
            "event": event,
            "total": progress.total,
            "before": progress.before,
            "done": progress.done,
            "failed": progress.failed,
            "took_s": round(progress.took, 3),
            "rate_per_s": round(progress.rate, 3),
            "left_s": None if progress.left is None else round(progress.left, 1),
        }
        print(json.dumps(line), file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._last is not None:
            self._say("end", self._last)
