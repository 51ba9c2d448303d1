"""What failures asked of the cluster, in a few lines: losses by cause, checkpoints, spares, crews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.reliability import optimal_interval
from simulator.report.words import count, duration, energy, money, percent

if TYPE_CHECKING:
    from simulator.report.text import Answer

__all__ = ["upkeep"]


def upkeep(shown: Answer) -> list[tuple[str, str]]:
    """Label and sentence of each line; over replicas the numbers are means."""
    told = [
        ("lost to", _losses(shown)),
        ("checkpoints", _checkpoints(shown)),
        ("restarts", _restarts(shown)),
        ("spares", _spares(shown)),
        ("power from", _sources(shown)),
    ]
    return [(label, said) for label, said in (*told, ("crews", _crews(shown))) if said]


def _mean(shown: Answer, name: str) -> float | None:
    """Mean over the replicas of a number of the summary; None where one of them has none."""
    if shown.ensemble is not None and len(shown.ensemble) > 1:
        return shown.ensemble.statistics[name].mean if name in shown.ensemble.statistics else None
    field, _, key = name.partition(".")
    value = getattr(shown.summary, field)
    number = value.get(key) if key else value
    return None if number is None else float(number)


def _losses(shown: Answer) -> str:
    """Accelerator-hours and dollars by cause."""
    summaries = shown.ensemble.summaries if shown.ensemble is not None else (shown.summary,)
    causes = {cause for summary in summaries for cause in summary.lost_accelerator_hours}
    found = {cause: _mean(shown, f"lost_accelerator_hours.{cause}") or 0.0 for cause in causes}
    largest = sorted(found, key=lambda cause: (-found[cause], cause))[:3]
    return " · ".join(
        f"{cause} {count(found[cause])} accelerator-hours ({money(_mean(shown, f'lost_usd.{cause}'))})"
        for cause in largest
        if found[cause] > 0
    )


def _checkpoints(shown: Answer) -> str:
    """The interval used, and the best one for the interruptions there were."""
    rung = shown.plan.jobs[0].rungs[shown.summary.jobs[0].rung]
    between = _mean(shown, "mtti_s") if len(shown.plan.jobs) == 1 else None
    work = rung.interval * rung.every
    said = f"every {duration(work)}, {duration(rung.save)} each"
    if rung.every > 1:
        said += f"; in memory every {duration(rung.interval)}, {duration(rung.quick)} each"
    if shown.plan.follow:
        said += "; the interval follows the interruptions"
    elif between and rung.save and rung.every == 1:
        best = max(optimal_interval(rung.save, between), rung.drain, 1.0)
        said += f"; best would be {duration(best)}"
    return said


def _restarts(shown: Answer) -> str:
    """What lies between a fault and training again, stage by stage, at the size the first job ran on."""
    plan = shown.plan
    rung = plan.jobs[0].rungs[shown.summary.jobs[0].rung]
    rates = [(cause.rate * (1 if cause.per_job else sum(rung.nodes)), cause) for cause in plan.causes]
    stops = sum(rate for rate, cause in rates if cause.speed == 1)
    if not stops:
        return ""
    found = sum(rate * cause.detection for rate, cause in rates if cause.speed == 1) / stops
    before = [("found out", found), ("a spare joins", plan.warm if plan.hot == 0 else plan.standby)]
    stages = [*before, *rung.stages, ("load", rung.load)]
    told = " · ".join(f"{name} {duration(seconds)}" for name, seconds in stages if seconds > 0)
    return f"{duration(sum(seconds for _, seconds in stages))}: {told}"


def _spares(shown: Answer) -> str:
    """Lost nodes that a spare replaced, and how many were broken at a time."""
    if not _mean(shown, "faults"):
        return ""
    installed = sum(pool.nodes for pool in shown.plan.pools)
    kept = sum(int(pool.nodes * pool.spare_share) for pool in shown.plan.pools)
    used, mean, most = (_mean(shown, name) for name in ("spares_used", "nodes_down_mean", "nodes_down_p99"))
    if used is None or mean is None or most is None:
        return ""
    return (
        f"{count(round(used))} lost nodes replaced at once; {mean:,.0f} of {count(installed)} broken on average, "
        f"at most {count(round(most))} for 99 % of the time; {count(kept)} kept as spares"
    )


def _sources(shown: Answer) -> str:
    """What each supply delivered, the cheapest first; nothing of a site that names none."""
    made = {source.name: _mean(shown, f"energy_MWh_by_source.{source.name}") or 0.0 for source in shown.plan.sources}
    total = sum(made.values())
    return " · ".join(f"{name} {energy(one)} ({percent(one / total)})" for name, one in made.items() if one > 0)


def _crews(shown: Answer) -> str:
    busy, hours = _mean(shown, "crews_busy"), _mean(shown, "crew_hours")
    if not hours:
        return ""
    if busy is None or shown.plan.crews is None:
        return f"{count(round(hours))} hours of hands, crews without limit"
    wait = _mean(shown, "crew_wait_h") or 0.0
    return f"{count(shown.plan.crews)}, busy for {percent(busy)} of the time; nodes waited {count(round(wait))} hours"
