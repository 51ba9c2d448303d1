"""Whether a run keeps what its scenario's ``expect:`` lines ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from simulator.results.ensemble import statistic
from simulator.results.summary import Summary
from simulator.scenario.expectation import Expectation
from simulator.units import HOUR, MEGA, TONNE

__all__ = ["Verdict", "judge", "measured"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation, what came out (the median of the replicas) and the share of replicas that meet it."""

    expectation: Expectation
    value: float | None  # base units; None: the run did not get far enough to have it
    met: bool
    share: float


def measured(summary: Summary, metric: str) -> float | None:
    """A metric of ``expect:`` in base units.  What a run that did not finish would still have added is not known."""
    total = {
        "time_to_train": summary.time_to_train_s,
        "cost": summary.cost_usd,
        "energy": summary.energy_MWh * MEGA * HOUR,
        "carbon": summary.carbon_tCO2e * TONNE,
        "interruptions": float(summary.interruptions),
        "cost_per_million_tokens": summary.cost_usd_per_million_tokens,
        "goodput": summary.goodput,
    }
    if metric in total:
        return total[metric] if summary.finished else None
    return {
        "mfu": summary.mfu,
        "tokens_per_second": summary.tokens_per_second,
        "peak_power": summary.peak_power_MW * MEGA,
        "mtti": inf if summary.mtti_s is None else summary.mtti_s,
    }[metric]


def judge(expectations: Sequence[Expectation], summaries: Sequence[Summary]) -> tuple[Verdict, ...]:
    """Each expectation against the run, or against the median of the replicas."""
    found = []
    for expectation in expectations:
        values = [measured(summary, expectation.metric) for summary in summaries]
        middle = statistic(values).p50
        kept = sum(value is not None and expectation.holds(value) for value in values)
        met = middle is not None and expectation.holds(middle)
        found.append(Verdict(expectation, middle, met, kept / len(values)))
    return tuple(found)
