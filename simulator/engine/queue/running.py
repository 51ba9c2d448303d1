"""The jobs that run, in the order of a time: when they promise to end, or how lately they began."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

__all__ = ["Running"]

_LONGEST = 1000  # entries of a block: inserting moves at most so many, and a walk passes n / 1000 blocks


class Running:
    """Running jobs sorted by a time of theirs, in blocks that know how many accelerators they hold.

    Adding, removing and asking cost O(√n) steps of the fast kind (moves in memory, sums of integers).
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes  # by job
        self._blocks: list[list[tuple[float, int]]] = []
        self._lasts: list[tuple[float, int]] = []
        self._sums: list[int] = []

    @property
    def last(self) -> int | None:
        """The job of the latest time."""
        return self._lasts[-1][1] if self._lasts else None

    def add(self, time: float, job: int) -> None:
        """A job runs from now on."""
        entry = (time, job)
        if not self._blocks:
            self._blocks, self._lasts, self._sums = [[entry]], [entry], [self._sizes[job]]
            return
        at = min(bisect_left(self._lasts, entry), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, entry)
        self._lasts[at] = block[-1]
        self._sums[at] += self._sizes[job]
        if len(block) > _LONGEST:
            half = len(block) // 2
            upper = block[half:]
            del block[half:]
            moved = sum(self._sizes[job] for _, job in upper)
            self._sums[at] -= moved
            self._lasts[at] = block[-1]
            self._blocks.insert(at + 1, upper)
            self._lasts.insert(at + 1, upper[-1])
            self._sums.insert(at + 1, moved)

    def remove(self, time: float, job: int) -> None:
        """It does so no more."""
        entry = (time, job)
        at = bisect_left(self._lasts, entry)
        block = self._blocks[at]
        del block[bisect_left(block, entry)]
        if block:
            self._lasts[at] = block[-1]
            self._sums[at] -= self._sizes[job]
        else:
            del self._blocks[at], self._lasts[at], self._sums[at]

    def reach(self, need: int) -> tuple[float, int]:
        """The earliest time up to which jobs hold ``need`` accelerators, and how many they hold; infinity and all
        if no time is late enough.
        """
        total, found = 0, math.inf
        for block, held in zip(self._blocks, self._sums, strict=True):
            if total + held < need or block[-1][0] <= found < math.inf:
                total += held
                continue
            for time, job in block:
                if time > found:
                    return found, total
                total += self._sizes[job]
                if total >= need:
                    found = min(found, time)
        return found, total

    def between(self, low: int, high: int) -> Iterator[int]:
        """Jobs that hold the accelerators from ``low`` to ``high`` when all that are in use are counted through."""
        position = 0
        for block, held in zip(self._blocks, self._sums, strict=True):
            if position + held <= low:
                position += held
                continue
            for _, job in block:
                if position >= high:
                    return
                position += self._sizes[job]
                if position > low:
                    yield job
