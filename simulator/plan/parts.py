"""The catalogue entries a scenario names, loaded once and put side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulator import catalogue
from simulator.catalogue import CatalogueEntry
from simulator.economics import Price, Site
from simulator.hardware import Accelerator, Efficiency, Fabric, Node, Storage
from simulator.reliability import Fleet
from simulator.scenario import Scenario
from simulator.step import Machine, machine
from simulator.units import DAY
from simulator.workload import TrainingJob, Transformer

__all__ = ["Change", "Parts", "as_it_is", "parts", "seconds_from"]

Change = Callable[[Machine], Machine]
_RENTED = ("node-power-share", "idle-power-share", "holding-power-share", "pue-fixed-share")
_BOUGHT = (
    *_RENTED, "interconnect-share", "server-life", "server-overhead", "building-life", "datacentre-construction",
    "staff-per-megawatt", "staff-cost",
)  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What a scenario's names stand for."""

    scenario: Scenario
    nodes: tuple[Node, ...]  # by pool
    accelerators: tuple[Accelerator, ...]  # by pool
    fabric: Fabric
    storage: Storage
    site: Site
    fleet: Fleet
    models: tuple[Transformer, ...]  # by job
    change: Change

    def machine(self, pool: int, job: TrainingJob) -> Machine:
        """The step model's view of a pool, in the number format of a job."""
        seen = machine(self.nodes[pool], self.accelerators[pool], self.fabric, precision=job.precision)
        return self.change(seen)

    def references(self) -> tuple[str, ...]:
        """Source keys of every entry used, sorted."""
        families = [Efficiency.load(accelerator.family) for accelerator in self.accelerators]
        entries: Iterable[CatalogueEntry] = (
            *self.nodes, *self.accelerators, self.fabric, self.storage, self.site, self.fleet, *self.models, *families,
            *(Price.load(name) for name in (_RENTED if self.scenario.money.accelerators == "rented" else _BOUGHT)),
        )  # fmt: skip
        keys: set[str] = set()
        for entry in entries:
            for written in (entry.source, *entry.sources.values()):
                keys.update((written,) if isinstance(written, str) else written)
        return tuple(sorted(catalogue.canonical("sources", key) for key in keys))


def as_it_is(machine: Machine) -> Machine:
    """No change."""
    return machine


def parts(scenario: Scenario, change: Change = as_it_is) -> Parts:
    """Load what the scenario names."""
    nodes = tuple(Node.load(pool.node) for pool in scenario.cluster.pools)
    return Parts(
        scenario=scenario,
        nodes=nodes,
        accelerators=tuple(Accelerator.load(node.accelerator) for node in nodes),
        fabric=Fabric.load(scenario.cluster.fabric),
        storage=Storage.load(scenario.cluster.storage),
        site=scenario.site.resolve(),
        fleet=scenario.failures.resolve(),
        models=tuple(Transformer.load(job.model) for job in scenario.jobs),
        change=change,
    )


def seconds_from(start: dt.date, date: dt.date) -> float:
    """Seconds from the scenario's start to a date; dates before it are the start. [s]"""
    return max((date - start).days * DAY, 0.0)
