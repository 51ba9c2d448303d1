"""What is known before the clock starts.  The engine sees this and nothing else; times are seconds from the start."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.economics import Tariff
    from simulator.plan.replay import RecordedFaults
    from simulator.step import Layout, Memory, StepTime

__all__ = ["Cause", "Delivery", "JobPlan", "Plan", "PoolPlan", "PowerStep", "Repair", "Rung"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """``nodes`` more nodes of a pool at ``time``."""

    time: float
    nodes: int


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One kind of node, as the engine needs it.  Power is facility power: network share and PUE included. [W]"""

    name: str
    node: str
    accelerator: str
    accelerators: int
    deliveries: tuple[Delivery, ...]
    spare_share: float
    training_power: float
    idle_power: float
    failure_weight: float  # a node's failure rate over that of the fleet's node

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
class Cause:
    """One class of failure: rate per fleet node and second, chance that the node leaves, time until it is noticed."""

    name: str
    rate: float
    node_lost: float
    detection: float


@dataclass(frozen=True, slots=True)
class Repair:
    """One way back for a broken node: its share and mean time (exponential)."""

    name: str
    share: float
    mean: float


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


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job: the work and its ladder of rungs, best first."""

    name: str
    model: str
    tokens: float
    flops_per_token: float
    parameters: float
    rungs: tuple[Rung, ...]


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
    standby: float  # time for a spare to take a lost node's place
    tariff: Tariff
    carbon: float  # [kgCO2e/J]
    references: tuple[str, ...]  # source keys of everything the plan rests on
    scenario: str = ""  # digest of the resolved scenario
    recorded: RecordedFaults | None = None  # faults to live through instead of drawn ones
