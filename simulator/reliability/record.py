"""Recorded faults of a fleet: which server was down from when to when, and what that says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.units import DAY

__all__ = ["FaultRecord", "FaultStatistics", "Stay", "servers_down", "statistics", "stays"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FaultRecord:
    """Faults in the order of their starts, one array per property; times in seconds from the record's beginning.

    A fault without an end lasts until the record's.  Faults of one server may overlap: it is down while any lasts.
    """

    start: Floats
    end: Floats
    server: Integers  # 0 … servers − 1, in the order in which they first fail
    cause: Integers  # index into ``causes``
    causes: tuple[str, ...]
    servers: int  # those that never failed included
    lasts: float  # [s]


class Stay(NamedTuple):
    """A time that a server is down, and what took it down. [s]"""

    start: float
    end: float
    server: int
    cause: int


@dataclass(frozen=True, slots=True)
class FaultStatistics:
    """A record in a dozen numbers.  Shares of servers are over the record's whole time."""

    faults: int
    servers: int
    days: float
    per_thousand_node_days: float
    down_mean: float
    down_p90: float  # time-weighted: for a tenth of the time more are down
    down_p99: float
    down_most: float
    repair_mean: float  # [s]
    repair_median: float  # [s]
    dispersion: float  # variance over mean of the number of faults of a server; 1 if all servers are alike
    refail_7d: float  # share of the faults that are followed by another one of the same server within 7 days
    never_failed: int


def servers_down(record: FaultRecord) -> tuple[Floats, Integers]:
    """Moments, the first one 0, and the servers that are down from each of them until the next.

    A server with several faults at once is down once; a fault that ends at the moment at which another begins makes
    one stay of both.
    """
    down = stays(record)
    times = np.array([stay.start for stay in down] + [stay.end for stay in down])
    change = np.repeat((1, -1), len(down))
    moments, where = np.unique(np.concatenate([[0.0], times]), return_inverse=True)
    count = np.bincount(where[1:], weights=change, minlength=len(moments)).cumsum()
    return moments, np.rint(count).astype(np.int64)


def stays(record: FaultRecord) -> tuple[Stay, ...]:
    """The union of each server's faults, in the order of time."""
    found: list[Stay] = []
    for fault in np.lexsort((record.end, record.start, record.server)).tolist():
        server, start, end = int(record.server[fault]), float(record.start[fault]), float(record.end[fault])
        if found and found[-1].server == server and start <= found[-1].end:
            before = found.pop()
            found.append(Stay(before.start, max(before.end, end), server, before.cause))
        else:
            found.append(Stay(start, end, server, int(record.cause[fault])))
    return tuple(sorted(found))


def statistics(record: FaultRecord) -> FaultStatistics:
    """What a record says.

    The dispersion is s² / x̄ of the faults by server, s² with n − 1; servers that never failed count with 0.
    """
    moments, count = servers_down(record)
    lasting = np.diff(np.append(moments, max(record.lasts, moments[-1])))
    share, order = count / record.servers, np.argsort(count, kind="stable")
    until = lasting[order].cumsum() / lasting.sum()
    by_server = np.bincount(record.server, minlength=record.servers)
    repair = record.end - record.start
    return FaultStatistics(
        faults=len(record.start),
        servers=record.servers,
        days=record.lasts / DAY,
        per_thousand_node_days=1000 * len(record.start) / (record.servers * record.lasts / DAY),
        down_mean=float((share * lasting).sum() / lasting.sum()),
        down_p90=float(share[order][np.searchsorted(until, 0.9)]),
        down_p99=float(share[order][np.searchsorted(until, 0.99)]),
        down_most=float(share.max()),
        repair_mean=float(repair.mean()),
        repair_median=float(np.median(repair)),
        dispersion=float(by_server.var(ddof=1) / by_server.mean()),
        refail_7d=_refailing(record, 7 * DAY),
        never_failed=int((by_server == 0).sum()),
    )


def _refailing(record: FaultRecord, within: float) -> float:
    order = np.lexsort((record.start, record.server))
    server, start, end = record.server[order], record.start[order], record.end[order]
    gap = start[1:] - end[:-1]
    return float(((server[1:] == server[:-1]) & (gap <= within)).sum() / len(start))
