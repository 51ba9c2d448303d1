"""Recorded faults on the scenario's cluster: which node lives through what happened to which server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulator.plan.model import Cause
from simulator.reliability import Failures, Fleet
from simulator.reliability.record import FaultRecord, Stay, stays
from simulator.scenario.recorded_faults import read_faults
from simulator.units import DAY

__all__ = ["RecordedFaults", "recorded_faults"]


@dataclass(frozen=True)
class RecordedFaults:
    """Times that servers were down, to be lived through again.

    The nodes of the cluster stand for the servers in an order drawn from the seed, so that chance says which of them
    the jobs get.  With more nodes than servers, each server has several nodes: copy k of K begins k/K into the record.
    With fewer, as many of the servers are drawn.  A record that ends begins anew.
    """

    stays: tuple[Stay, ...] = field(repr=False)  # one server's never overlap
    servers: int
    lasts: float  # [s]
    causes: tuple[Cause, ...]  # by the stays' index
    mapping: str  # the above with its numbers, for the reader


def recorded_faults(failures: Failures, fleet: Fleet, nodes: int) -> RecordedFaults | None:
    """The trace of the ``failures:`` section on a cluster of so many nodes; None: it has none.

    Raises
    ------
    ScenarioError
        The trace cannot be read.
    """
    if failures.trace is None:
        return None
    record = read_faults(Path(failures.trace), failures.servers)
    found = stays(record)
    return RecordedFaults(
        stays=found,
        servers=record.servers,
        lasts=record.lasts,
        causes=_causes(record, found, fleet, failures.scale),
        mapping=_mapping(record, nodes),
    )


def _causes(record: FaultRecord, found: Sequence[Stay], fleet: Fleet, scale: float) -> tuple[Cause, ...]:
    """Rates the record implies, for the plan; a record does not say how soon faults were noticed, the fleet does."""
    rate = math.fsum(one.rate for one in fleet.classes.values())
    detection = math.fsum(one.rate * one.detection for one in fleet.classes.values()) / rate if rate else 0.0
    counts = [0] * len(record.causes)
    for stay in found:
        counts[stay.cause] += 1
    watched = record.servers * record.lasts
    return tuple(
        Cause(name, scale * count / watched, 1.0, detection) for name, count in zip(record.causes, counts, strict=True)
    )


def _mapping(record: FaultRecord, nodes: int) -> str:
    said = f"{len(record.start):,} recorded faults of {record.servers:,} servers over {record.lasts / DAY:,.4g} d"
    copies = math.ceil(nodes / record.servers)
    if nodes == record.servers:
        return f"{said}, each on a node of its own"
    if copies == 1:
        return f"{said}; {nodes:,} of the servers are drawn, one for each node"
    return (
        f"{said} on {nodes:,} nodes: up to {copies} nodes live through each server's record, the next one beginning "
        f"{record.lasts / copies / DAY:,.4g} d further into it"
    )
