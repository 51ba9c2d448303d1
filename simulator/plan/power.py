"""Facility power of a node by what it does, and the cap over time."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from simulator.economics import Price, Site
from simulator.hardware import Node
from simulator.plan.model import PowerStep
from simulator.plan.parts import Parts, seconds_from

__all__ = ["NodePower", "cap_at", "node_power", "power_steps"]


class NodePower(NamedTuple):
    """Facility power of one node by what it does, and what the building draws for it whatever it does. [W]"""

    training: float
    holding: float  # its job saves, restarts or loads
    idle: float
    standing: float


def node_power(node: Node, parts: Parts) -> NodePower:
    """Facility power of one node. [W]

        P = P_node · (1 + n) · [1 + (PUE − 1)(1 − φ)] + φ (PUE − 1)(1 + n) P_training

    with n for network and storage and φ the share of the building's overhead that is there at any load: with all nodes
    training the facility draws PUE times what they do, with fewer a larger multiple of less.

    In training a node draws what was measured for it, or else the share of its rating that was measured on others.
    """
    site = parts.site
    fixed = Price.load("pue-fixed-share").mid if site.pue_fixed is None else site.pue_fixed
    devices, building = 1 + site.network_power, site.pue - 1
    training = (node.training_power or node.power * Price.load("node-power-share").mid) * devices
    idle = (node.idle_power or node.power * Price.load("idle-power-share").mid) * devices
    holding = min(max(node.power * Price.load("holding-power-share").mid * devices, idle), training)
    follows = 1 + building * (1 - fixed)
    return NodePower(training * follows, holding * follows, idle * follows, building * fixed * training)


def power_steps(parts: Parts) -> tuple[PowerStep, ...]:
    """The site's cap, from the scenario's start on; before the first date there is no power.  Empty: no cap."""
    start = parts.scenario.start
    steps = [PowerStep(seconds_from(start, date), watts) for date, watts in sorted(_available(parts.site).items())]
    if not steps:
        return ()
    merged = {step.time: step for step in steps}  # several dates before the start: the last one holds
    opening = () if 0.0 in merged else (PowerStep(0.0, 0.0),)
    return (*opening, *(merged[time] for time in sorted(merged)))


def _available(site: Site) -> dict[dt.date, float]:
    """The site's power by date; of one with supplies, what those that run add up to."""
    running = [supply.power for supply in site.supplies.values() if not supply.stands_by]
    if not running:
        return site.power
    dates = sorted({date for power in running for date in power})
    return {date: sum(_on(power, date) for power in running) for date in dates}


def _on(power: dict[dt.date, float], date: dt.date) -> float:
    earlier = [watts for begins, watts in power.items() if begins <= date]
    return earlier[-1] if earlier else 0.0


def cap_at(steps: tuple[PowerStep, ...], time: float) -> float:
    """Facility power available at ``time``; infinite without a cap. [W]"""
    in_force = [step.watts for step in steps if step.time <= time]
    return in_force[-1] if in_force else float("inf")
