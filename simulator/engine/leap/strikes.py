"""Strikes of the time ahead: when, whom and for how long, from the numbers that the engine would draw one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.engine.cluster import Cluster
from simulator.engine.hazards import Clock, Hazards
from simulator.engine.repair import Workshop
from simulator.engine.streams import Stream
from simulator.plan.model import Domain, Repair

__all__ = ["Coming", "Strikes", "come", "foresee"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coming:
    """All strikes of one cause or domain in the time ahead."""

    times: Floats
    dues: Floats  # the readings of its clock at which they come, and at least one more

    def before(self, moment: float) -> int:
        """Strikes until then."""
        return int(np.searchsorted(self.times, moment, side="right"))


@dataclass(frozen=True, slots=True)
class Strikes:
    """Those that do something, in the order of time: they hit the job, or take an idle node out if it is healthy."""

    time: Floats
    member: Ints
    pool: Ints
    beyond: Floats  # which node that the job does not hold, healthy ones first; below zero: one of the job's
    back: Floats  # when the node is back, or comes to need hands; infinite: it was never lost
    hours: Floats  # of hands
    examined: tuple[Floats, Ints, Floats]  # strike, pool and return of each node that the job loses on suspicion
    end: float  # the first strike that has consequences of another kind

    def __len__(self) -> int:
        return len(self.time)


def come(clock: Clock, first: float, rate: float, numbers: Stream, until: float) -> Coming:
    """A member's strikes before ``until``."""
    end = clock.reading + clock.rate * (until - clock.moment)
    if first > end:
        return Coming(np.empty(0), np.array([first]))
    expected = (end - first) * rate
    count = int(expected + 4 * math.sqrt(expected)) + 8
    dues = np.array([first])
    while dues[-1] <= end:
        gaps = _exponentials(numbers.ahead(count)) / rate
        dues = np.cumsum(np.concatenate([[first], gaps]))
        count *= 2
    times = clock.moment + (dues - clock.reading) / clock.rate
    return Coming(times[: int(np.searchsorted(times, until))], dues)


def foresee(
    hazards: Hazards, cluster: Cluster, workshop: Workshop, repairs: tuple[Repair, ...], coming: dict[int, Coming]
) -> Strikes:
    """Whom the coming strikes hit, and when the nodes they take out are back."""
    held, parts, examined, end = np.array(cluster.held[0]), [], [], math.inf
    for index, those in coming.items():
        member, count = hazards.members[index], len(those.times)
        if not count:
            continue
        if isinstance(member, Domain):
            failing = those.times[(those.times >= member.begin) & (those.times < member.end)]
            end = min([end, *failing[:1].tolist()])
            continue
        if member.per_job:
            nowhere = np.zeros(count, int), np.full(count, -1.0), np.full(count, math.inf), np.zeros(count)
            parts.append((those.times, *nowhere, index))
            continue
        share, chance = hazards.victims[index].ahead(2 * count).reshape(count, 2).T
        pool, node = _places(cluster, share)
        beyond, lost = node - held[pool], chance < member.node_lost
        chosen = np.flatnonzero((beyond < 0) | lost)
        time, pool, beyond, lost = those.times[chosen], pool[chosen], beyond[chosen], lost[chosen]
        back, hours = np.full(len(chosen), math.inf), np.zeros(len(chosen))
        if member.node_lost:
            width = workshop.numbers_of(member)
            numbers = hazards.repairs[index].ahead(width * count).reshape(count, width)[chosen[lost]]
            band = _band(repairs, numbers[:, 0])
            back[lost] = time[lost] + _scaled([one.mean - one.hands for one in repairs], band, numbers[:, 1])
            by_hand = width - 1 - member.evicted
            if by_hand:
                hours[lost] = _scaled([one.hands for one in repairs], band, numbers[:, 2])
            if member.evicted > 1:
                few = time[lost & (beyond < 0) & (held[pool] < member.evicted)]
                end = min([end, *few[:1].tolist()])
                examined.append(_examined(repairs, time[lost], pool[lost], beyond[lost], numbers[:, 2 + by_hand :]))
        if member.latency or member.speed < 1:
            end = min([end, *time[beyond < 0][:1].tolist()])
        parts.append((time, pool, beyond, back, hours, index))
    return _in_order(parts, examined, end)


def _in_order(
    parts: list[tuple[Floats, Ints, Floats, Floats, Floats, int]],
    examined: list[tuple[Floats, Ints, Floats]],
    end: float,
) -> Strikes:
    none = (np.empty(0), np.empty(0, int), np.empty(0))
    if not parts:
        return Strikes(none[0], none[1], none[1], none[0], none[0], none[0], none, end)
    time = np.concatenate([part[0] for part in parts])
    order = np.argsort(time, kind="stable")
    member = np.repeat([part[5] for part in parts], [len(part[0]) for part in parts])
    pool, beyond, back, hours = (np.concatenate([part[column] for part in parts])[order] for column in (1, 2, 3, 4))
    on_suspicion = tuple(map(np.concatenate, zip(*examined, strict=True))) if examined else none
    return Strikes(time[order], member[order], pool, beyond, back, hours, on_suspicion, end)  # type: ignore[arg-type]


def _places(cluster: Cluster, share: Floats) -> tuple[Ints, Floats]:
    """Pool and node at such shares of all failure weight, as :meth:`Cluster.victim` counts them."""
    weights = [n * pool.failure_weight for n, pool in zip(cluster.installed, cluster.pools, strict=True)]
    bounds = np.cumsum(weights)
    position = share * cluster.exposure
    pool = np.minimum(np.searchsorted(bounds, position, side="right"), len(weights) - 1)
    each = np.array([one.failure_weight for one in cluster.pools])
    return pool, (position - (bounds - weights)[pool]) / each[pool]


def _band(repairs: tuple[Repair, ...], share: Floats) -> Ints:
    """Ways back, by :meth:`Workshop.prepare`."""
    bounds = np.cumsum([band.share for band in repairs])
    return np.minimum(np.searchsorted(bounds, share, side="right"), len(repairs) - 1)


def _scaled(means: list[float], band: Ints, number: Floats) -> Floats:
    mean: Floats = np.array(means)[band]
    return mean * _exponentials(number)


def _examined(
    repairs: tuple[Repair, ...], time: Floats, pool: Ints, beyond: Floats, numbers: Floats
) -> tuple[Floats, Ints, Floats]:
    own = beyond < 0
    each = numbers.shape[1]
    strike = np.repeat(time[own], each)
    return strike, np.repeat(pool[own], each), strike + repairs[0].mean * _exponentials(numbers[own].ravel())


def _exponentials(uniform: Floats) -> Floats:
    """Of mean one; by the same function as one by one, for NumPy's own differs between processors in the last bit."""
    drawn: Iterable[float] = map(math.log1p, (-uniform).tolist())
    return -np.fromiter(drawn, float, len(uniform))
