"""Random numbers, one stream per purpose."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

import numpy as np

__all__ = ["Stream"]

_FIRST, _MOST = 32, 1024  # numbers drawn at once: a draw by itself costs ten times as much


class Stream:
    """The random numbers of one purpose, e.g. ``Stream(seed, "arrivals of HBM faults")``.

    Each purpose draws from a generator of its own, so one process more moves nobody's draws and two plans with the same
    seed meet the same weather.  Draws invert the uniform here rather than call NumPy's distributions, whose output may
    change between versions (NEP 19).
    """

    __slots__ = ("_block", "_drawn", "_random", "_seed")

    def __init__(self, seed: int, purpose: str) -> None:
        self._seed = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),))
        self._random: np.random.Generator | None = None
        self._drawn: Iterator[float] = iter(())
        self._block = _FIRST

    def uniform(self) -> float:
        """The next number, uniform in [0, 1)."""
        for number in self._drawn:
            return number
        if self._random is None:  # a purpose that never comes up costs nothing
            self._random = np.random.default_rng(self._seed)
        self._drawn = iter(self._random.random(self._block).tolist())
        self._block = min(2 * self._block, _MOST)
        return next(self._drawn)

    def exponential(self, mean: float) -> float:
        """The next exponential number with this mean."""
        return -mean * math.log1p(-self.uniform())
