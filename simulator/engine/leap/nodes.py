"""How many nodes are broken at each moment of a leap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.cluster import Cluster
from simulator.engine.leap.crews import Crews, Served
from simulator.engine.leap.strikes import Strikes

__all__ = ["Broken", "Settled", "idle_on", "settle"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_ROUNDS = 100


class Broken:
    """Nodes of one pool that go and come, and how many are away in between."""

    def __init__(self, now: int, gone: Floats, back: Floats) -> None:
        self.now, self.gone, self.back = now, np.sort(gone), np.sort(back)

    def before(self, moments: Floats) -> Ints:
        """Broken just before each moment."""
        gone = np.searchsorted(self.gone, moments)
        return self.now + gone - np.searchsorted(self.back, moments, side="right")

    def after(self, moments: Floats) -> Ints:
        """Broken just after each moment."""
        gone = np.searchsorted(self.gone, moments, side="right")
        return self.now + gone - np.searchsorted(self.back, moments, side="right")


@dataclass(frozen=True, slots=True)
class Settled:
    """What the strikes of a leap do to the nodes."""

    out: Flags  # whether a strike takes a node out
    broken: list[Broken]  # by pool
    served: Served | None  # those that need hands; None: no repair does


def settle(cluster: Cluster, strikes: Strikes, due: list[Floats], crews: Crews | None) -> Settled | None:
    """Which strikes take a node out, and what is broken by pool; None if that cannot be made out.

    A strike on an idle node is for nothing if the node is broken already or switched off, which depends on the strikes
    before.  Taking all for real finds too many broken and so too few that are struck, which finds too few broken: the
    truth lies between, and each round is right for at least one strike more than the last.

    Parameters
    ----------
    due
        Returns of the nodes that are broken now, by pool, without those that still need hands.
    """
    own, lost = strikes.beyond < 0, np.isfinite(strikes.back)
    counts, (when, where, until) = lost.copy(), strikes.examined
    doubtful = np.flatnonzero(lost & ~own)
    times, pools, beyond = strikes.time[doubtful], strikes.pool[doubtful], strikes.beyond[doubtful]
    back, mended, served = strikes.back, due, None
    for _ in range(_ROUNDS):
        if crews is not None:
            needing = np.flatnonzero(counts & (strikes.hours > 0))
            asked, hours = strikes.back[needing], strikes.hours[needing]
            served = crews.serve(strikes.time[needing], asked, hours, strikes.pool[needing])
            back = strikes.back.copy()
            back[needing] = math.inf  # these are among the served
            over = served.began + served.hours
            mended = [np.concatenate([one, over[served.pool == pool]]) for pool, one in enumerate(due)]
        broken = []
        for pool, now in enumerate(cluster.broken):
            here, there = counts & (strikes.pool == pool), where == pool
            gone = np.concatenate([strikes.time[here], when[there]])
            broken.append(Broken(now, gone, np.concatenate([mended[pool], back[here], until[there]])))
        healthy = idle_on(cluster, [one.before(times) for one in broken])
        found = beyond < np.array(healthy)[pools, np.arange(len(pools))]
        if np.array_equal(found, counts[doubtful]):
            return Settled(counts, broken, served)
        counts[doubtful] = found
    return None


def idle_on(cluster: Cluster, broken: list[Ints]) -> list[Ints]:
    """:meth:`Cluster.idle_on` at many moments, the job's nodes all replaced."""
    idle = [n - w - b for n, w, b in zip(cluster.installed, cluster.working, broken, strict=True)]
    left, at_most = cluster.left_for_idle()
    if left >= at_most:
        return idle
    watts: Any = left
    for index, pool in enumerate(cluster.pools):
        if pool.idle_power > 0:
            fed = np.maximum(0, np.floor(watts / pool.idle_power)).astype(int)
            idle[index] = np.where(idle[index] * pool.idle_power > watts, fed, idle[index])
        watts = watts - idle[index] * pool.idle_power
    return idle
