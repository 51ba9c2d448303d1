"""Tasks in chunks that are worth sending, and what is under way."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

from simulator.study.task import Outcome, Task

__all__ = ["Feed"]

_CHUNK = 0.5  # s of work; sending one costs some 5 ms, whatever the engine
# s of work for each worker, lest a thousand of them ask one coordinator more often than it can answer
_SHARE = 0.01
_POINT = 5.0  # s; replicas of a point that take less stay together, since each worker has to plan the point anew
_MOST = 50_000  # tasks under way, each of which the coordinator has to remember
_BACKLOG = 4  # chunks for each worker that are under way or wait to be kept
_GROWTH = 4  # of a chunk over the one before, lest one quick task promise too much


class Feed:
    """An iterator of numbered chunks for an engine, which may ask from any thread, one at a time."""

    def __init__(self, tasks: Iterator[Task], left: int, *, workers: int, replicas: int) -> None:
        self._tasks, self._left = tasks, left
        self._workers, self._replicas = workers, replicas
        self._again: deque[list[Task]] = deque()
        self._suspected: set[int] = set()
        self._worth = max(_CHUNK, _SHARE * workers)
        self._numbered = 0
        self._size = 1
        self._exhausted = False
        self._mean: float | None = None  # of a task [s]
        self.under_way: dict[int, list[Task]] = {}
        self.stopped = False

    @property
    def more(self) -> bool:
        """Whether there is a chunk to ask for: it also ends for a while when results come faster than they are kept."""
        return not self.stopped and (bool(self._again) or not self._exhausted)

    def __iter__(self) -> Iterator[tuple[int, list[Task]]]:
        return self

    def __next__(self) -> tuple[int, list[Task]]:
        if self.stopped or len(self.under_way) > _BACKLOG * self._workers:
            raise StopIteration
        chunk = self._again.popleft() if self._again else self._next()
        if not chunk:
            self._exhausted = True
            raise StopIteration
        number, self._numbered = self._numbered, self._numbered + 1
        self.under_way[number] = chunk
        return number, chunk

    def _next(self) -> list[Task]:
        size = max(1, min(self._size, _MOST // (2 * self._workers), self._left // (4 * self._workers)))
        if self._replicas > 1 and (self._mean or math.inf) * self._replicas < _POINT:
            whole = -(-size // self._replicas) * self._replicas
            size = whole if self._left >= 4 * self._workers * whole else size
        chunk = []
        for task in self._tasks:
            chunk.append(task)
            if len(chunk) == size:
                break
        self._left -= len(chunk)
        return chunk

    def done(self, number: int, outcomes: Sequence[Outcome]) -> list[Task]:
        """A chunk has come back: its tasks, and how large the next should be."""
        mean = sum(outcome.took for outcome in outcomes) / len(outcomes)
        # the first task pays for what is loaded once, and says nothing of the others
        self._mean = mean if self._mean is None or number < 2 else 0.7 * self._mean + 0.3 * mean
        self._size = max(1, min(self._size * _GROWTH, int(self._worth / max(self._mean, 1e-9))))
        return self.under_way.pop(number)

    @property
    def left_s(self) -> float | None:
        """What a single worker would still need, about. [s]"""
        return None if self._mean is None else self._mean * (self._left + sum(map(len, self.under_way.values())))

    def broken(self) -> list[Task]:
        """A worker has died, and nobody knows of which chunk.

        What was under way is asked for again, task by task; a task that has seen two workers die is given back, to be
        tried alone.
        """
        alone = []
        for chunk in self.under_way.values():
            for task in chunk:
                if task.number in self._suspected:
                    alone.append(task)
                else:
                    self._suspected.add(task.number)
                    self._again.append([task])
        self.under_way.clear()
        return alone
