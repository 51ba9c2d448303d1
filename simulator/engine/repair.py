"""Repair: where broken nodes go, and when they come back."""

from __future__ import annotations

import simpy

from simulator.engine.cluster import Cluster
from simulator.engine.record import Record
from simulator.engine.streams import Stream
from simulator.plan.model import Plan, Repair

__all__ = ["Workshop"]


class Workshop:
    """Mends any number of nodes at once, each in a time from the plan's mixture of exponentials."""

    def __init__(self, env: simpy.Environment, plan: Plan, cluster: Cluster, record: Record, seed: int) -> None:
        self._env, self._plan, self._cluster, self._record = env, plan, cluster, record
        self._bands, self._times = Stream(seed, "repair bands"), Stream(seed, "repair times")

    def take(self, pool: int) -> None:
        """A node comes in."""
        band = self._band(self._bands.uniform())
        # A timeout with a callback: a process per repair would cost five times as much.
        back = self._env.timeout(self._times.exponential(band.mean))
        back.callbacks.append(lambda _: self._give_back(pool, band))

    def _band(self, share: float) -> Repair:
        for band in self._plan.repairs:
            share -= band.share
            if share < 0:
                return band
        return self._plan.repairs[-1]  # shares that add up to one but for rounding

    def _give_back(self, pool: int, band: Repair) -> None:
        self._cluster.mend(pool)
        self._record.event(self._env.now, "repair", "", f"{self._plan.pools[pool].name}: {band.name}")
        self._cluster.changed()
