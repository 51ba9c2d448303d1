"""Frames that tell one run: state over time, events, where the time went, what it cost."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from simulator.economics import Bill, bill
from simulator.engine.log import Activity, Interval, Log, Tally
from simulator.plan.model import Plan
from simulator.results.columns import names
from simulator.results.series import Series, series
from simulator.units import DAY, HOUR, MEGA

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LOST", "activity_seconds", "bill_of", "bill_rows", "costs", "dates", "events", "interruptions", "ledger",
    "timeline", "wall_time",
]  # fmt: skip

LOST = tuple(activity for activity in Activity if activity is not Activity.COMPUTE)
_FAILED = ("interruption", "setback")
_STOPS = (*_FAILED, "planned stop")
_AFTER_A_STOP = {Activity.WASTED, Activity.RECOVERY, Activity.RESTORE, Activity.WAITING, Activity.PLANNED}


def dates(plan: Plan, seconds: Sequence[float] | np.ndarray) -> np.ndarray:
    """Moments as calendar dates, to the second; they reach beyond the year 2262, where nanoseconds end."""
    start = np.datetime64(plan.start.isoformat(), "s")
    moments: np.ndarray = start + np.rint(np.asarray(seconds, dtype=float)).astype("timedelta64[s]")
    return moments


def power_cap(plan: Plan, time: np.ndarray) -> np.ndarray:
    """Facility power available at each moment; NaN without a cap. [W]"""
    if not plan.power:
        return np.full(len(time), np.nan)
    steps = np.array([step.time for step in plan.power])
    watts = np.array([np.nan, *(step.watts for step in plan.power)])
    capped: np.ndarray = watts[np.searchsorted(steps, time, side="right")]
    return capped


def bill_of(plan: Plan, state: Series) -> Bill:
    """What everything cost until the end, spares and broken nodes included."""
    return bill(plan.tariff, state.node_seconds[-1].tolist(), energy_cost=float(energy_cost(plan, state)[-1]))


def energy_cost(plan: Plan, state: Series) -> np.ndarray:
    """Dollars for energy until each row, each source at its price."""
    if not plan.sources:
        return plan.tariff.energy * state.energy
    paid: np.ndarray = state.supplied @ np.array([source.price for source in plan.sources])
    return paid


def carbon(plan: Plan, state: Series) -> float:
    """Emissions until the end, each source at its intensity. [kgCO2e]"""
    if not plan.sources:
        return float(state.energy[-1]) * plan.carbon
    return float(state.supplied[-1] @ np.array([source.carbon for source in plan.sources]))


def costs(plan: Plan, state: Series) -> dict[str, np.ndarray]:
    """Dollars spent until each row of the series, by row of the bill; :func:`simulator.economics.bill` over time."""
    tariff = plan.tariff
    by_node = [field.name for field in fields(Bill) if field.name != "energy"]
    spent = {row: state.node_seconds @ np.array(getattr(tariff, row)) for row in by_node}
    return {**spent, "energy": energy_cost(plan, state)}


def timeline(plan: Plan, log: Log, state: Series | None = None) -> pd.DataFrame:
    """State of cluster, job, meter and bill, one row a change; columns in :data:`~simulator.results.columns.FRAMES`."""
    import pandas as pd

    state = state or series(plan, log)
    pools, jobs = [pool.name for pool in plan.pools], [job.name for job in plan.jobs]
    spent = costs(plan, state)
    accelerators = np.array([pool.accelerators for pool in plan.pools])
    columns: dict[str, np.ndarray] = {
        "date": dates(plan, state.time),
        "elapsed_d": state.time / DAY,
        "installed_nodes": state.installed.sum(1).astype(int),
        "healthy_nodes": state.healthy.sum(1).astype(int),
        "working_nodes": state.working.sum(1).astype(int),
        "working_accelerators": (state.working @ accelerators).astype(int),
        "power_MW": state.power / MEGA,
        "power_cap_MW": power_cap(plan, state.time) / MEGA,
        "energy_MWh": state.energy / (MEGA * HOUR),
        "tokens": state.tokens.sum(1),
        "cost_usd": np.sum(list(spent.values()), axis=0),
    }
    for number, pool in enumerate(pools):
        for kind in ("installed", "healthy", "working"):
            columns[f"{kind}_nodes.{pool}"] = getattr(state, kind)[:, number].astype(int)
    columns |= {f"tokens.{job}": state.tokens[:, number] for number, job in enumerate(jobs)}
    columns |= {f"cost_usd.{row}": usd for row, usd in spent.items()}
    return pd.DataFrame(columns)[names("timeline", pool=pools, job=jobs, row=list(spent))]


def events(plan: Plan, log: Log) -> pd.DataFrame:
    """What happened, in order."""
    import pandas as pd

    time = np.array([event.time for event in log.events], dtype=float)
    return pd.DataFrame(
        {
            "date": dates(plan, time),
            "elapsed_d": time / DAY,
            "kind": [event.kind for event in log.events],
            "job": [event.job for event in log.events],
            "detail": [event.detail for event in log.events],
        },
        columns=names("events"),
    )


def wall_time(log: Log | Tally, job: int) -> float:
    """First node requested to last token trained, or to the end of the run. [s]"""
    end = log.jobs[job]
    return (log.end if end.finished is None else end.finished) - end.first_request


def activity_seconds(log: Log | Tally, job: int) -> dict[Activity, float]:
    """Wall time of one job by activity.  Of a log, sums are exact to the last bit, however many intervals there are."""
    if isinstance(log, Tally):
        return dict(log.spent[job])
    found: dict[Activity, list[float]] = defaultdict(list)
    for number, start, end, activity in log.intervals:
        if number == job:
            found[activity] += (end, -start)
    return {activity: math.fsum(found[activity]) for activity in Activity}


def ledger(plan: Plan, log: Log) -> pd.DataFrame:
    """Where each job's wall time went; the rows of a job add up to its wall time."""
    import pandas as pd

    rows = []
    for number, job in enumerate(plan.jobs):
        wall = wall_time(log, number)
        for activity, seconds in activity_seconds(log, number).items():
            rows.append((job.name, str(activity), seconds, seconds / DAY, seconds / wall if wall else 0.0))
    return pd.DataFrame(rows, columns=names("ledger"))


def bill_rows(plan: Plan, log: Log, state: Series | None = None) -> pd.DataFrame:
    """Dollars by row until the last job's end."""
    import pandas as pd

    spent = bill_of(plan, state or series(plan, log))
    total = spent.total
    rows = [(row, usd, usd / total if total else 0.0) for row, usd in spent.rows().items()]
    return pd.DataFrame(rows, columns=names("bill"))


def _stops(log: Log, job: str) -> list[tuple[float, str, str]]:
    """Moments at which a job was stopped, how, and by what."""
    return [
        (event.time, event.kind, event.detail if event.kind in _FAILED else event.kind)
        for event in log.events
        if event.job == job and event.kind in _STOPS
    ]


def interruptions(plan: Plan, log: Log) -> pd.DataFrame:
    """What stopped the jobs, how often, and the wall time each cause cost.

    Lost work, recovery, waiting and loading belong to the latest stop before them; what comes before any stop, such as
    waiting for the first nodes, belongs to none and is left out.
    """
    import pandas as pd

    count: dict[str, Counter[str]] = defaultdict(Counter)
    cost: dict[str, list[float]] = defaultdict(list)
    for number, job in enumerate(plan.jobs):
        stops = _stops(log, job.name)
        for _, kind, cause in stops:
            count[cause][kind] += 1
        moments = np.array([time for time, _, _ in stops])
        lost = [interval for interval in log.intervals if interval.job == number and interval.activity in _AFTER_A_STOP]
        latest = np.searchsorted(moments, [_belongs_at(interval) for interval in lost], side="right") - 1
        for interval, index in zip(lost, latest, strict=True):
            if index >= 0:
                cost[stops[index][2]] += (interval.end, -interval.start)
    wall = math.fsum(wall_time(log, number) for number in range(len(plan.jobs)))
    seconds = {cause: math.fsum(cost[cause]) for cause in count}
    order = sorted(count, key=lambda cause: (-seconds[cause], cause))
    rows = []
    for cause in order:
        struck, setbacks = count[cause].total() - count[cause]["setback"], count[cause]["setback"]
        rows.append((cause, struck, setbacks, seconds[cause] / DAY, seconds[cause] / wall if wall else 0.0))
    return pd.DataFrame(rows, columns=names("interruptions"))


def _belongs_at(interval: Interval) -> float:
    """The moment that tells whose fault an interval is: lost work ends with the stop, all else begins after it."""
    return interval.end if interval.activity is Activity.WASTED else interval.start
