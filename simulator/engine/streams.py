"""Random numbers, one stream per purpose."""

from __future__ import annotations

import math
import zlib

import numpy as np

__all__ = ["Stream"]


class Stream:
    """The random numbers of one purpose, e.g. ``Stream(seed, "arrivals of HBM faults")``.

    Each purpose draws from a generator of its own, so one process more moves nobody's draws and two plans with the same
    seed meet the same weather.  Draws invert the uniform here rather than call NumPy's distributions, whose output may
    change between versions (NEP 19).
    """

    __slots__ = ("uniform",)

    def __init__(self, seed: int, purpose: str) -> None:
        key = zlib.crc32(purpose.encode())
        #: The next number, uniform in [0, 1).
        self.uniform = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,))).random

    def exponential(self, mean: float) -> float:
        """The next exponential number with this mean."""
        return -mean * math.log1p(-self.uniform())
