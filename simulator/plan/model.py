"""What is known before the clock starts.  The engine sees this and nothing else; times are seconds from the start."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from simulator.reliability.checkpoint import optimal_interval

if TYPE_CHECKING:
    from simulator.economics import Tariff
    from simulator.plan.replay import RecordedFaults
    from simulator.step import Layout, Memory, Share, StepTime

__all__ = [
    "Ageing", "Cause", "Cold", "Delivery", "Domain", "Elastic", "Instead", "JobPlan", "LeftOut", "Maintenance",
    "Plan", "PoolPlan", "PowerStep", "Removal", "Repair", "Rung", "Size", "Source", "split",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """``nodes`` more nodes of a pool at ``time``."""

    time: float
    nodes: int


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One kind of node, as the engine needs it.  Power is facility power: network and its share of PUE included. [W]"""

    name: str
    node: str
    accelerator: str
    accelerators: int
    deliveries: tuple[Delivery, ...]
    spare_share: float
    training_power: float
    idle_power: float
    failure_weight: float  # a node's failure rate over that of the fleet's node
    holding_power: float = math.nan  # while its job saves, restarts or loads; default: idle
    standing_power: float = 0.0  # of the building for it, whatever it does

    def __post_init__(self) -> None:
        if math.isnan(self.holding_power):
            object.__setattr__(self, "holding_power", self.idle_power)

    @property
    def nodes(self) -> int:
        """Nodes installed when everything has arrived."""
        return sum(delivery.nodes for delivery in self.deliveries)


@dataclass(frozen=True, slots=True)
class PowerStep:
    """Facility power available from ``time`` on. [W]"""

    time: float
    watts: float


@dataclass(frozen=True, slots=True)
class Source:
    """A supply that runs: what it can deliver from each moment on, and what its energy costs.  [USD/J, kgCO2e/J]"""

    name: str
    steps: tuple[PowerStep, ...]
    price: float
    carbon: float

    def available(self, time: float) -> float:
        """What it can deliver at a moment. [W]"""
        return next((step.watts for step in reversed(self.steps) if step.time <= time), 0.0)


def split(sources: Sequence[Source], watts: float, time: float) -> list[float]:
    """How much of a draw each source carries, in their order; what rounding leaves over is the last one's. [W]"""
    if not sources:
        return []
    carried, left = [], watts
    for source in sources:
        carried.append(min(left, source.available(time)))
        left -= carried[-1]
    carried[-1] += left
    return carried


@dataclass(frozen=True, slots=True)
class Cause:
    """One class of failure: rate per fleet node and second, chance that the node leaves, time until it is noticed.

    What can be other than a sudden stop: a fault may slow the job until it is found (``speed`` below one), corrupt it
    long before anyone notices (``latency``), or strike again as soon as the job is back (``repeats``).
    """

    name: str
    rate: float
    node_lost: float
    detection: float
    per_job: bool = False  # the rate is per job, not per node
    evicted: int = 1  # nodes taken out with the broken one, on suspicion
    latency: float = 0.0  # mean time the job trains on after the fault; all of it is lost (exponential)
    speed: float = 1.0  # of the job between fault and detection; below one nothing stops until then
    repeats: float = 0.0  # chance that a restart ends in the same fault at once


@dataclass(frozen=True, slots=True)
class Domain:
    """A vertex of the tree of racks, power domains, rows and halls, or of the fabric: its nodes fail together."""

    name: str
    nodes: float  # below each vertex
    rate: float  # per vertex and second
    share: float  # of its nodes that go dark
    outage: float  # mean time until they are back, all together (exponential)
    detection: float
    whole: bool = (
        False  # one vertex above all nodes of all pools, e.g. a supply of power; ``nodes`` only scales the rate
    )
    begin: float = 0.0  # it only fails from then on … [s]
    end: float = math.inf  # … until then


@dataclass(frozen=True, slots=True)
class Ageing:
    """How the failures of nodes depend on their age, on which node it is, and on its repairs.

    Every fault that can take a node out strikes a node of age ``a`` at its class's rate times

        z · [1 + A e^{−a/θ} + (a/L)^p]

    with ``z`` of each node drawn from a gamma distribution of mean one and shape ``lemons``.
    """

    early: float = 0.0  # A
    settling: float = 1.0  # θ [s]
    doubling: float = float("inf")  # L: the age at which wear has doubled the rate [s]
    wear: float = 1.0  # p
    lemons: float = float("inf")  # infinite: all nodes alike
    refail: float = 0.0  # chance that a repaired node fails again soon
    refail_after: float = 0.0  # mean time until it does (exponential) [s]

    @property
    def varies(self) -> bool:
        """Whether nodes differ at all."""
        return self.early > 0 or self.doubling < math.inf or self.lemons < math.inf

    def factor(self, age: float) -> float:
        """The rate at an age over that of a settled young node."""
        early = self.early * math.exp(-age / self.settling) if self.early else 0.0
        return 1.0 + early + float((age / self.doubling) ** self.wear)

    def step(self, age: float) -> float:
        """How long the factor may be taken for constant: it moves by some 2 % at most. [s]"""
        early = self.settling / 50 if self.early and age < 8 * self.settling else math.inf
        wear = max(age, 0.02 * self.doubling) / (50 * self.wear) if self.doubling < math.inf else math.inf
        return min(early, wear)


@dataclass(frozen=True, slots=True)
class Repair:
    """One way back for a broken node: its share, its mean time (exponential) and the part of it that needs hands."""

    name: str
    share: float
    mean: float
    hands: float = 0.0  # mean hands-on time within ``mean`` (exponential); only this waits for a crew [s]


@dataclass(frozen=True, slots=True)
class Removal:
    """A node that breaks ``faults`` times ``within`` a time is replaced by a new one instead of repaired."""

    faults: int
    within: float
    lead: float  # time until the new one is there


@dataclass(frozen=True, slots=True)
class Cold:
    """Nodes in store: not installed, not powered, and hands have to bring them in."""

    nodes: int
    lead: float


@dataclass(frozen=True, slots=True)
class Elastic:
    """A job that goes on without the replica that failed: all stall, then one of ``replicas`` is out for a while."""

    stall: float


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Every so often the jobs save, stand still for ``lasts`` and start again."""

    every: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Rung:
    """One size at which a job can run, and everything that follows from the size.

    A job's rungs form a ladder, best first: the engine puts the job on the first rung whose nodes are there and whose
    power is.  Best is by ``useful_tokens_per_second``, not by speed: past some size a synchronous job is interrupted
    so often that more accelerators train fewer tokens.
    """

    nodes: tuple[int, ...]  # by pool, in the plan's order
    accelerators: int
    tokens_per_second: float  # while it computes
    useful_tokens_per_second: float  # times the goodput its interruptions leave in expectation
    power: float  # facility power of the job's nodes in training [W]
    interval: float  # useful work between checkpoints
    save: float  # blocking time of one checkpoint
    restart: float  # schedule, communicators, warm-up
    load: float  # reading the checkpoint back
    mtti: float  # mean running time between interruptions the rates imply
    running: float  # share of its time that the job computes, saves or computes in vain; the rest it recovers
    hiding_batch: float | None  # sequences in a microbatch that hide streamed weights; None: weights stay in memory
    step: StepTime = field(compare=False)
    layout: Layout = field(compare=False)
    memory: Memory = field(compare=False)
    drain: float = 0.0  # until an asynchronous checkpoint is safe in the store; the job goes on meanwhile
    every: int = 1  # every so many-th checkpoint goes to the store; those between stay in memory
    quick: float = 0.0  # blocking time of one that stays in memory
    quick_load: float = 0.0  # reading one of those back
    replicas: int = 1  # of the model, that train side by side
    shares: tuple[Share, ...] = field(default=(), compare=False)  # of each pool, where they are balanced by speed
    running_power: float = math.nan  # mean over steps and saves; default: ``power`` [W]
    clock: float = 1.0  # over that of unlimited power
    instead: Instead | None = None  # of a size that a cap made what it is
    stages: tuple[tuple[str, float], ...] = ()  # of the restart, in their order [s]
    cut: tuple[int, ...] = ()  # how the model is cut: sizes of one cut differ in their replicas only

    def __post_init__(self) -> None:
        if math.isnan(self.running_power):
            object.__setattr__(self, "running_power", self.power)

    @property
    def size(self) -> Size:
        """What it would have to be given to come out as it is."""
        return Size(self.nodes, math.inf if self.clock == 1 else self.power)

    def followed(self, between: float) -> float:
        """The best interval for an observed mean time between interruptions, never shorter than a drain. [s]"""
        if math.isinf(between):
            return self.interval
        return max(optimal_interval(self.save, between), self.drain, 1.0)


class Size(NamedTuple):
    """Nodes by pool that a job may have, and the power it may draw on them; too little of it lowers their clock."""

    nodes: tuple[int, ...]
    watts: float = math.inf


@dataclass(frozen=True, slots=True)
class Instead:
    """The other way to stay under the same power: its size, and what it would train over what this one does. [1]"""

    accelerators: int
    clock: float
    useful: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A pool that does not pay: the best that a size with it makes, over what the job makes without it. [1]"""

    pool: str
    useful: float


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job: the work and its ladder of rungs, best first."""

    name: str
    model: str
    tokens: float
    flops_per_token: float
    parameters: float
    rungs: tuple[Rung, ...]
    elastic: Elastic | None = None  # None: every failure restarts the whole job
    left_out: tuple[LeftOut, ...] = ()  # pools that would be there for it and that it does without


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the engine may know."""

    name: str
    question: str
    start: dt.date
    horizon: float
    seed: int
    pools: tuple[PoolPlan, ...]
    power: tuple[PowerStep, ...]  # empty: no cap
    jobs: tuple[JobPlan, ...]  # in order of priority
    causes: tuple[Cause, ...]
    repairs: tuple[Repair, ...]
    standby: float  # time for a hot spare to take a lost node's place
    tariff: Tariff
    carbon: float  # [kgCO2e/J]
    references: tuple[str, ...]  # source keys of everything the plan rests on
    scenario: str = ""  # digest of the resolved scenario
    domains: tuple[Domain, ...] = ()
    ageing: Ageing = Ageing()
    crews: int | None = None  # None: as many as there is work for
    removal: Removal | None = None
    hot: int | None = None  # spares kept ready; None: all of them
    warm: float = 0.0  # time for another spare to take a node's place, or a hot one's
    cold: Cold | None = None
    copies: int = 1  # nodes that hold each part of a checkpoint in memory: losing fewer loses none
    maintenance: Maintenance | None = None
    follow: bool = False  # the interval follows the interruptions seen so far
    recorded: RecordedFaults | None = None  # faults to live through instead of drawn ones
    sources: tuple[Source, ...] = ()  # the cheapest first; empty: one, at the tariff's price
