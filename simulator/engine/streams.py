"""Random numbers, one stream per purpose."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from operator import length_hint

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stream"]

_FIRST, _MOST = 32, 1024  # numbers drawn at once: a draw by itself costs ten times as much


class Stream:
    """The random numbers of one purpose, e.g. ``Stream(seed, "arrivals of HBM faults")``.

    Each purpose draws from a generator of its own, so one process more moves nobody's draws and two plans with the same
    seed meet the same weather.  Draws invert the uniform here rather than call NumPy's distributions, whose output may
    change between versions (NEP 19).
    """

    __slots__ = ("_block", "_drawn", "_given", "_made", "_random", "_seed")

    def __init__(self, seed: int, purpose: str) -> None:
        self._seed = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),))
        self._random: np.random.Generator | None = None
        self._made = np.empty(0)  # those of ``_drawn`` are its last, once ``_given``; else all are still to come
        self._given = True
        self._drawn: Iterator[float] = iter(())
        self._block = _FIRST

    def uniform(self) -> float:
        """The next number, uniform in [0, 1)."""
        for number in self._drawn:
            return number
        if self._given or not len(self._made):
            self._made = self._more(self._block)
            self._block = min(2 * self._block, _MOST)
        self._given, self._drawn = True, iter(self._made.tolist())
        return next(self._drawn)

    def exponential(self, mean: float) -> float:
        """The next exponential number with this mean."""
        return -mean * math.log1p(-self.uniform())

    def ahead(self, count: int) -> NDArray[np.float64]:
        """The next ``count`` numbers, which are still to come."""
        if self._given:
            self._made = self._made[len(self._made) - length_hint(self._drawn) :]
            self._given, self._drawn = False, iter(())
        if len(self._made) < count:
            self._made = np.concatenate([self._made, self._more(max(count - len(self._made), self._block))])
        return self._made[:count]

    def skip(self, count: int) -> None:
        """Pass so many numbers."""
        self.ahead(count)
        self._made = self._made[count:]

    def _more(self, count: int) -> NDArray[np.float64]:
        if self._random is None:  # a purpose that never comes up costs nothing
            self._random = np.random.default_rng(self._seed)
        return self._random.random(count)
