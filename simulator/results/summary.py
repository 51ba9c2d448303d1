"""One run in some thirty numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from simulator.engine.log import Activity, Log, Tally
from simulator.plan.model import Plan
from simulator.results.projection import project
from simulator.results.series import Series, course, series
from simulator.results.timeline import LOST, activity_seconds, bill_of, carbon, dates, energy_cost, wall_time
from simulator.units import DAY, HOUR, MEGA, TONNE

__all__ = ["JobSummary", "Summary", "summarise"]


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One job of a run."""

    name: str
    model: str
    finished: bool
    finish_date: str | None
    time_to_train_s: float | None
    tokens: float
    tokens_target: float
    goodput: float
    interruptions: int
    rung: int  # of the job's ladder, on which it worked longest
    worked_s: tuple[float, ...]  # work that was kept, by rung of the ladder


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer of one run.  Over several jobs, times are from the first request to the last end and shares are of
    the jobs' wall time together.

    ``goodput = availability × runtime_goodput``; times ``program_goodput`` it is the share of the working peak that
    went into the model's arithmetic.  Each factor divides what the one before passed.
    """

    name: str
    scenario: str  # digest
    seed: int
    start: str
    finished: bool
    finish_date: str | None
    time_to_train_s: float | None
    wall_time_s: float  # until the end, finished or not
    tokens: float
    tokens_target: float
    tokens_per_second: float  # mean while training
    mfu: float  # mean while training
    mfu_planned: float  # of the size at which the first job worked longest
    goodput: float
    availability: float  # share of the wall time in which the job's nodes were there
    runtime_goodput: float  # useful share of that
    program_goodput: float  # MFU of the useful time
    interruptions: int
    mtti_s: float | None  # running time over interruptions; None: none happened
    lost_s: Mapping[str, float]  # by activity
    useful_s: float
    cost_usd: float
    cost_rows_usd: Mapping[str, float]
    cost_usd_per_million_tokens: float | None
    purchase_usd: float  # of all machines installed by the end and their network; the cost writes off a part of it
    energy_MWh: float  # noqa: N815  the unit's own spelling
    peak_power_MW: float  # noqa: N815
    carbon_tCO2e: float  # noqa: N815
    installed_accelerator_hours: float
    projected_time_to_train_s: float | None  # time to train, carried on at the last rate if unfinished
    projected_finish_date: str | None
    projected_cost_usd: float | None
    jobs: tuple[JobSummary, ...]
    faults: int = 0  # nodes that broke
    spares_used: int = 0  # of them, lost by a job and replaced at once
    nodes_down_mean: float = 0.0
    nodes_down_p99: int = 0  # broken at most for 99 % of the time: the spares that would have been needed
    crew_hours: float = 0.0  # hands at work
    crews_busy: float | None = None  # share of the crews' time; None: crews without number
    crew_wait_h: float = 0.0  # nodes waiting for hands
    lost_accelerator_hours: Mapping[str, float] = field(default_factory=dict)  # by cause: work lost, recovery, waiting
    energy_MWh_by_source: Mapping[str, float] = field(default_factory=dict)  # noqa: N815  where the site names them
    lost_usd: Mapping[str, float] = field(
        default_factory=dict
    )  # the same at what an accelerator costs an hour, energy aside

    @property
    def done(self) -> float:
        """Share of the tokens that was trained."""
        return self.tokens / self.tokens_target

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, units in the names."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        jobs = [{one.name: getattr(job, one.name) for one in fields(job)} for job in self.jobs]
        maps = {key: dict(value) for key, value in plain.items() if isinstance(value, Mapping)}
        return {**plain, **maps, "jobs": jobs}


def _trained(plan: Plan, log: Log | Tally) -> tuple[float, float, float]:
    """Seconds of work that was kept, its model FLOPs, and what the dense peak could have done in those seconds."""
    seconds = flops = possible = 0.0
    for job, end in zip(plan.jobs, log.jobs, strict=True):
        for rung, worked in zip(job.rungs, end.worked, strict=True):
            seconds += worked
            flops += worked * rung.step.model_flops / rung.step.total
            possible += worked * rung.step.peak
    return seconds, flops, possible


def _longest(worked: Sequence[float]) -> int:
    """Index of the rung on which most work was done; the best one if there was none."""
    return max(range(len(worked)), key=lambda index: (worked[index], -index))


def _date(plan: Plan, seconds: float | None) -> str | None:
    return None if seconds is None else str(dates(plan, [seconds])[0].astype("datetime64[D]"))


def _job(plan: Plan, log: Log | Tally, number: int, useful: float) -> JobSummary:
    job, end, wall = plan.jobs[number], log.jobs[number], wall_time(log, number)
    return JobSummary(
        name=job.name,
        model=job.model,
        finished=end.finished is not None,
        finish_date=_date(plan, end.finished),
        time_to_train_s=None if end.finished is None else wall,
        tokens=end.tokens,
        tokens_target=job.tokens,
        goodput=useful / wall if wall else 0.0,
        interruptions=end.interruptions,
        rung=_longest(end.worked),
        worked_s=end.worked,
    )


def summarise(plan: Plan, log: Log | Tally, state: Series | None = None) -> Summary:
    """The numbers of one run, from its log or from its books alone."""
    if state is None:
        state = course(log) if isinstance(log, Tally) else series(plan, log)
    books = log if isinstance(log, Tally) else log.tally
    by_job = [activity_seconds(log, number) for number in range(len(plan.jobs))]
    spent = {activity: math.fsum(job[activity] for job in by_job) for activity in Activity}
    wall = math.fsum(wall_time(log, number) for number in range(len(plan.jobs)))
    absent = spent[Activity.WAITING] + spent[Activity.PLANNED]
    useful, present = spent[Activity.COMPUTE], wall - absent
    jobs = tuple(_job(plan, log, number, by_job[number][Activity.COMPUTE]) for number in range(len(plan.jobs)))
    finished = all(job.finished for job in jobs)
    requested = min((job.first_request for job in log.jobs), default=0.0)
    end = float(state.time[-1])
    tokens = math.fsum(job.tokens for job in jobs)
    training, flops, possible = _trained(plan, log)
    spend, energy = bill_of(plan, state), float(state.energy[-1])
    ends = [projection.remaining for projection in project(plan, log, state)]
    extra = None if None in ends else max((more for more in ends if more is not None), default=0.0)
    running = math.fsum(job.running for job in log.jobs)
    stopped = sum(job.interruptions for job in log.jobs)
    mfu = flops / possible if possible else 0.0
    return Summary(
        name=plan.name,
        scenario=plan.scenario,
        seed=log.seed,
        start=plan.start.isoformat(),
        finished=finished,
        finish_date=_date(plan, end) if finished else None,
        time_to_train_s=end - requested if finished else None,
        wall_time_s=end - requested,
        tokens=tokens,
        tokens_target=math.fsum(job.tokens for job in plan.jobs),
        tokens_per_second=tokens / training if training else 0.0,
        mfu=mfu,
        mfu_planned=plan.jobs[0].rungs[jobs[0].rung].step.mfu,
        goodput=useful / wall if wall else 0.0,
        availability=present / wall if wall else 0.0,
        runtime_goodput=useful / present if present > 0 else 0.0,
        program_goodput=mfu,
        interruptions=stopped,
        mtti_s=running / stopped if stopped else None,
        lost_s={str(activity): spent[activity] for activity in LOST},
        useful_s=useful,
        cost_usd=spend.total,
        cost_rows_usd=spend.rows(),
        purchase_usd=math.fsum(n * price for n, price in zip(state.installed[-1], plan.tariff.price, strict=True)),
        cost_usd_per_million_tokens=spend.total / (tokens / MEGA) if tokens else None,
        energy_MWh=energy / (MEGA * HOUR),
        peak_power_MW=(books.peak_power if books is not None else float(state.power.max())) / MEGA,
        carbon_tCO2e=carbon(plan, state) / TONNE,
        energy_MWh_by_source={
            source.name: float(joules) / (MEGA * HOUR)
            for source, joules in zip(plan.sources, state.supplied[-1], strict=True)
        },
        installed_accelerator_hours=_accelerator_hours(plan, state),
        projected_time_to_train_s=None if extra is None else end - requested + extra,
        projected_finish_date=None if extra is None else _date(plan, end + extra),
        projected_cost_usd=None if extra is None else spend.total + extra * _spending(plan, state),
        jobs=jobs,
        **_upkeep(plan, books),
    )


def _upkeep(plan: Plan, books: Tally | None) -> dict[str, Any]:
    """What broke, what stood in for it, and what each cause cost; nothing of a log that no simulation wrote."""
    if books is None:
        return {}
    causes = sorted(books.losses)
    hours = {cause: books.losses[cause].accelerator_seconds / HOUR for cause in causes}
    price = _price_of_an_hour(plan)
    crews = plan.crews
    return {
        "faults": books.faults,
        "spares_used": books.replaced,
        "nodes_down_mean": sum(nodes * seconds for nodes, seconds in books.down.items()) / books.end,
        "nodes_down_p99": _quantile(books.down, 0.99),
        "crew_hours": books.crew_seconds / HOUR,
        "crews_busy": None if crews is None else books.crew_seconds / (crews * books.end),
        "crew_wait_h": books.crew_wait / HOUR,
        "lost_accelerator_hours": hours,
        "lost_usd": {cause: hours[cause] * price for cause in causes},
    }


def _quantile(down: Mapping[int, float], share: float) -> int:
    """Nodes that are broken at most, for such a share of the time."""
    left = share * math.fsum(down.values())
    for nodes in sorted(down):
        left -= down[nodes]
        if left <= 0:
            return nodes
    return max(down, default=0)


def _price_of_an_hour(plan: Plan) -> float:
    """What an accelerator costs an hour while it stands there, all rows but energy; mean over the pools. [USD/h]"""
    tariff = plan.tariff
    rows = (tariff.capital, tariff.network, tariff.facility, tariff.people, tariff.rent)
    dollars = sum(pool.nodes * row[index] for index, pool in enumerate(plan.pools) for row in rows)
    accelerators = sum(pool.nodes * pool.accelerators for pool in plan.pools)
    return dollars / accelerators * HOUR if accelerators else 0.0


def _accelerator_hours(plan: Plan, state: Series) -> float:
    each = np.array([pool.accelerators for pool in plan.pools])
    return float(state.node_seconds[-1] @ each) / HOUR


def _spending(plan: Plan, state: Series) -> float:
    """Dollars per second of the cluster as it stood at the end, at the mean power of its last day or so."""
    first = min(int(np.searchsorted(state.time, state.time[-1] - DAY)), len(state) - 2)
    lasted = float(state.time[-1] - state.time[first]) if len(state) > 1 else 0.0
    power = float(state.energy[-1] - state.energy[first]) / lasted if lasted else float(state.power[-1])
    tariff = plan.tariff
    rows = (tariff.capital, tariff.network, tariff.facility, tariff.people, tariff.rent)
    nodes = state.installed[-1]
    standing = float(sum(nodes @ np.array(row) for row in rows))
    paid = energy_cost(plan, state)
    return standing + (float(paid[-1] - paid[first]) / lasted if lasted else tariff.energy * power)
