"""Which parameter moves the finish date most: each halved and doubled, and the plan made anew."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from simulator.errors import PlanError
from simulator.plan.build import plan as build
from simulator.plan.levers import sizes_to_compare
from simulator.plan.model import Plan
from simulator.plan.outlook import outlook
from simulator.reliability.failures import ClassChange
from simulator.scenario import Scenario
from simulator.units import DAY

__all__ = ["Bar", "tornado"]

_HALF, _TWICE = 0.5, 2.0
_UNCHANGED = ClassChange()


@dataclass(frozen=True, slots=True)
class Bar:
    """One parameter: days by which the finish moves when it is halved and when it is doubled; later is positive."""

    name: str
    halved_d: float
    doubled_d: float

    @property
    def swing(self) -> float:
        """Days between the two."""
        return abs(self.doubled_d - self.halved_d)


def tornado(scenario: Scenario, plan: Plan) -> tuple[Bar, ...]:
    """Bars of the reliability parameters, the widest first, in expectation (:func:`simulator.plan.outlook.outlook`).

    A parameter that cannot be halved or doubled (the plan would never end), or that moves nothing, has no bar.
    """
    now = outlook(plan).finish
    if math.isinf(now):
        return ()
    sizes = sizes_to_compare(plan)
    largest = plan.jobs[0].rungs[0]
    bars = []

    def moved(changed: Scenario) -> float | None:
        try:
            then = outlook(build(changed, degraded=False, sizes_of=sizes)).finish
        except PlanError:
            return None
        return None if math.isinf(then) else (then - base) / DAY

    base = outlook(build(scenario, degraded=False, sizes_of=sizes)).finish
    if math.isinf(base):
        return ()
    for name, change in _parameters(largest.save + largest.drain, largest.load).items():
        halved, doubled = moved(change(scenario, _HALF)), moved(change(scenario, _TWICE))
        if halved is not None and doubled is not None and abs(doubled - halved) * DAY > 1e-4 * now:
            bars.append(Bar(name, halved, doubled))
    return tuple(sorted(bars, key=lambda bar: (-bar.swing, bar.name)))


def _parameters(save: float, load: float) -> dict[str, Callable[[Scenario, float], Scenario]]:
    def failures(**changes: Callable[[Scenario, float], object]) -> Callable[[Scenario, float], Scenario]:
        def change(scenario: Scenario, factor: float) -> Scenario:
            update = {key: value(scenario, factor) for key, value in changes.items()}
            return scenario.model_copy(update={"failures": scenario.failures.model_copy(update=update)})

        return change

    def checkpoint(**values: float) -> Callable[[Scenario, float], Scenario]:
        def change(scenario: Scenario, factor: float) -> Scenario:
            update = {key: factor * value for key, value in values.items()}
            return scenario.model_copy(update={"checkpoint": scenario.checkpoint.model_copy(update=update)})

        return change

    def restart(scenario: Scenario, factor: float) -> Scenario:
        return scenario.model_copy(update={"failures": scenario.failures.restarting(factor)})

    def detection(scenario: Scenario, factor: float) -> Scenario:
        fleet = scenario.failures.resolve().classes
        own = scenario.failures.classes
        changed = {
            name: own.get(name, _UNCHANGED).model_copy(update={"detection": factor * one.detection})
            for name, one in fleet.items()
        }
        return scenario.model_copy(
            update={"failures": scenario.failures.model_copy(update={"classes": {**own, **changed}})}
        )

    return {
        "failure rates": failures(scale=lambda scenario, factor: factor * scenario.failures.scale),
        "restart time": restart,
        "time to detect": detection,
        "time for a spare to join": failures(standby=lambda scenario, factor: factor * scenario.failures.standby),
        "time to save a checkpoint": checkpoint(save=save),
        "time to load a checkpoint": checkpoint(load=load),
    }
