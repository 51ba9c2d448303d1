"""Who mends when: broken nodes queue for hands in the order in which they come to need them."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heapreplace

import numpy as np
from numpy.typing import NDArray

from simulator.engine.calendar import Timer
from simulator.engine.repair import Ask, Hands, Workshop

__all__ = ["Crews", "Served", "crews_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Served:
    """Nodes that need hands, in the order in which they come to need them. [s]"""

    broke: Floats  # those that were broken before the leap: at no time
    asked: Floats
    began: Floats
    hours: Floats
    pool: Ints


@dataclass(frozen=True, slots=True)
class Crews:
    """Hands at the beginning of a leap, and the broken nodes that still need some."""

    number: int | None  # None: as many as there is work for
    busy: tuple[float, ...]  # until when
    asked: Floats
    hours: Floats
    pool: Ints

    def serve(self, broke: Floats, asked: Floats, hours: Floats, pool: Ints) -> Served:
        """With further nodes: when each gets its hands."""
        broke = np.concatenate([np.full(len(self.asked), -np.inf), broke])
        asked, hours = np.concatenate([self.asked, asked]), np.concatenate([self.hours, hours])
        pool, order = np.concatenate([self.pool, pool]), np.argsort(asked, kind="stable")
        asked, hours = asked[order], hours[order]
        began = asked if self.number is None else self._in_turn(asked, hours)
        return Served(broke[order], asked, began, hours, pool[order])

    def _in_turn(self, asked: Floats, hours: Floats) -> Floats:
        assert self.number is not None, "nobody queues for hands without number"
        free = [*self.busy, *[0.0] * (self.number - len(self.busy))]
        heapify(free)
        began = []
        for since, needed in zip(asked.tolist(), hours.tolist(), strict=True):
            at = max(since, free[0])
            heapreplace(free, at + needed)
            began.append(at)
        return np.array(began)


def crews_of(workshop: Workshop, number: int | None, entries: list[tuple[float, Timer]]) -> Crews:
    """What workshop and calendar know of hands."""
    queue = workshop.queue()
    later = [(when, t.action.hours, t.action.done.pool) for when, t in entries if isinstance(t.action, Ask)]
    asked, hours, pool = np.array([*queue, *sorted(later)]).reshape(-1, 3).T
    busy = tuple(when for when, timer in entries if isinstance(timer.action, Hands))
    return Crews(number, busy, asked, hours, pool.astype(int))
