"""The engine against what theory says exactly: renewal goodput, queues of repair, and the order of things.

Letters: tau work between checkpoints, C one save, M mean time between interruptions while running, R the way back.
"""

from __future__ import annotations

import math
import statistics
from itertools import pairwise, product

import pytest
from small_plans import job, plan, pool, rung

from simulator.engine import Activity, Log, simulate
from simulator.plan.model import Cause, Repair
from simulator.reliability.checkpoint import expected_goodput, optimal_interval
from simulator.reliability.pools import in_repair_quantile

NODES = 4
SEEDS = 12


def run(tau: float, save: float, between: float, restart: float, *, seed: int, faults: float = 70) -> Log:
    """About so many faults of a job that never ends and loses no node."""
    toy = plan(
        [pool((0.0, NODES))],
        [job(1e15, rung(NODES, interval=tau, save=save, restart=restart, load=0.0))],
        causes=[Cause("software", 1 / (NODES * between), 0.0, 0.0)],
        horizon=faults * between * math.exp(restart / between),
    )
    return simulate(toy, seed=seed)


def cycles(log: Log) -> tuple[float, float, float, int]:
    """Useful, running and all time, and interruptions, from the first interruption to the last."""
    stops = [event.time for event in log.events if event.kind == "interruption"]
    inside = [i for i in log.intervals if stops[0] <= i.start and i.end <= stops[-1]]
    spent = dict.fromkeys(Activity, 0.0)
    for interval in inside:
        spent[interval.activity] += interval.end - interval.start
    running = sum(spent[what] for what in (Activity.COMPUTE, Activity.SAVE, Activity.WASTED))
    return spent[Activity.COMPUTE], running, stops[-1] - stops[0], len(stops) - 1


def agrees(values: list[float], exact: float) -> bool:
    return abs(statistics.fmean(values) - exact) < 4 * statistics.stdev(values) / math.sqrt(len(values)) + 1e-9


GRID = [(tau, save, between, restart) for tau, save, between, restart in product(
    (60.0, 600.0, 3600.0), (0.0, 45.0), (1000.0, 20_000.0), (30.0, 900.0)
) if tau < 3.6 * between]  # fmt: skip


@pytest.mark.parametrize(("tau", "save", "between", "restart"), GRID)
def test_goodput_is_that_of_both_exact_formulas(tau, save, between, restart):
    """Faults at any time (Daly) as it runs; faults only while running when each interruption costs R once."""
    found = [cycles(run(tau, save, between, restart, seed=seed)) for seed in range(SEEDS)]
    given = {"interval": tau, "save": save, "between": between, "restart": restart}
    always = [useful / wall for useful, _, wall, _ in found]
    assert agrees(always, expected_goodput(**given, while_restarting=True))
    running = [useful / (ran + stops * restart) for useful, ran, _, stops in found]
    assert agrees(running, expected_goodput(**given, while_restarting=False))


@pytest.mark.parametrize(("save", "between"), [(5.0, 2_000.0), (60.0, 20_000.0), (400.0, 2_000.0)])
def test_no_interval_trains_more_than_the_optimum(save, between):
    """The same faults strike all three: only the interval differs."""
    best = optimal_interval(save, between)

    def trained(interval):
        return [run(interval, save, between, 60.0, seed=seed).jobs[0].tokens for seed in range(SEEDS)]

    at_best = trained(best)
    for factor in (0.4, 2.5):
        lost = [good - other for good, other in zip(at_best, trained(factor * best), strict=True)]
        assert statistics.fmean(lost) > 0


def down(log: Log, after: float) -> dict[int, float]:
    """Share of the time with so many nodes in repair."""
    spent: dict[int, float] = {}
    for one, other in pairwise(log.samples):
        broken = sum(one.installed) - sum(one.healthy)
        spent[broken] = spent.get(broken, 0.0) + max(0.0, other.time - max(one.time, after))
    total = sum(spent.values())
    return {broken: time / total for broken, time in spent.items()}


MIXTURES = {
    "all alike": [Repair("part", 1.0, 50_000.0)],
    "mostly quick, some for ever": [Repair("reset", 0.9, 500.0), Repair("return", 0.1, 495_500.0)],
}


@pytest.mark.parametrize("repairs", MIXTURES.values(), ids=MIXTURES)
def test_the_number_in_repair_is_binomial_whatever_the_repair_times(repairs):
    """M/G/∞ with a finite source: only the mean of the repair time counts; for few broken of many it is Poisson."""
    nodes, rate, horizon = 100, 4e-7, 4e7
    load = rate * 50_000
    up = 1 / (1 + load)
    toy = plan([pool((0.0, nodes))], [job(1e9, rung(nodes + 1))], causes=[Cause("gpu", rate, 1.0, 0.0)],
               repairs=repairs, horizon=horizon)  # fmt: skip
    shares = [down(simulate(toy, seed=seed), after=horizon / 10) for seed in range(SEEDS)]
    for number in range(6):
        exact = math.comb(nodes, number) * (1 - up) ** number * up ** (nodes - number)
        assert agrees([share.get(number, 0.0) for share in shares], exact)
    mean = {number: statistics.fmean(share.get(number, 0.0) for share in shares) for number in range(20)}
    quantile = in_repair_quantile(nodes * load, 0.95)
    assert sum(mean[number] for number in range(quantile + 2)) > 0.95 > sum(mean[n] for n in range(quantile - 1))


def repairman(nodes: int, crews: int, load: float) -> list[float]:
    """Chance of k broken of N with c crews, at load r·T: p(k) ∝ N!/(N−k)! · load^k / (k! or c! c^(k−c))."""
    weights = []
    for k in range(nodes + 1):
        served = math.factorial(k) if k <= crews else math.factorial(crews) * crews ** (k - crews)
        weights.append(math.perm(nodes, k) * load**k / served)
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize("crews", [1, 2, 4, 40])
def test_nodes_broken_with_few_crews_are_those_of_the_machine_repairman(crews):
    """M/M/c with a finite source."""
    nodes, rate, hands, horizon = 40, 1e-6, 30_000.0, 6e7
    toy = plan([pool((0.0, nodes))], [job(1e9, rung(nodes + 1))], causes=[Cause("gpu", rate, 1.0, 0.0)],
               repairs=[Repair("part", 1.0, hands, hands)], horizon=horizon, crews=crews)  # fmt: skip
    shares = [down(simulate(toy, seed=seed), after=horizon / 10) for seed in range(SEEDS)]
    exact = repairman(nodes, crews, rate * hands)
    for number in range(8):
        assert agrees([share.get(number, 0.0) for share in shares], exact[number])


@pytest.mark.parametrize("spares", [0, 2, 5])
def test_a_job_that_cannot_shrink_waits_while_more_nodes_are_broken_than_there_are_spares(spares):
    nodes, rate, repair = 30, 1e-6, 60_000.0
    total = nodes + spares
    up = 1 / (1 + rate * repair)
    toy = plan(
        [pool((0.0, total), spare_share=(spares + 0.5) / total)],
        [job(1e15, rung(nodes, interval=1e5, save=0.0, restart=0.0, load=0.0))],
        causes=[Cause("gpu", rate, 1.0, 0.0)],
        repairs=[Repair("part", 1.0, repair)],
        standby=0.0,
        horizon=2e7,
    )
    waited = []
    for seed in range(SEEDS):
        log = simulate(toy, seed=seed)
        waited.append(sum(i.end - i.start for i in log.intervals if i.activity is Activity.WAITING) / log.end)
    exact = sum(math.comb(total, k) * (1 - up) ** k * up ** (total - k) for k in range(spares + 1, total + 1))
    assert agrees(waited, exact)


def wall(**changes: float) -> list[float]:
    """Time to train under the same faults, with one thing worse."""
    settings = {"tau": 600.0, "save": 10.0, "restart": 100.0, "load": 20.0, "between": 5_000.0, "detection": 30.0}
    now = settings | changes
    toy = plan(
        [pool((0.0, NODES))],
        [job(400.0 * 300_000, rung(NODES, interval=now["tau"], save=now["save"], restart=now["restart"],
                                   load=now["load"]))],
        causes=[Cause("software", 1 / (NODES * now["between"]), 0.0, now["detection"])],
        horizon=1e8,
    )  # fmt: skip
    return [simulate(toy, seed=seed).jobs[0].finished or math.inf for seed in range(SEEDS)]


@pytest.mark.parametrize("worse", [{"save": 60.0}, {"restart": 900.0}, {"load": 400.0}, {"detection": 600.0},
                                   {"between": 1_500.0}])  # fmt: skip
def test_nothing_that_costs_more_ends_sooner_in_the_mean(worse):
    assert statistics.fmean(wall(**worse)) > 1.01 * statistics.fmean(wall())


def test_half_the_time_between_faults_comes_with_twice_the_nodes():
    """One rate per node: a job of twice the size is stopped twice as often."""

    def stops(nodes):
        toy = plan([pool((0.0, nodes))], [job(1e15, rung(nodes, restart=0.0, load=0.0))],
                   causes=[Cause("software", 1e-6, 0.0, 0.0)], horizon=2e7)  # fmt: skip
        return [simulate(toy, seed=seed).jobs[0].interruptions for seed in range(SEEDS)]

    few, many = stops(20), stops(40)
    assert agrees([float(count) for count in few], 20 * 1e-6 * 2e7)
    assert agrees([float(count) for count in many], 40 * 1e-6 * 2e7)
