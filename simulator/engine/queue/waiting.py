"""The jobs that wait, and the first of them that may start out of turn."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["Waiting"]

_NOBODY = 2**62


class Waiting:
    """Waiting jobs by their place in the queue; the first that fits is found in O(log n).

    One segment tree per power of two of sizes holds the smallest size and the shortest need below each vertex.  Sizes
    of one tree differ by less than a factor of two, so that a vertex hardly ever promises a job that is both small
    enough and short enough when it only has one of each.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        members: dict[int, list[int]] = {}
        self._tree_of, self._leaf_of = [0] * len(sizes), [0] * len(sizes)
        for job, size in enumerate(sizes):
            kin = members.setdefault(size.bit_length(), [])
            self._tree_of[job], self._leaf_of[job] = size.bit_length(), len(kin)
            kin.append(job)
        self._trees = {kind: _Tree(kin) for kind, kin in members.items()}

    def add(self, job: int, size: int, need: float) -> None:
        """A job waits that needs ``size`` accelerators for ``need`` seconds."""
        self._trees[self._tree_of[job]].put(self._leaf_of[job], size, need)

    def remove(self, job: int) -> None:
        """It waits no more."""
        self._trees[self._tree_of[job]].put(self._leaf_of[job], _NOBODY, math.inf)

    @property
    def smallest(self) -> int:
        """Size of the smallest waiting job."""
        return min([tree.sizes[1] for tree in self._trees.values()])

    def first(self, free: int, *, slack: float, spare: int) -> int | None:
        """The first job in the queue that is at most ``free`` large, and either ends within ``slack`` or is at most
        ``spare`` large.
        """
        found: int | None = None
        for tree in self._trees.values():
            job = tree.first(free, slack, spare)
            if job is not None and (found is None or job < found):
                found = job
        return found


class _Tree:
    """Smallest size and shortest need of the jobs below each vertex; vertex i has 2i and 2i + 1 below it."""

    __slots__ = ("_jobs", "_leaves", "_needs", "sizes")

    def __init__(self, jobs: list[int]) -> None:
        self._jobs, self._leaves = jobs, 1 << max(1, (len(jobs) - 1).bit_length())
        self.sizes = [_NOBODY] * (2 * self._leaves)
        self._needs = [math.inf] * (2 * self._leaves)

    def put(self, leaf: int, size: int, need: float) -> None:
        sizes, needs, vertex = self.sizes, self._needs, self._leaves + leaf
        sizes[vertex], needs[vertex] = size, need
        while vertex > 1:
            beside = vertex ^ 1
            if sizes[beside] < size:  # noqa: PLR1730 - min() takes three times as long
                size = sizes[beside]
            if needs[beside] < need:  # noqa: PLR1730
                need = needs[beside]
            vertex >>= 1
            if sizes[vertex] == size and needs[vertex] == need:
                return
            sizes[vertex], needs[vertex] = size, need

    def first(self, free: int, slack: float, spare: int) -> int | None:
        sizes, needs = self.sizes, self._needs
        open_ = [1]
        while open_:
            vertex = open_.pop()
            smallest = sizes[vertex]
            if smallest > free or (smallest > spare and needs[vertex] > slack):
                continue
            if vertex >= self._leaves:
                return self._jobs[vertex - self._leaves]
            open_ += (2 * vertex + 1, 2 * vertex)
        return None
