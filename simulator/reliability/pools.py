"""How many stand still at once: the distributions that size spares, and what they keep running.

Letters: ``p`` the chance that one unit is up, ``N`` units, ``m`` the mean number in repair.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

__all__ = ["availability", "elastic_goodput", "in_repair_quantile", "up_quantile"]


def availability(rate: float, repair: float, *, parts: int = 1) -> float:
    """Chance that a unit of ``parts`` parts in series is up, each up (1 + r MTTR)⁻¹ of the time.

    An alternating renewal process: it holds for any distribution of repair times.
    """
    return (1 + rate * repair) ** -parts


def _poisson(mean: float) -> Iterator[float]:
    """P(0), P(1), …"""
    return (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in count())


def in_repair_quantile(mean: float, level: float) -> int:
    """The least S with P(in repair ≤ S) ≥ ``level``: spares that suffice that often.

    Units break independently and are replaced at once, so the number in repair is that of an M/G/∞ queue: Poisson with
    mean N r MTTR, whatever the distribution of repair times.

    Parameters
    ----------
    mean
        N r MTTR, finite.
    level
        Below one.

    Source
    ------
    Palm's theorem; as used for spare pools in the reliability notes this project was built from, section 3.
    """
    if mean == 0:
        return 0
    below = 0.0
    for number, chance in enumerate(_poisson(mean)):
        below += chance
        # Beyond the mean the terms only fall; one that adds nothing ends a sum that rounding keeps below the level.
        if below >= level or (number > mean and chance < 1e-18):
            return number
    raise AssertionError("an endless sum has ended")


def up_quantile(units: int, up: float, level: float) -> int:
    """The largest K with P(units up ≥ K) ≥ ``level``, units independent: binomial.

    Source
    ------
    The model of Google's note on TPU superpods: of 144 cubes 130 are fully up with 95 % confidence.
    """
    if up >= 1:
        return units
    least = 0.0  # P(up ≥ K), summed from the top
    for number in range(units, 0, -1):
        ways = math.lgamma(units + 1) - math.lgamma(number + 1) - math.lgamma(units - number + 1)
        least += math.exp(ways + number * math.log(up) + (units - number) * math.log1p(-up)) if up > 0 else 0.0
        if least >= level:
            return number
    return 0


def elastic_goodput(*, stall: float, outage: float, replicas: int, between: float) -> float:
    """Useful share when one of D replicas drops out at a fault and the others go on after a stall of all.

        G = 1 − (s + o/D) / M

    ``M`` counts from fault to fault, the stall inside; nothing that was trained is lost.

    Source
    ------
    FT-HSDP (arXiv:2602.00277): 18 min between faults, 3 min for all, one of 12 replicas out for 7 min more, 80 %.
    """
    return 1 - (stall + outage / replicas) / between
