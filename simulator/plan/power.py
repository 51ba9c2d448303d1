"""Facility power of a node by what it does, and the cap over time."""

from __future__ import annotations

from simulator.economics import Price
from simulator.hardware import Node
from simulator.plan.model import PowerStep
from simulator.plan.parts import Parts, seconds_from

__all__ = ["cap_at", "node_power", "power_steps"]


def node_power(node: Node, parts: Parts) -> tuple[float, float]:
    """Facility power of one node in training and idle. [W]

        P = P_node · (1 + network and storage) · PUE

    In training a node draws what was measured for it, or else the share of its rating that was measured on others.
    """
    site = parts.site
    overhead = (1 + site.network_power) * site.pue
    training = node.training_power or node.power * Price.load("node-power-share").mid
    idle = node.idle_power or node.power * Price.load("idle-power-share").mid
    return training * overhead, idle * overhead


def power_steps(parts: Parts) -> tuple[PowerStep, ...]:
    """The site's cap, from the scenario's start on; before the first date there is no power.  Empty: no cap."""
    start = parts.scenario.start
    steps = [PowerStep(seconds_from(start, date), watts) for date, watts in sorted(parts.site.power.items())]
    if not steps:
        return ()
    merged = {step.time: step for step in steps}  # several dates before the start: the last one holds
    opening = () if 0.0 in merged else (PowerStep(0.0, 0.0),)
    return (*opening, *(merged[time] for time in sorted(merged)))


def cap_at(steps: tuple[PowerStep, ...], time: float) -> float:
    """Facility power available at ``time``; infinite without a cap. [W]"""
    in_force = [step.watts for step in steps if step.time <= time]
    return in_force[-1] if in_force else float("inf")
