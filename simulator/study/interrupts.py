"""Ctrl-C is for the process that was asked: its workers, which a terminal tells as well, end with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

__all__ = ["deaf", "unheard"]


def deaf() -> None:
    """A worker hears no Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def unheard() -> Iterator[None]:
    """Workers that start meanwhile hear none either, from their first moment on; here none is lost.

    They inherit the mask of signals of the thread that starts them, and would else be told while they still import.
    """
    if sys.platform == "win32":  # which has no such masks
        yield
        return
    resource_tracker.ensure_running()  # both pools start it, and in starting it would take the mask off (Python 3.11)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
