"""One scenario in closed form and in one flat row: what a study of thousands of what-ifs computes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.errors import SimulatorError
from simulator.plan.build import plan
from simulator.plan.outlook import outlook
from simulator.scenario import Scenario
from simulator.units import DAY, HOUR, MEGA, TONNE

__all__ = ["Point", "point", "points"]


@dataclass(frozen=True, slots=True)
class Point:
    """What is expected of a scenario; nothing is drawn.

    ``accelerators`` to ``mtti_h`` are of the best size of the first job, which has priority; what follows is of all
    jobs until the last one ends, on the nodes and the power of each day, and None where that is never.
    """

    accelerators: int
    layout: str
    step_time_s: float
    mfu: float
    tokens_per_second: float  # while it computes
    mtti_h: float | None  # None: nothing ever fails
    goodput: float  # expected share of the jobs' time that is useful
    finished: bool  # within the horizon
    finish_date: str | None
    time_to_train_d: float | None
    cost_usd: float | None
    cost_usd_per_million_tokens: float | None
    energy_MWh: float | None  # noqa: N815  the unit's own spelling
    peak_power_MW: float  # noqa: N815
    carbon_tCO2e: float | None  # noqa: N815


def point(scenario: Scenario) -> Point:
    """The closed-form answer to one scenario: :func:`simulator.plan.plan` of its healthy sizes, and its outlook.

    Raises
    ------
    PlanError
        The plan cannot work: by how much, and what would help.
    """
    made = plan(scenario, degraded=False)
    ahead, best = outlook(made), made.jobs[0].rungs[0]
    ends = math.isfinite(ahead.finish)
    tokens = sum(job.tokens for job in made.jobs)
    return Point(
        accelerators=best.accelerators,
        layout=str(best.layout),
        step_time_s=best.step.total,
        mfu=best.step.mfu,
        tokens_per_second=best.tokens_per_second,
        mtti_h=best.mtti / HOUR if math.isfinite(best.mtti) else None,
        goodput=ahead.goodput,
        finished=ahead.finish <= made.horizon,
        finish_date=_date(made.start, ahead.finish),
        time_to_train_d=ahead.finish / DAY if ends else None,
        cost_usd=ahead.cost if ends else None,
        cost_usd_per_million_tokens=ahead.cost / (tokens / MEGA) if ends else None,
        energy_MWh=ahead.energy / (MEGA * HOUR) if ends else None,
        peak_power_MW=ahead.peak / MEGA,
        carbon_tCO2e=ahead.carbon / TONNE if ends else None,
    )


def points(scenarios: Iterable[Scenario]) -> list[Point | SimulatorError]:
    """The closed-form answer to each scenario, in their order; where one cannot be planned, the reason instead.

    Each is what :func:`point` says of it alone.  Some thousand a second where neighbours share machine and model, since
    what depends on these only is computed once a process; :func:`simulator.scenario.vary` makes variants as fast.
    """
    found: list[Point | SimulatorError] = []
    for scenario in scenarios:
        try:
            found.append(point(scenario))
        except SimulatorError as impossible:
            found.append(impossible)
    return found


def _date(start: dt.date, seconds: float) -> str | None:
    """ISO date so many seconds on; None beyond the calendar."""
    try:
        return (start + dt.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return None
