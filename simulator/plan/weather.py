"""What failures leave of one size in expectation: how often it stops, how long it is away, what goodput remains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.plan.model import Cause, Domain
from simulator.reliability.checkpoint import effective_recovery, expected_goodput

__all__ = ["Risk", "Saving", "Weather", "weather"]

Risk = Cause | Domain


@dataclass(frozen=True, slots=True)
class Saving:
    """How a size saves: every ``interval``, blocked for ``save``; with a memory tier, to the store every so many-th."""

    interval: float
    save: float
    drain: float = 0.0
    every: int = 1
    quick: float = 0.0

    @property
    def share(self) -> float:
        """Of the running time, that saves block."""
        saves = self.save + (self.every - 1) * self.quick
        return saves / (self.every * self.interval + saves) if saves else 0.0


@dataclass(frozen=True, slots=True)
class Weather:
    """Interruptions of one size."""

    mtti: float  # mean running time between them [s]
    recovery: float  # the fixed recovery that costs as much as those that vary [s]
    unremembered: float  # share of them that no checkpoint in memory survives
    corrupted: float  # seconds of training per second that nobody knows yet are in vain
    slowed: float  # share of the speed that slow nodes cost

    @property
    def running(self) -> float:
        """Share of the time that is spent running, saves and lost work included."""
        return math.exp(-self.recovery / self.mtti)

    def goodput(self, saving: Saving) -> float:
        """Useful share of the time.

        The exact form for one tier (:func:`simulator.reliability.checkpoint.expected_goodput`); to first order in the
        rates, what else is lost: half the store's interval where memory is gone, the drain of a write that did not end,
        what was trained on a silent fault, and the speed that slow nodes cost.
        """
        save = (saving.save + (saving.every - 1) * saving.quick) / saving.every
        exact = expected_goodput(
            interval=saving.interval, save=save, between=self.mtti, restart=self.recovery, while_restarting=True
        )
        further = self.unremembered * (saving.every - 1) * saving.interval / 2 + saving.drain
        return exact * (1 - self.slowed) / (1 + further / self.mtti + self.corrupted)


def weather(
    risks: Sequence[Risk], *, nodes: int, weighted: float, standby: float, after: float, copies: int
) -> Weather:
    """Superpose all risks of a job.

    Parameters
    ----------
    nodes, weighted
        Nodes of the job, and the same weighted by how a node's rate differs from the fleet's.
    after
        Restart and load. [s]
    copies
        Nodes that hold each part of a checkpoint in memory.
    """
    ways: list[tuple[float, float]] = []  # rate of stops, length of the recovery
    unremembered = corrupted = slowed = 0.0
    for risk in risks:
        if isinstance(risk, Domain):
            rate = risk.rate
            if not risk.whole:  # per weighted node, and no less often than one vertex fails
                rate *= weighted / nodes * max(nodes, risk.nodes) / risk.nodes
            ways.append((rate, risk.detection + standby + after))
            unremembered += rate
            continue
        rate = risk.rate * (1.0 if risk.per_job else weighted)
        found = risk.detection if risk.speed == 1 else 0.0
        again = after / (1 - risk.repeats)
        corrupted += rate * risk.latency
        slowed += rate * risk.detection * (1 - risk.speed)
        stays = 1 - risk.node_lost if risk.speed == 1 else 0.0
        ways += [(rate * risk.node_lost, found + standby + again), (rate * stays, found + again)]
        if risk.latency or (risk.node_lost > 0 and risk.evicted >= copies):
            unremembered += rate * (risk.node_lost + stays)
    total = sum(rate for rate, _ in ways)
    mtti = 1 / total if total > 0 else math.inf
    shares = [(rate / total, seconds) for rate, seconds in ways if rate > 0]
    return Weather(
        mtti=mtti,
        recovery=effective_recovery(shares, between=mtti),
        unremembered=unremembered / total if total > 0 else 0.0,
        corrupted=corrupted,
        slowed=min(slowed, 1.0),
    )
