"""Ways to predict a published figure of reliability: closed forms and small simulations.

Each is the ``by`` of a case: what is put in, and one function to what comes out, in base units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from simulator.engine import Activity, Log, simulate
from simulator.plan import plan
from simulator.plan.model import Plan
from simulator.reliability import Fleet
from simulator.reliability.checkpoint import expected_goodput, optimal_interval
from simulator.reliability.pools import availability, elastic_goodput, in_repair_quantile, up_quantile
from simulator.results import summarise
from simulator.scenario import read
from simulator.units import Fraction, Rate, Seconds

__all__ = ["Predicted", "Way"]

_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Predicted:
    """A figure, and between which ends 95 % of the outcomes lie where it was simulated."""

    value: float
    low: float | None = None
    high: float | None = None


class _Way(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def predict(self, beside: Path) -> Predicted:
        """The figure, in base units; scenarios are looked for in the folder ``beside`` first."""
        return self._predict(beside)

    def _predict(self, beside: Path) -> Predicted:
        raise NotImplementedError


def _per_node(fleet: Fleet) -> float:
    """Faults of one node of the fleet. [1/s]"""
    return sum(cause.rate for cause in fleet.classes.values())


def _repair(fleet: Fleet) -> float:
    """Mean time a broken node is away. [s]"""
    return sum(band.share * band.mean for band in fleet.repair)


def _lost(fleet: Fleet) -> float:
    """Nodes a node of the fleet loses to repair. [1/s]"""
    return sum(cause.rate * cause.node_lost for cause in fleet.classes.values())


class Between(_Way):
    """Mean time between interruptions of a job on a fleet, M = 1 / (nodes × rate). [s]"""

    way: Literal["time between interruptions"]
    fleet: str
    accelerators: int = Field(ge=1, le=_MOST)

    def _predict(self, beside: Path) -> Predicted:
        fleet = Fleet.load(self.fleet)
        return Predicted(fleet.accelerators / (self.accelerators * _per_node(fleet)))


class Interruptions(_Way):
    """Interruptions of a job on a fleet. [1/s]"""

    way: Literal["interruptions"]
    fleet: str
    accelerators: int = Field(ge=1, le=_MOST)

    def _predict(self, beside: Path) -> Predicted:
        fleet = Fleet.load(self.fleet)
        return Predicted(_per_node(fleet) * self.accelerators / fleet.accelerators)


class Goodput(_Way):
    """Useful share of a job's time by the exact closed form."""

    way: Literal["goodput"]
    nodes: int = Field(ge=1, le=_MOST)
    rate: Rate = Field(description="interruptions per node and time")
    interval: Seconds | Literal["optimal"]
    save: Seconds
    restart: Seconds = Field(description="all from the fault to training again")
    strikes: Literal["always", "only while running"] = "always"

    def _predict(self, beside: Path) -> Predicted:
        between = 1 / (self.nodes * self.rate)
        interval = optimal_interval(self.save, between) if self.interval == "optimal" else float(self.interval)
        return Predicted(
            expected_goodput(interval=interval, save=self.save, between=between, restart=self.restart,
                             while_restarting=self.strikes == "always")
        )  # fmt: skip


class Elastic(_Way):
    """Useful share of a job whose replicas drop out and come back one by one."""

    way: Literal["elastic goodput"]
    between: Seconds
    stall: Seconds
    outage: Seconds
    replicas: int = Field(ge=1, le=_MOST)

    def _predict(self, beside: Path) -> Predicted:
        return Predicted(
            elastic_goodput(stall=self.stall, outage=self.outage, replicas=self.replicas, between=self.between)
        )


class Faster(_Way):
    """Goodput after recovery has become faster, from the goodput before: M is what that one implies.

    M solves G(τ*, C, M, R) = ``before``; then C and R change, and τ* follows.
    """

    way: Literal["faster recovery"]
    before: Fraction = Field(gt=0, lt=1)
    save: Seconds
    restart: Seconds
    faster_save: Seconds
    faster_restart: Seconds

    def _predict(self, beside: Path) -> Predicted:
        low, high = 1.0, 1e12  # goodput rises with M
        for _ in range(200):
            between = math.sqrt(low * high)
            low, high = (between, high) if _best(self.save, between, self.restart) < self.before else (low, between)
        return Predicted(_best(self.faster_save, high, self.faster_restart))


def _best(save: float, between: float, restart: float) -> float:
    return expected_goodput(
        interval=optimal_interval(save, between), save=save, between=between, restart=restart, while_restarting=True
    )


class Spares(_Way):
    """Spares that suffice, by the Poisson number of units away; as a share of the units where ``share`` is set."""

    way: Literal["spares"]
    units: int = Field(ge=1, le=_MOST)
    rate: Rate = Field(description="losses per unit and time")
    away: Seconds = Field(description="mean time until a unit is back or replaced")
    level: Fraction = Field(gt=0, lt=1)
    share: bool = False

    def _predict(self, beside: Path) -> Predicted:
        needed = in_repair_quantile(self.units * self.rate * self.away, self.level)
        return Predicted(needed / self.units if self.share else needed)


class Up(_Way):
    """Units up at a level of confidence, each made of nodes of a fleet that break and are repaired."""

    way: Literal["units up"]
    fleet: str
    units: int = Field(ge=1, le=1_000_000)
    nodes: int = Field(ge=1, le=1_000_000, description="of a unit")
    level: Fraction = Field(gt=0, lt=1)

    def _predict(self, beside: Path) -> Predicted:
        fleet = Fleet.load(self.fleet)
        up = availability(_lost(fleet), _repair(fleet), parts=self.nodes)
        return Predicted(up_quantile(self.units, up, self.level))


class Unlike(_Way):
    """How unlike a fleet's nodes and repairs are, from its frailty and its bad repairs.

    p of the repairs are bad and last a on average.  Faults then come in clusters of geometric size: (1 + p) / (1 − p)
    times Poisson's variance; a node's rate is gamma with shape k, which adds m / k, m faults a node on average.
    Clusters that the time watched cuts off make it less.  A repaired node fails again within t with chance
    1 − (1 − p (1 − e^{−t/a})) e^{−(1 − p) r t}, r the usual rate, bad repairs in it.
    """

    way: Literal["nodes unlike"]
    fleet: str
    figure: Literal["variance of faults over nodes / mean", "failed again"]
    within: Seconds = Field(description="time watched, or since the repair")

    def _predict(self, beside: Path) -> Predicted:
        fleet = Fleet.load(self.fleet)
        expected, bad = _lost(fleet) * self.within, fleet.nodes.refails
        if self.figure == "failed again":
            soon = bad * -math.expm1(-self.within / fleet.nodes.refails_after) if bad else 0.0
            return Predicted(1 - (1 - soon) * math.exp(-(1 - bad) * expected))
        frailty = expected / fleet.nodes.lemons if fleet.nodes.lemons else 0.0
        return Predicted((1 + bad) / (1 - bad) + frailty)


Figure = Literal["interruptions", "restarts", "goodput", "time saving", "nodes down", "99 % quantile of nodes down"]


class Simulated(_Way):
    """A scenario run many times: the mean of a figure and the ends between which 95 % of runs lie."""

    way: Literal["simulation"]
    scenario: str = Field(description="a file beside the cases, or a packaged scenario")
    changes: tuple[str, ...] = Field(default=(), description="as for --set")
    replicas: int = Field(default=16, ge=2, le=1000)
    figure: Figure

    def _predict(self, beside: Path) -> Predicted:
        file = beside / self.scenario
        made, logs = _runs(str(file) if file.is_file() else self.scenario, self.changes, self.replicas)
        values = np.array([_of(self.figure, made, log) for log in logs])
        spread = 1.96 * float(values.std(ddof=1))
        mean = float(values.mean())
        return Predicted(mean, mean - spread, mean + spread)


@cache
def _runs(scenario: str, changes: tuple[str, ...], replicas: int) -> tuple[Plan, tuple[Log, ...]]:
    """Several figures of one scenario are taken from the same runs."""
    made = plan(read(scenario, changes=changes))
    return made, tuple(simulate(made, seed=made.seed + number) for number in range(replicas))


def _of(figure: Figure, made: Plan, log: Log) -> float:
    """One figure of one run: of the first job, or of all nodes."""
    if figure == "interruptions":
        return log.jobs[0].interruptions
    if figure == "restarts":  # a fault that strikes a restart begins another
        return sum(event.kind in ("interruption", "setback") for event in log.events)
    if figure == "goodput":
        return summarise(made, log).goodput
    if figure == "time saving":
        spent = [(interval.end - interval.start, interval.activity) for interval in log.intervals if not interval.job]
        return sum(time for time, what in spent if what is Activity.SAVE) / sum(time for time, _ in spent)
    lasting = np.diff([sample.time for sample in log.samples])
    down = np.array([1 - sum(sample.healthy) / max(sum(sample.installed), 1) for sample in log.samples[:-1]])
    if figure == "nodes down":
        return float(np.average(down, weights=lasting))
    order = np.argsort(down)
    below = np.cumsum(lasting[order]) / lasting.sum()
    return float(down[order][np.searchsorted(below, 0.99)])


Way = Annotated[
    Between | Interruptions | Goodput | Elastic | Faster | Spares | Up | Unlike | Simulated, Field(discriminator="way")
]
