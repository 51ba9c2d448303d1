"""What gives way to a cap on power: nodes, or the clocks of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from simulator.plan.model import Instead, PoolPlan, Rung, Size

__all__ = ["clock_of", "compared", "curtailed", "power_at"]

Nodes = tuple[int, ...]

_SLOWEST = 0.6
"""Lowest clock worth offering.  An estimate: below some 0.6 of the highest the voltage can fall no further, so that
power falls only as fast as the clock and nothing is won."""


def power_at(nodes: Nodes, pools: Sequence[PoolPlan], clock: float = 1.0) -> float:
    """Facility power of nodes in training at a share of their clock. [W]

        P(f) = P_idle + (P_training − P_idle) f³

    Dynamic power goes as f V² and near the top of its range V as f: the power law of
    :func:`simulator.step.machine.clock`.  What a node draws idle does not follow.
    """
    idle = sum(n * pool.idle_power for n, pool in zip(nodes, pools, strict=True))
    full = sum(n * pool.training_power for n, pool in zip(nodes, pools, strict=True))
    return full if clock == 1 else idle + (full - idle) * clock**3


def clock_of(size: Size, pools: Sequence[PoolPlan]) -> float:
    """The clock at which the nodes of a size draw what they may; 1 where that is enough."""
    idle, full = power_at(size.nodes, pools, 0.0), power_at(size.nodes, pools)
    if full <= size.watts:
        return 1.0
    return math.cbrt(max((size.watts - idle) / (full - idle), 0.0))


def curtailed(everything: Nodes, fitted: Nodes, pools: Sequence[PoolPlan], watts: float) -> list[Size]:
    """Sizes between ``fitted``, which the power feeds at full clock, and all nodes.

    The most that run at the lowest clock or above, and half way to them, for more nodes are interrupted more often.
    """
    slowest = power_at(everything, pools, _SLOWEST)
    share = min(1.0, max(watts, 0.0) / slowest) if slowest > 0 else 0.0
    most = tuple(math.floor(n * share + 1e-9) for n in everything)
    between = tuple(round(math.sqrt(few * many)) for few, many in zip(fitted, most, strict=True))
    return [Size(nodes, watts) for nodes in dict.fromkeys((most, between)) if sum(nodes) > sum(fitted)]


def compared(rungs: Mapping[Size, Rung], wanted: Mapping[float, Sequence[Size]]) -> dict[Size, Rung]:
    """The rungs, the best at full and the best at lower clock under the same power each told of the other.

    Parameters
    ----------
    wanted
        By the power there is, the sizes that were planned for it.
    """
    told = dict(rungs)
    for sizes in wanted.values():
        there = [size for size in sizes if size in rungs]
        kinds = [[size for size in there if (rungs[size].clock < 1) is slow] for slow in (False, True)]
        if not all(kinds):
            continue
        full, slow = (max(kind, key=lambda size: rungs[size].useful_tokens_per_second) for kind in kinds)
        for one, other in ((full, slow), (slow, full)):
            a, b = rungs[one], rungs[other]
            gain = b.useful_tokens_per_second / a.useful_tokens_per_second
            told[one] = replace(a, instead=Instead(b.accelerators, b.clock, gain))
    return told
