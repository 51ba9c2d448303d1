"""The answer of a run for a terminal of 80 columns or more; reads the same without colour."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulator.plan.ladder import offered
from simulator.plan.levers import Lever
from simulator.plan.model import Plan, Rung
from simulator.plan.tornado import Bar
from simulator.report.pools import curtailed, dealt, without
from simulator.report.queued import queued
from simulator.report.tables import table
from simulator.report.unfinished import stuck
from simulator.report.upkeep import upkeep
from simulator.report.words import (
    carbon,
    count,
    days,
    duration,
    energy,
    money,
    percent,
    power,
    tokens,
    training_rate,
)
from simulator.results.ensemble import Ensemble, Statistic
from simulator.results.expectations import Verdict
from simulator.results.projection import Projection
from simulator.results.queue import QueueSummary
from simulator.results.summary import JobSummary, Summary
from simulator.units import DAY, HOUR, MEGA, TONNE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answer", "answer", "headline"]


@dataclass(frozen=True)
class Answer:
    """All that the text of one run shows."""

    plan: Plan
    summary: Summary
    ensemble: Ensemble | None
    projections: tuple[Projection, ...]
    interruptions: pd.DataFrame
    levers: Sequence[Lever]
    verdicts: Sequence[Verdict]
    folder: str | None
    notes: str = ""
    tornado: Sequence[Bar] = ()
    queue: QueueSummary | None = None
    queue_notes: tuple[str, ...] = ()


def _day(iso: str | None) -> str:
    if iso is None:
        return "–"
    try:
        date = dt.date.fromisoformat(iso)
    except ValueError:  # beyond the year 9999
        return iso
    return f"{date.day} {date:%B} {date.year}"


def headline(shown: Answer) -> str:
    """The answer in a sentence or two."""
    summary = shown.summary
    if shown.ensemble is not None and len(shown.ensemble) > 1:
        return _of_many(shown, shown.ensemble)
    if summary.finished:
        return (
            f"Finishes on {_day(summary.finish_date)}, after {days(summary.time_to_train_s)}, "
            f"for {money(summary.cost_usd)} ({money(summary.cost_usd_per_million_tokens)} per million tokens)."
        )
    return _unfinished(shown)


def _unfinished(shown: Answer) -> str:
    plan, summary = shown.plan, shown.summary
    end = dt.timedelta(seconds=summary.wall_time_s)
    said = (
        f"Does not finish within {days(plan.horizon)}: {percent(summary.done)} of {tokens(summary.tokens_target)} "
        f"trained by {_day((plan.start + end).isoformat())}, for {money(summary.cost_usd)}."
    )
    if summary.projected_time_to_train_s is not None:
        stretch = max(summary.wall_time_s - min(projection.since for projection in shown.projections), 0.0)
        return (
            f"{said} Carried on at the rate of its last {days(stretch)} it would have needed "
            f"{days(summary.projected_time_to_train_s)} in all (until {_day(summary.projected_finish_date)}) "
            f"and about {money(summary.projected_cost_usd)}."
        )
    return f"{said} {stuck(plan, shown.projections)}"


def _of_many(shown: Answer, ensemble: Ensemble) -> str:
    found, plan = ensemble.statistics, shown.plan
    finished = sum(summary.finished for summary in ensemble.summaries)
    ran = f"{len(ensemble)} runs" + (f" of {ensemble.asked} asked for" if len(ensemble) < ensemble.asked else "")
    time, cost = found["time_to_train_s"], found["cost_usd"]
    if time.p50 is None:
        said = f"{finished} of {ran} finish within {days(plan.horizon)}"
        if shown.summary.finished:
            return f"{said}; the first one does on {_day(shown.summary.finish_date)}."
        return f"{said}. The first one: {_unfinished(shown)}"
    late = f"; only {finished} of {len(ensemble)} finish in time"
    by = late if time.p95 is None else f", 95 % by {_date(plan, time.p95)}"
    return (
        f"Half of {ran} finish by {_date(plan, time.p50)}{by}: after {days(time.p50)}, for {money(cost.p50)} "
        f"({money(found['cost_usd_per_million_tokens'].p50)} per million tokens)."
    )


def _date(plan: Plan, seconds: float | None) -> str:
    return "–" if seconds is None else _day((plan.start + dt.timedelta(days=int(seconds / DAY))).isoformat())


_KEYS = (
    ("time to train", "time_to_train_s", duration),
    ("tokens per second", "tokens_per_second", training_rate),
    ("MFU", "mfu", percent),
    ("goodput", "goodput", percent),
    ("interruptions", "interruptions", count),
    ("MTTI", "mtti_s", duration),
    ("cost", "cost_usd", money),
    ("per million tokens", "cost_usd_per_million_tokens", money),
    ("energy", "energy_MWh", energy),
    ("peak power", "peak_power_MW", power),
    ("carbon", "carbon_tCO2e", carbon),
)


_METRICS: dict[str, tuple[Callable[[float | None], str], float]] = {
    "time_to_train": (duration, 1.0),
    "cost": (money, 1.0),
    "cost_per_million_tokens": (money, 1.0),
    "goodput": (percent, 1.0),
    "mfu": (percent, 1.0),
    "tokens_per_second": (training_rate, 1.0),
    "energy": (energy, MEGA * HOUR),
    "peak_power": (power, MEGA),
    "carbon": (carbon, TONNE),
    "interruptions": (count, 1.0),
    "mtti": (duration, 1.0),
}


def _key_numbers(shown: Answer) -> RenderableType:
    if shown.ensemble is not None and len(shown.ensemble) > 1:
        return _key_spread(shown.ensemble.statistics, len(shown.ensemble))
    summary = shown.summary
    remarks = {
        "time to train": "" if summary.finished else f"not finished within {duration(summary.wall_time_s)}",
        "tokens per second": "mean while training",
        "MFU": f"while training; {percent(summary.mfu_planned)} planned at the size it ran on",
        "goodput": f"= {percent(summary.availability)} availability × {percent(summary.runtime_goodput)} at run time",
        "MTTI": "running time between interruptions",
    }
    made = table("", "", "", right=(1,))
    for name, field, write in _KEYS:
        made.add_row(name, write(getattr(summary, field)), Text(remarks.get(name, ""), style="dim"))
    return made


def _key_spread(found: dict[str, Statistic], replicas: int) -> RenderableType:
    made = table("", "median", "P5", "P95", "mean", "± s.e.", title="", right=(1, 2, 3, 4, 5))
    for name, field, write in _KEYS:
        one = found[field]
        even = one.mean is not None and one.standard_error is not None and one.standard_error <= 1e-6 * abs(one.mean)
        error = "none" if even else write(one.standard_error)
        made.add_row(name, *(write(value) for value in (one.p50, one.p5, one.p95, one.mean)), error)
    return made


def _is_many(shown: Answer) -> bool:
    return shown.ensemble is not None and len(shown.ensemble) > 1


def _chances(shown: Answer) -> str:
    """By which dates the runs end: the chance to have finished when each is over."""
    assert shown.ensemble is not None
    times = sorted(s.time_to_train_s for s in shown.ensemble.summaries if s.time_to_train_s is not None)
    total = len(shown.ensemble)
    told: dict[str, float] = {}
    for share in (0.05, 0.5, 0.95):
        position = max(0, math.ceil(share * total) - 1)
        if position < len(times):
            day = int(times[position] / DAY)
            told[_date(shown.plan, times[position])] = sum(int(time / DAY) <= day for time in times) / total
    said = " · ".join(f"{date} {percent(chance)}" for date, chance in told.items())
    return said or "none of the runs finishes"


def _where_time_went(shown: Answer) -> Table:
    useful, lost = _mean(shown, "useful_s"), _means(shown, "lost_s")
    wall = useful + sum(lost.values())
    made = table("wall time, mean" if _is_many(shown) else "wall time", "", "", right=(1, 2))
    made.add_row("useful", duration(useful), percent(useful / wall if wall else 0))
    for activity, seconds in sorted(lost.items(), key=lambda item: -item[1]):
        if seconds > 0:
            made.add_row(activity, duration(seconds), percent(seconds / wall))
    return made


def _what_it_cost(shown: Answer) -> Table:
    rows = _means(shown, "cost_rows_usd")
    total = sum(rows.values())
    made = table("cost, mean" if _is_many(shown) else "cost", "", "", right=(1, 2))
    for row, usd in sorted(rows.items(), key=lambda item: -item[1]):
        if usd > 0:
            made.add_row(row, money(usd), percent(usd / total))
    made.add_row("total", money(total), "")
    if shown.summary.purchase_usd:
        life = duration(shown.plan.tariff.life)
        made.add_row("bought for", money(shown.summary.purchase_usd), f"over {life}")
    return made


def _mean(shown: Answer, field: str) -> float:
    """A number of the summary; over replicas its mean, because means add up and medians do not."""
    if shown.ensemble is None or not _is_many(shown):
        return float(getattr(shown.summary, field))
    return shown.ensemble.statistics[field].mean or 0.0


def _means(shown: Answer, field: str) -> dict[str, float]:
    """The same for a mapping of the summary."""
    own = getattr(shown.summary, field)
    if shown.ensemble is None or not _is_many(shown):
        return dict(own)
    return {key: shown.ensemble.statistics[f"{field}.{key}"].mean or 0.0 for key in own}


def _what_stopped_it(shown: Answer) -> str:
    rows = shown.interruptions.to_dict("records")
    told = [f"{row['cause']} {row['interruptions']:,}× ({duration(row['time_d'] * DAY)})" for row in rows[:6]]
    rest = len(rows) - len(told)
    return " · ".join(told) + (f" · {rest} more" if rest > 0 else "") if told else "nothing"


def _layout(rung: Rung) -> str:
    total = rung.step.total
    parts = sorted(rung.step.parts, key=lambda part: -part[1])
    shown = [f"{name} {percent(seconds / total)}" for name, seconds in parts if abs(seconds) >= 0.01 * total]
    layout = "; ".join(filter(None, (str(rung.layout), dealt(rung))))
    slowly = "" if rung.clock == 1 else f" at {percent(rung.clock)} of their clock"
    return f"{count(rung.accelerators)} accelerators{slowly}, {layout}; step {duration(total)}: {', '.join(shown)}"


def _also_ran_on(shown: Answer) -> list[str]:
    """Other sizes on which the first job did more than a fiftieth of its work."""
    job, ended = shown.plan.jobs[0], shown.summary.jobs[0]
    share = [seconds / (sum(ended.worked_s) or 1.0) for seconds in ended.worked_s]
    others = [index for index, part in enumerate(share) if part > 0.02 and index != ended.rung]
    return [
        f"{count(job.rungs[index].accelerators)} accelerators for {percent(share[index])} of the work's time, "
        f"MFU {percent(job.rungs[index].step.mfu)}"
        for index in others
    ]


def _held_back_by(shown: Answer) -> str:
    """The three largest losses between peak and tokens: of the wall time, and of the step in what is left of it."""
    summary, job = shown.summary, shown.summary.jobs[0]
    wall = summary.useful_s + sum(summary.lost_s.values())
    step = shown.plan.jobs[0].rungs[job.rung].step
    losses = {name: seconds / wall for name, seconds in summary.lost_s.items()} if wall else {}
    ideal = ("model arithmetic at peak", "masked attention skipped")
    losses |= {name: summary.goodput * part / step.total for name, part in step.parts if name not in ideal}
    largest = sorted(losses.items(), key=lambda loss: -loss[1])[:3]
    return ", ".join(f"{name} {percent(share)}" for name, share in largest) + " of the time"


def _why_not_more(shown: Answer) -> str:
    """What the largest size that was there half-way through would have made of it, when the job chose a smaller one."""
    job, ended = shown.plan.jobs[0], shown.summary.jobs[0]
    used, middle = job.rungs[ended.rung], shown.summary.wall_time_s / 2
    room = [offered(pool, middle) for pool in shown.plan.pools]
    there = [rung for rung in job.rungs if all(n <= m for n, m in zip(rung.nodes, room, strict=True))]
    largest = max(there, key=lambda rung: rung.accelerators, default=used)
    fewer = 1 - largest.useful_tokens_per_second / used.useful_tokens_per_second
    if largest.accelerators <= used.accelerators or fewer <= 0:
        return ""
    return (
        f"{count(largest.accelerators)} accelerators would be interrupted every {duration(largest.mtti)} and train "
        f"{percent(fewer)} fewer tokens a day"
    )


def _levers(levers: Sequence[Lever]) -> RenderableType:
    """The changes that help most, and what a perfect machine would gain as their bound."""
    made = table("what would help: one change at a time, each planned anew", "sooner by", "saves", right=(1, 2))
    for lever in [lever for lever in levers if not lever.bound][:4] + [lever for lever in levers if lever.bound]:
        sooner = "finishes" if lever.days_saved == inf else duration(lever.days_saved * DAY)
        saves = "–" if isinf(lever.dollars_saved) else money(lever.dollars_saved)
        made.add_row(f"at most, with {lever.name}" if lever.bound else lever.name, sooner, saves)
    return made


def _tornado(bars: Sequence[Bar]) -> RenderableType:
    made = table("what moves the finish most, in expectation", "halved", "doubled", right=(1, 2))
    for bar in bars[:2]:
        made.add_row(bar.name, *(f"{days:+.1f} d" for days in (bar.halved_d, bar.doubled_d)))
    return made


def _verdicts(verdicts: Sequence[Verdict]) -> RenderableType:
    made = table("expected", "", "got", right=(2,))
    for verdict in verdicts:
        value = verdict.value
        write, unit = _METRICS[verdict.expectation.metric]
        got = "not finished" if value is None else "none" if value == inf else write(value / unit)
        share = "" if verdict.share in (0.0, 1.0) else f"  ({percent(verdict.share)} of the runs meet it)"
        mark = Text("met" if verdict.met else "MISSED", style="" if verdict.met else "bold")
        made.add_row(str(verdict.expectation), mark, f"{got}{share}")
    return made


def _jobs(jobs: Sequence[JobSummary]) -> RenderableType:
    made = table("job", "finishes on", "time to train", "trained", "goodput", "interruptions", right=(2, 3, 4, 5))
    for job in jobs:
        done, took = percent(job.tokens / job.tokens_target), duration(job.time_to_train_s)
        made.add_row(job.name, _day(job.finish_date), took, done, percent(job.goodput), count(job.interruptions))
    return made


def _labelled(pairs: Sequence[tuple[str, str]]) -> Table:
    made = table("", "")
    for label, said in pairs:
        made.add_row(Text(label, style="dim"), said)
    return made


def answer(shown: Answer) -> RenderableType:
    """The whole answer, the headline first and the details after it."""
    plan = shown.plan
    below = Table.grid(padding=(0, 4, 0, 0))
    below.add_row(_where_time_went(shown), _what_it_cost(shown))
    lines = [("finished by", _chances(shown)) if _is_many(shown) else ("stopped by", _what_stopped_it(shown))]
    if plan.recorded is not None:
        lines.append(("failures", plan.recorded.mapping))
    label = "ran on" if len(plan.jobs) == 1 else "{} ran on"
    lines += [
        (label.format(job.name), _layout(job.rungs[ended.rung]))
        for job, ended in zip(plan.jobs[:3], shown.summary.jobs, strict=False)
    ]
    lines += [("also on", said) for said in _also_ran_on(shown)]
    lines += [
        ("capped", said)
        for job, ended in zip(plan.jobs[:1], shown.summary.jobs, strict=False)
        if (said := curtailed(job.rungs[ended.rung]))
    ]
    lines += [("left out", said) for job in plan.jobs[:1] if (said := without(job))]
    lines += upkeep(shown)
    lines.append(("held back by", _held_back_by(shown)))
    lines += [("why not more", said) for said in [_why_not_more(shown)] if said]
    parts: list[RenderableType] = [
        Text(f"{plan.name}: {plan.question}", style="dim"),
        Text(headline(shown), style="bold"),
        "",
        _key_numbers(shown),
        "",
        below,
        "",
        _labelled(lines),
    ]
    if len(plan.jobs) > 1:
        parts += ["", _jobs(shown.summary.jobs[:10])]
    if shown.tornado:
        parts += ["", _tornado(shown.tornado)]
    if shown.queue is not None:
        parts += ["", *queued(shown.queue, shown.queue_notes)]
    helpful = [lever for lever in shown.levers if lever.days_saved > 0]
    if helpful:
        parts += ["", _levers(helpful)]
    if shown.verdicts:
        parts += ["", _verdicts(shown.verdicts)]
    if shown.notes:
        parts += ["", Text(" ".join(shown.notes.split()), style="dim")]
    if shown.folder:
        parts += ["", f"files: {shown.folder}/ (dashboard.png, summary.json, timeline.csv and more)"]
    return Group(*parts)
