"""What happens next: one order, kept by SimPy for a told story and by a bare heap for a thousand."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, ClassVar, Protocol

import simpy

from simulator.errors import SimulatorError

__all__ = ["Calendar", "HeapCalendar", "SimpyCalendar", "Timer"]

_STUCK = 1_000_000  # entries at one moment; a cluster of ten million nodes that all arrive at once has a few hundred


class Timer:
    """An entry of the calendar; an entry that was cancelled passes without effect."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget it."""
        self.action = None

    def ring(self) -> None:
        """Its moment has come."""
        if self.action is not None:
            self.action()


class Calendar(Protocol):
    """The transitions of the engine are written once and know no more of a calendar than this.

    Entries of one moment are called in the order in which they were made.
    """

    @property
    def now(self) -> float:
        """Seconds since the start."""

    def after(self, delay: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` so many seconds from now."""

    def peek(self) -> float:
        """When the next entry is due; infinite when there is none. [s]"""

    def step(self) -> None:
        """Go there and call it."""


class _Progress:
    """Refuses to call entries of one moment for ever: a rule of ours would then feed itself."""

    __slots__ = ("_entries", "_moment")

    def __init__(self) -> None:
        self._moment, self._entries = -1.0, 0

    def check(self, now: float) -> None:
        """Another entry of a moment at which there was one."""
        if now > self._moment:
            self._moment, self._entries = now, 0
        self._entries += 1
        if self._entries > _STUCK:
            raise SimulatorError(f"simulated time stands still at {now:,.6g} s: please report the scenario")


class HeapCalendar:
    """The calendar of ensembles."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Timer]] = []
        self._made = 0
        self._progress = _Progress()

    def after(self, delay: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` so many seconds from now."""
        timer = Timer(action)
        self._made += 1
        heappush(self._heap, (self.now + delay, self._made, timer))
        return timer

    def peek(self) -> float:
        """When the next entry is due. [s]"""
        while self._heap and self._heap[0][2].action is None:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def entries(self) -> list[tuple[float, Timer]]:
        """All that is still due, in no order."""
        return [(moment, timer) for moment, _, timer in self._heap if timer.action is not None]

    def skip_to(self, moment: float) -> None:
        """Go there; nothing is due before. [s]"""
        self.now = moment

    def step(self) -> None:
        """Go there and call it."""
        moment, _, timer = heappop(self._heap)
        if moment == self.now:
            self._progress.check(moment)
        self.now = moment
        timer.ring()


class _Timeout(simpy.Timeout, Timer):
    """An entry as SimPy has it.  All share one list of callbacks, for SimPy drops it and never changes it."""

    _RING: ClassVar[list[Any]] = [Timer.ring]

    def __init__(self, env: simpy.Environment, delay: float, action: Callable[[], None]) -> None:
        super().__init__(env, delay)
        self.action = action
        self.callbacks = self._RING


class SimpyCalendar:
    """The calendar of the told story: an entry is a SimPy timeout with a callback."""

    def __init__(self) -> None:
        self.now = 0.0
        self.env = simpy.Environment(0.0)
        self._progress = _Progress()

    def after(self, delay: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` so many seconds from now."""
        return _Timeout(self.env, delay, action)

    def peek(self) -> float:
        """When the next entry is due. [s]"""
        due: float = self.env.peek()
        return due

    def step(self) -> None:
        """Go there and call it."""
        moment = self.env.peek()
        if moment == self.now:
            self._progress.check(moment)
        self.now = moment
        self.env.step()
