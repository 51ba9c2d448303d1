"""The checkpoint interval, the spares and the standbys that do best, and how flat that is."""

from __future__ import annotations

import math
from io import StringIO
from itertools import pairwise

import pytest
from rich.console import Console

from simulator import scenario as scenarios
from simulator.plan import outlook, plan
from simulator.report.tuned import as_dict, tuned
from simulator.study.tune import _intervals, poisson_quantile, tune
from simulator.units import DAY

BUSY = (
    "jobs.llama.tokens=1.5 Ttoken",
    "failures.scale=6",
    "failures.warm=40 min",
    "cluster.pools.h100.arrivals={2024-04-01: 2304}",
    "horizon=300 d",
)
SHORT = ["jobs.llama.tokens=2 Ttoken", "checkpoint.interval=optimal"]


@pytest.fixture(scope="module")
def found():
    return tune(scenarios.read("llama-3-405b", changes=BUSY), goal="time", replicas=2)


@pytest.mark.parametrize("mean", [0.01, 0.7, 12.0, 400.0])
def test_the_quantile_is_the_least_number_that_is_enough(mean):
    def below(n):
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(n + 1))

    n = poisson_quantile(mean, 0.99)
    assert below(n) >= 0.99
    assert n == 0 or below(n - 1) < 0.99


def test_the_best_interval_is_flat_on_both_sides(found):
    best, (low, high) = found.best(found.intervals), found.flat(found.intervals)
    assert low < best.value < high
    ends = found.intervals[0], found.intervals[-1]
    assert all(end.days > 1.01 * best.days for end in ends)


def test_no_spares_are_worse_than_some_where_much_breaks(found):
    assert found.spares[0].value == 0
    assert found.best(found.spares).days <= found.spares[0].days


def test_more_kept_hot_never_takes_longer_under_the_same_weather(found):
    assert found.standbys[0].value == 0
    times = [trial.days for trial in found.standbys]
    assert all(later <= earlier * 1.002 for earlier, later in pairwise(times))
    assert times[-1] < times[0]
    assert found.hot in [trial.value for trial in found.standbys]


def test_text_and_json_say_the_same(found):
    console = Console(width=80, record=True, file=StringIO())
    console.print(tuned(found))
    said, told = console.export_text(), as_dict(found)
    assert f"{found.hot} hot standby" in said
    assert "kept hot (simulated, 2 runs each, same weather)" in said
    assert told["hot_standbys"]["best"] == found.hot
    assert told["hot_standbys"]["within_1_percent"] == found.flat(found.standbys)
    assert told["interval_s"]["best"] == found.interval.value
    assert told["interval_s"]["keep_as_it_is"] == found.keeps_rule


def test_trials_are_of_the_sizes_a_growing_cluster_runs_on():
    """And no one interval is better than the best of each size."""
    scenario = scenarios.read("colossus")
    made = plan(scenario)
    best = min(trial.days for trial in _intervals(scenario, made))
    ahead = outlook(made).finish / DAY
    assert ahead < best < 1.05 * ahead


def test_a_rule_that_beats_every_interval_is_kept_and_a_bad_interval_is_not():
    assert tune(scenarios.read("llama-3-405b", changes=SHORT), replicas=1).keeps_rule
    bad = tune(scenarios.read("llama-3-405b", changes=[*SHORT, "checkpoint.interval=3 h"]), replicas=1)
    assert not bad.keeps_rule
    assert bad.interval.days < bad.as_it_is.days
    assert bad.as_it_is.value == 3 * 3600
