"""One scenario at many sizes: time and cost against the number of accelerators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simulator.errors import PlanError
from simulator.hardware import Node
from simulator.plan import plan
from simulator.results.columns import names
from simulator.scenario import Scenario
from simulator.study.replicate import replicate
from simulator.units import DAY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["curve"]


def curve(scenario: Scenario, accelerators: Sequence[int], *, replicas: int = 5) -> pd.DataFrame:
    """The scenario's first pool at each size, all there on the first day, spares on top; one row a size.

    Median, P5 and P95 are over the replicas.  A size on which the job cannot run has a row that says why.
    """
    import pandas as pd

    rows = [
        {"scenario": scenario.name, "accelerators": size, **_row(scenario, size, replicas)} for size in accelerators
    ]
    return pd.DataFrame(rows, columns=names("curve"))


def _sized(scenario: Scenario, accelerators: int) -> Scenario:
    first = scenario.cluster.pools[0]
    needed = math.ceil(accelerators / Node.load(first.node).accelerators)
    bought = math.ceil(needed / (1 - scenario.cluster.spares))
    pool = first.model_copy(update={"arrivals": {scenario.start: bought}})
    jobs = tuple(job.model_copy(update={"accelerators": accelerators}) for job in scenario.jobs)
    cluster = scenario.cluster.model_copy(update={"pools": (pool,)})
    return scenario.model_copy(update={"cluster": cluster, "jobs": jobs})


def _row(scenario: Scenario, accelerators: int, replicas: int) -> dict[str, Any]:
    try:
        planned = plan(_sized(scenario, accelerators))
    except PlanError as impossible:
        return {"problem": str(impossible)}
    statistics = replicate(planned, replicas).ensemble.statistics
    days, cost = statistics["projected_time_to_train_s"], statistics["projected_cost_usd"]
    return {
        "time_to_train_d": _over(days.p50, DAY),
        "time_to_train_p5_d": _over(days.p5, DAY),
        "time_to_train_p95_d": _over(days.p95, DAY),
        "cost_usd": cost.p50,
        "cost_p5_usd": cost.p5,
        "cost_p95_usd": cost.p95,
        "goodput": statistics["goodput"].p50,
        "mfu": statistics["mfu"].p50,
        "problem": "",
    }


def _over(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
