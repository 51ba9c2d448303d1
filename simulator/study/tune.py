"""The checkpoint interval, the spares and the hot standbys that cost least or take least time, and how flat that is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from simulator.engine import sample
from simulator.errors import PlanError
from simulator.plan import Outlook, Plan, outlook, sizes_to_compare, usual_rung
from simulator.plan import plan as build
from simulator.results.ensemble import statistic
from simulator.results.summary import summarise
from simulator.results.tuned import Goal, Trial, Tuned
from simulator.scenario import Scenario
from simulator.study.replicate import seed_of
from simulator.units import DAY

__all__ = ["poisson_quantile", "tune"]

_FACTORS = tuple(2.0 ** (step / 4) for step in range(-12, 13))  # of the best interval in closed form
_ENOUGH = 0.99


def poisson_quantile(mean: float, level: float) -> int:
    """Smallest n with P(N ≤ n) ≥ level for a Poisson number N.

    The nodes in repair, or on their way, are Poisson whatever the distribution of that time (M/G/∞).
    """
    if mean > 500:  # the normal limit, to a fraction of a node
        return math.ceil(mean + 2.3263 * math.sqrt(mean)) if level == _ENOUGH else math.ceil(mean)
    term = total = math.exp(-mean)
    n = 0
    while total < level:
        n += 1
        term *= mean / n
        total += term
        if term == 0.0:
            break
    return n


def tune(
    scenario: Scenario, *, goal: Goal = "cost", replicas: int = 3, progress: Callable[[int], None] = lambda done: None
) -> Tuned:
    """Try settings and say which is best.

    Intervals are compared in closed form, with the rule that the scenario has as well: where it is better than any one
    interval for all sizes, it is kept.  Spares are simulated, every number of them under the same random numbers, so
    that differences are not noise; so are hot standbys, around the number that follows from the losses in the time that
    a warm one takes to join.

    Parameters
    ----------
    replicas
        Runs for each number of spares or standbys.
    progress
        Hears how many of these numbers have been tried.

    Raises
    ------
    PlanError
        The scenario as it is cannot be planned.
    """
    now = build(scenario)
    rung = now.jobs[0].rungs[0]
    lost = sum(cause.rate * cause.node_lost * cause.evicted for cause in now.causes if not cause.per_job)
    lost *= sum(n * pool.failure_weight for n, pool in zip(rung.nodes, now.pools, strict=True))
    usual = usual_rung(now, now.jobs[0])
    as_it_is = _trial(usual.interval * usual.every, outlook(now))
    hot = poisson_quantile(lost * now.warm, _ENOUGH)
    tuned = Tuned(goal, replicas, now, as_it_is, _intervals(scenario, now), (), (), hot, lost * now.warm)
    if not tuned.keeps_rule:
        scenario = _with_interval(scenario, tuned.interval.value)
    spares = []
    for share in _shares(now):
        spares.append(_lived(_with_spares(scenario, share), share, replicas))
        progress(len(spares))
    tuned = replace(tuned, spares=tuple(spares))
    best, standbys = _with_spares(scenario, tuned.best(tuned.spares).value), []
    for number in sorted({0, (hot + 1) // 2, hot, 2 * hot}):
        standbys.append(_lived(_with_hot(best, number), number, replicas))
        progress(len(spares) + len(standbys))
    return replace(tuned, standbys=tuple(standbys))


def _with_interval(scenario: Scenario, interval: float) -> Scenario:
    return scenario.model_copy(
        update={"checkpoint": scenario.checkpoint.model_copy(update={"interval": float(interval)})}
    )


def _intervals(scenario: Scenario, now: Plan) -> tuple[Trial, ...]:
    """Intervals around the best one in closed form, and what the outlook makes of each."""
    sizes, trials = sizes_to_compare(now), []
    ruled = build(_with_interval_rule(scenario), degraded=False, sizes_of=sizes)
    best = usual_rung(ruled, ruled.jobs[0])
    for factor in _FACTORS:
        interval = best.interval * best.every * factor
        try:
            ahead = outlook(build(_with_interval(scenario, interval), degraded=False, sizes_of=sizes))
        except PlanError:  # shorter than a checkpoint takes
            continue
        trials.append(_trial(interval, ahead))
    return tuple(trials)


def _trial(interval: float, ahead: Outlook) -> Trial:
    return Trial(interval, ahead.finish / DAY, ahead.cost if math.isfinite(ahead.finish) else math.inf)


def _with_interval_rule(scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"checkpoint": scenario.checkpoint.model_copy(update={"interval": "optimal"})})


def _shares(now: Plan) -> list[float]:
    """Shares of spares worth a try: none, and around the share of nodes that is in repair at a time."""
    mean = sum(band.share * band.mean for band in now.repairs)
    load = sum(cause.rate * cause.node_lost * cause.evicted for cause in now.causes if not cause.per_job) * mean
    down = load / (1 + load)
    nodes = max(1.0, sum(pool.nodes for pool in now.pools))
    margin = 2.3263 * math.sqrt(down / nodes)
    tried = {0.0, down, down + margin, down + 2 * margin, 2 * down + margin, now.pools[0].spare_share}
    return sorted(share for share in tried if share < 0.5)


def _with_spares(scenario: Scenario, share: float) -> Scenario:
    return scenario.model_copy(update={"cluster": scenario.cluster.model_copy(update={"spares": share})})


def _with_hot(scenario: Scenario, nodes: int) -> Scenario:
    return scenario.model_copy(update={"failures": scenario.failures.model_copy(update={"hot": nodes})})


def _lived(scenario: Scenario, value: float, replicas: int) -> Trial:
    """Mean time and cost of a scenario in which one thing has such a value."""
    try:
        planned = build(scenario)
    except PlanError:
        return Trial(value, math.inf, math.inf)
    runs = [summarise(planned, sample(planned, seed=seed_of(planned.seed, number))) for number in range(replicas)]
    time = statistic([run.projected_time_to_train_s for run in runs]).mean
    cost = statistic([run.projected_cost_usd for run in runs]).mean
    return Trial(value, math.inf if time is None else time / DAY, math.inf if cost is None else cost)
