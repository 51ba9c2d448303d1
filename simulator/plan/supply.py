"""A site's supplies: what they add up to, which of them a watt comes from, and which failures reach the nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from simulator.economics import Supply
from simulator.plan.model import Domain, PoolPlan, PowerStep, Source
from simulator.plan.parts import Parts, seconds_from
from simulator.plan.power import cap_at, power_steps

__all__ = ["blackouts", "bridged", "mean_blackout", "sources"]


def _steps(parts: Parts, supply: Supply) -> tuple[PowerStep, ...]:
    merged = {seconds_from(parts.scenario.start, date): watts for date, watts in supply.power.items()}
    return tuple(PowerStep(time, watts) for time, watts in sorted(merged.items()))


def sources(parts: Parts) -> tuple[Source, ...]:
    """The supplies that run, the cheapest first, for that is whose power is used first; of a site without any, none."""
    site = parts.site
    free = parts.scenario.money.accelerators == "rented"  # the rent contains the energy
    made = [
        Source(
            name=name,
            steps=_steps(parts, supply),
            price=0.0 if free else site.energy_price if supply.energy_price is None else supply.energy_price,
            carbon=site.carbon if supply.carbon is None else supply.carbon,
        )
        for name, supply in site.supplies.items()
        if not supply.stands_by
    ]
    return tuple(sorted(made, key=lambda source: (source.price, source.name)))


def blackouts(parts: Parts, pools: Sequence[PoolPlan]) -> tuple[Domain, ...]:
    """Failures of supplies that reach the nodes, for each time between two dates and each supply that fails.

    Where a supply fails, D = P − Σ others of the draw P is missing, and the share D / P of the nodes goes dark, unless
    batteries bridge it: for b = E / D if they can deliver D.  With standby generators that cover D after a start s,
    nodes are dark only between b and s.  Failures longer than b come at the rate

        λ e^{−b / L}

    (L the mean length), and last for L more, or L (1 − e^{−(s − b) / L}) until the generators carry on.
    """
    if not any(supply.outages for supply in parts.site.supplies.values()):
        return ()
    kept = {name: (supply, _steps(parts, supply)) for name, supply in parts.site.supplies.items()}
    arrivals = [delivery.time for pool in pools for delivery in pool.deliveries]
    dates = {0.0, *arrivals, *(step.time for _, steps in kept.values() for step in steps)}
    begins = sorted(time for time in dates if time < parts.scenario.horizon)
    found = []
    for begin, end in zip(begins, [*begins[1:], math.inf], strict=True):
        there = {name: cap_at(steps, begin) if steps[0].time <= begin else 0.0 for name, (_, steps) in kept.items()}
        installed = [sum(d.nodes for d in pool.deliveries if d.time <= begin) for pool in pools]
        asked = sum(n * (p.training_power + p.standing_power) for n, p in zip(installed, pools, strict=True))
        draw = min(asked, cap_at(power_steps(parts), begin))
        weighted = sum(n * pool.failure_weight for n, pool in zip(installed, pools, strict=True))
        running = sum(there[name] for name, (supply, _) in kept.items() if not supply.stands_by)
        for name, (supply, _) in kept.items():
            missing = draw - (running - there[name])
            if supply.outages is None or missing <= 0 or draw <= 0 or not there[name]:
                continue
            helpers = [(one, there[other]) for other, (one, _) in kept.items() if one.stands_by and there[other] > 0]
            held, started = bridged(helpers, missing), _started(helpers, missing)
            lasts = supply.outages.lasts
            dark = lasts if math.isinf(started) else lasts * -math.expm1(-max(started - held, 0.0) / lasts)
            rate = math.exp(-held / lasts) / supply.outages.every
            if dark > 0 and rate > 0:
                found.append(Domain(name, weighted, rate, missing / draw, dark, 0.0, whole=True, begin=begin, end=end))
    return tuple(found)


def bridged(helpers: Sequence[tuple[Supply, float]], missing: float) -> float:
    """For how long batteries deliver so much. [s]"""
    batteries = [(supply, watts) for supply, watts in helpers if supply.energy is not None]
    if sum(watts for _, watts in batteries) < missing:
        return 0.0
    return sum(supply.energy or 0.0 for supply, _ in batteries) / missing


def _started(helpers: Sequence[tuple[Supply, float]], missing: float) -> float:
    """When standby generators deliver so much; infinite if they never do. [s]"""
    carried = 0.0
    for start, watts in sorted((supply.start, watts) for supply, watts in helpers if supply.start is not None):
        carried += watts
        if carried >= missing:
            return start
    return math.inf


def mean_blackout(outages: Sequence[Domain], horizon: float) -> tuple[Domain, ...]:
    """The same as one risk that is always there, for expectations: rates as means over the horizon."""
    if not outages:
        return ()
    shares = [(min(one.end, horizon) - one.begin) / horizon * one.rate for one in outages]
    rate = sum(shares)
    dark = sum(share * one.outage for share, one in zip(shares, outages, strict=True)) / rate
    return (Domain("supply", 1, rate, 1.0, dark, 0.0, whole=True),)
