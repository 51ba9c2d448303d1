"""The ``failures:`` section: a fleet's causes of interruption, with rates, detection, restart and repair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.catalogue import CatalogueEntry
from simulator.errors import PlanError
from simulator.units import Fraction, Rate, Ratio, Seconds

__all__ = ["AgeEffects", "Domain", "FailureClass", "Failures", "Fleet", "RepairBand", "Stage"]

Chance = Annotated[Fraction, Field(le=1)]
Part = Annotated[Fraction, Field(lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RepairBand(_Section):
    """One way a broken node comes back: the share of nodes that take it and its mean time."""

    name: str = Field(description="what events call it")
    share: Chance = Field(description="of the broken nodes")
    mean: Seconds = Field(description="from the fault until the node is back (exponential)")
    hands: Seconds = Field(default=0.0, description="hands-on part of the mean time; only this waits for a crew")

    @model_validator(mode="after")
    def _within(self) -> RepairBand:
        if self.hands > self.mean:
            raise ValueError(f"expected hands of at most the mean, {self.mean:g} s; got {self.hands:g} s")
        return self


class FailureClass(_Section):
    """One cause of interruption."""

    rate: Rate = Field(description="per node of the fleet (or per job) and time")
    node_lost: Chance = Field(default=0.0, description="chance that the node has to leave for repair")
    detection: Seconds = Field(default=0.0, description="from the fault to the job's stop")
    per: Literal["node", "job"] = Field(default="node", description="what the rate counts")
    evicts: int = Field(default=1, ge=1, le=100_000, description="nodes taken out with a broken one, itself included")
    latency: Seconds = Field(default=0.0, description="mean time the job trains on before anyone notices; all is lost")
    speed: Annotated[Ratio, Field(le=1)] = Field(default=1.0, description="of the job until the fault is found")
    repeats: Part = Field(default=0.0, description="chance that a restart ends in the same fault at once")

    @model_validator(mode="after")
    def _one_way(self) -> FailureClass:
        if self.latency and self.speed < 1:
            raise ValueError("expected latency or speed below 1, not both; got both")
        return self


class Domain(_Section):
    """Nodes that fail together: those of a rack, a power domain, a row, a hall, or below a leaf or spine switch."""

    nodes: int = Field(ge=1, le=10_000_000, description="below each such vertex")
    rate: Rate = Field(description="failures per vertex and time")
    share: Chance = Field(default=1.0, description="of its nodes that go dark")
    outage: Seconds = Field(description="mean time until they are back, all together")
    detection: Seconds = Field(default=0.0, description="from the fault to the job's stop")


class Early(_Section):
    """Infant mortality."""

    excess: Annotated[float, Field(ge=0, le=1000)] = Field(
        description="rate of a new node over a settled one's, minus 1"
    )
    settling: Seconds = Field(gt=0, description="time in which the excess falls to 1/e")


class Wear(_Section):
    """Wear-out: rate × (1 + (age / doubling)^power)."""

    doubling: Seconds = Field(gt=0, description="age at which wear has doubled the rate")
    power: Annotated[float, Field(gt=0, le=20)] = Field(description="how steeply wear grows with age")


class AgeEffects(_Section):
    """How the faults that take nodes out depend on the node: its age, its luck, its last repair."""

    early: Early | None = Field(default=None, description="infant mortality; none: no such effect")
    wear: Wear | None = Field(default=None, description="wear-out; none: no such effect")
    lemons: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None, description="gamma shape of the nodes' frailty; small: few bad nodes; none: all nodes alike"
    )
    refails: Part = Field(default=0.0, description="share of repaired nodes that soon fail again")
    refails_after: Seconds = Field(default=0.0, description="mean time until they do")


class Removal(_Section):
    """When a node is given up."""

    faults: int = Field(ge=2, le=1000, description="so many faults …")
    within: Seconds = Field(gt=0, description="… within such a time, and the node is replaced by a new one")
    lead: Seconds = Field(description="time until the new one is there")


class Cold(_Section):
    """Nodes in store, beside those of the pools."""

    nodes: int = Field(ge=1, le=10_000_000, description="that stand there, whatever the pool")
    lead: Seconds = Field(description="from a node's loss to its replacement from the store")


class Maintenance(_Section):
    """Planned stops."""

    every: Seconds = Field(gt=0, description="time between two")
    lasts: Seconds = Field(description="how long the jobs stand still, restart aside")


class Stage(_Section):
    """One stage of a restart: what it takes, and how that grows with the job."""

    time: Seconds = Field(description="in a job of the fleet's restart_accelerators")
    per_doubling: Seconds = Field(default=0.0, description="added for each doubling of the job")

    def at(self, doublings: float) -> float:
        """R₀ + R₂ · doublings, never below a quarter of R₀. [s]"""
        return max(self.time + self.per_doubling * doublings, self.time / 4)


class Fleet(CatalogueEntry):
    """What a fleet was seen to suffer, per node of ``accelerators`` accelerators."""

    shelf = "failures"

    accelerators: int = Field(ge=1, description="accelerators per node in the fleet the rates come from")
    classes: dict[str, FailureClass] = Field(min_length=1)
    repair: tuple[RepairBand, ...] = Field(min_length=1)
    restart: dict[str, Stage] = Field(
        min_length=1, description="from stop to first step, stage by stage; loading is left to the store"
    )
    restart_accelerators: int = Field(ge=1, description="of the job whose stages these are")
    domains: dict[str, Domain] = Field(default={}, description="racks, halls, switches: nodes that fail together")
    nodes: AgeEffects = Field(default=AgeEffects(), description="how its nodes differ")

    @model_validator(mode="after")
    def _shares(self) -> Fleet:
        _check_repair(self.repair)
        return self

    def restart_stages(self, accelerators: float) -> dict[str, float]:
        """Stop to first step, loading aside, by stage. [s]

            R(N) = R₀ + R₂ log₂(N / N₀), never below a quarter of R₀

        Source
        ------
        ByteRobust (arXiv:2509.16293) table 7: requeue times grow by a constant per doubling from 2,048 to 16,384.
        """
        doublings = math.log2(max(accelerators, 1) / self.restart_accelerators)
        return {name: stage.at(doublings) for name, stage in self.restart.items()}

    def restart_time(self, accelerators: float) -> float:
        """All stages together. [s]"""
        return sum(self.restart_stages(accelerators).values())


def _check_repair(bands: tuple[RepairBand, ...]) -> None:
    total = sum(band.share for band in bands)
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise ValueError(f"expected repair shares that add up to 1; got {total:g}")


class ClassChange(_Section):
    """A failure class of the fleet changed in part, or one it does not have."""

    rate: Rate | None = Field(default=None, description="per node of the fleet (or per job) and time")
    node_lost: Chance | None = Field(default=None, description="chance that the node has to leave for repair")
    detection: Seconds | None = Field(default=None, description="from the fault to the job's stop")
    per: Literal["node", "job"] | None = Field(default=None, description="what the rate counts")
    evicts: int | None = Field(default=None, ge=1, le=100_000, description="nodes taken out with a broken one, and it")
    latency: Seconds | None = Field(default=None, description="mean time the job trains on unaware; all of it is lost")
    speed: Annotated[Ratio, Field(le=1)] | None = Field(default=None, description="of the job until the fault is found")
    repeats: Part | None = Field(default=None, description="chance that a restart ends in the same fault at once")


class Failures(_Section):
    """Which fleet the cluster behaves like, and what differs from it."""

    fleet: str = Field(description="entry of the failures shelf")
    trace: str | None = Field(
        default=None, min_length=1, description="file of recorded faults to live through instead of drawn ones"
    )
    servers: int | None = Field(
        default=None, ge=1, le=10_000_000, description="servers the trace watched; default: those that fail in it"
    )
    scale: Ratio = Field(default=1.0, description="factor on all rates")
    classes: dict[str, ClassChange] = Field(default={}, description="by name: what differs, or a class of its own")
    domains: dict[str, Domain] = Field(default={}, description="racks, power domains, halls, switches: fail together")
    nodes: AgeEffects | None = Field(default=None, description="age, lemons and bad repairs; default: the fleet's")
    repair: tuple[RepairBand, ...] | None = Field(default=None, min_length=1, description="default: the fleet's")
    crews: int | None = Field(default=None, ge=1, le=1_000_000, description="for hands-on repair; default: enough")
    removal: Removal | None = Field(default=None, description="of repeat offenders; default: none is given up")
    restart: Seconds | None = Field(default=None, description="fixed restart time instead of the fleet's stages")
    stages: dict[str, Stage] = Field(
        default={}, description="of a restart, by name: what differs from the fleet's, or one more, e.g. warm-up"
    )
    standby: Seconds = Field(default=60.0, description="time for a hot spare to take a lost node's place")
    hot: int | None = Field(default=None, ge=0, le=1_000_000, description="spares kept hot; default: all of them")
    warm: Seconds = Field(default=600.0, description="time for another spare to start, be checked and take a place")
    cold: Cold | None = Field(default=None, description="spare nodes in store that hands have to bring in")
    maintenance: Maintenance | None = Field(default=None, description="planned stops of all jobs")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"fleet": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _shares(self) -> Failures:
        if self.repair is not None:
            _check_repair(self.repair)
        if self.trace is not None and self.scale != 1:
            raise ValueError(f"expected no scale beside a trace, which has the faults it has; got {self.scale:g}")
        if self.restart is not None and self.stages:
            raise ValueError("expected a fixed restart or stages of one, not both; got both")
        if self.trace is None and self.servers is not None:
            raise ValueError(f"expected servers beside a trace only; got {self.servers:,} without one")
        return self

    def resolve(self) -> Fleet:
        """The catalogue's fleet with this section's differences, rates scaled.

        Raises
        ------
        PlanError
            A class that the fleet does not have has no rate, or a change makes one impossible.
        """
        fleet = Fleet.load(self.fleet)
        asked = {"nodes": self.nodes, "repair": self.repair}
        changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        if self.stages:
            changes["restart"] = {**fleet.restart, **self.stages}
        if self.classes or self.domains or self.scale != 1:
            changes |= self._rated(fleet)
        return fleet.model_copy(update=changes)

    def restarting(self, factor: float) -> Failures:
        """The same with every restart so many times as long, at every size."""
        if self.restart is not None:
            return self.model_copy(update={"restart": factor * self.restart})
        stages = {
            name: stage.model_copy(update={"time": factor * stage.time, "per_doubling": factor * stage.per_doubling})
            for name, stage in self.resolve().restart.items()
        }
        return self.model_copy(update={"stages": stages})

    def _rated(self, fleet: Fleet) -> dict[str, Any]:
        """The fleet's classes and domains with this section's differences, rates scaled."""
        classes = {name: dict(one) for name, one in fleet.classes.items()}
        for name, change in self.classes.items():
            written = {key: value for key, value in change if value is not None}
            if name not in classes and "rate" not in written:
                known = ", ".join(fleet.classes)
                raise PlanError(f"failures.classes.{name}: expected a rate, or one of the fleet's classes {known}")
            classes[name] = {**classes.get(name, {}), **written}
        made = {name: _rebuilt(name, one, self.scale) for name, one in classes.items()}
        domains = {**fleet.domains, **self.domains}
        scaled = {name: one.model_copy(update={"rate": one.rate * self.scale}) for name, one in domains.items()}
        return {"classes": made, "domains": scaled}


def _rebuilt(name: str, values: Mapping[str, Any], scale: float) -> FailureClass:
    bare = FailureClass.model_construct(**values)
    if bare.latency and bare.speed < 1:
        raise PlanError(f"failures.classes.{name}: expected latency or speed below 1, not both; got both")
    return bare.model_copy(update={"rate": bare.rate * scale})
