"""Nodes that break, their replacements, and their way back."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from small_plans import job, kinds, ledger, plan, pool, rung, story

from simulator.engine import Activity, Log, simulate
from simulator.plan.model import Cause, Repair

NEVER_AGAIN = [Repair("scrap", 1.0, 1e15)]


def mean_in_repair(log: Log, after: float) -> float:
    total = 0.0
    for one, other in pairwise(log.samples):
        broken = sum(one.installed) - sum(one.healthy)
        total += broken * max(0.0, other.time - max(one.time, after))
    return total / (log.end - after)


def test_nodes_in_repair_depend_on_the_mean_repair_time_alone():
    # M/G/∞ with the share that is up as the source: N ρ / (1 + ρ), ρ = r MTTR; N ρ for small ρ.
    nodes, rate, horizon = 200, 1e-6, 2e7
    repairs = [Repair("reset", 0.7, 5_000.0), Repair("part", 0.3, 155_000.0)]
    load = rate * (0.7 * 5_000 + 0.3 * 155_000)
    toy = plan(
        [pool((0.0, nodes))],
        [job(1e9, rung(nodes + 1))],
        causes=[Cause("gpu", rate, 1.0, 0.0)],
        repairs=repairs,
        horizon=horizon,
    )
    means = [mean_in_repair(simulate(toy, seed=seed), after=horizon / 10) for seed in range(8)]
    error = statistics.stdev(means) / math.sqrt(len(means))
    assert error < 0.3
    assert statistics.fmean(means) == pytest.approx(nodes * load / (1 + load), abs=4 * error)


def finish(spares: int, seed: int) -> float:
    nodes = 20
    toy = plan(
        [pool((0.0, nodes + spares), spare_share=(spares + 0.5) / (nodes + spares))],
        [job(2000.0 * 200_000, rung(nodes))],
        causes=[Cause("gpu", 2e-6, 1.0, 30.0)],
        repairs=[Repair("part", 1.0, 50_000.0)],
    )
    log = simulate(toy, seed=seed)
    assert log.jobs[0].finished is not None
    return log.jobs[0].finished


def test_more_spares_never_hurt_in_the_mean():
    walls = [[finish(spares, seed) for seed in range(40)] for spares in (0, 1, 2, 4, 8)]
    means = [statistics.fmean(wall) for wall in walls]
    errors = [statistics.stdev(wall) / math.sqrt(len(wall)) for wall in walls]
    for (fewer, fewer_error), (more, more_error) in pairwise(zip(means, errors, strict=True)):
        assert more <= fewer + 3 * math.hypot(fewer_error, more_error)
    assert means[2] < 0.8 * means[0]


def one_loss(**changes) -> Log:
    """Ten nodes at work; the first failure takes one away for ever."""
    settings = {
        "causes": [Cause("gpu", 1e-6, 1.0, 30.0)],
        "repairs": NEVER_AGAIN,
        "horizon": 5e5,
    }
    pools = changes.pop("pools", [pool((0.0, 11), spare_share=0.1)])
    jobs = changes.pop("jobs", [job(1e12, rung(10), rung(8))])
    return simulate(plan(pools, jobs, **(settings | changes)))


def test_a_spare_takes_the_place_of_a_lost_node_and_costs_its_standby_time():
    log = one_loss()
    assert kinds(log)[2:4] == ["interruption", "spare"]
    activity, start, end = next(entry for entry in story(log) if entry[0] is Activity.RECOVERY)
    assert activity is Activity.RECOVERY
    assert end - start == pytest.approx(30 + 60 + 100)
    restore = next(entry for entry in story(log) if entry[0] is Activity.RESTORE)
    assert restore[1] == end
    assert restore[2] - end == pytest.approx(20)


def test_without_a_spare_the_job_goes_on_smaller_and_degraded():
    log = one_loss(pools=[pool((0.0, 10))])
    start, end = next((start, end) for activity, start, end in story(log) if activity is Activity.RECOVERY)
    assert kinds(log)[2:4] == ["interruption", "resize"]
    assert end - start == pytest.approx(30 + 100)
    after = [entry for entry in story(log) if entry[1] > end]
    compute = next(e - s for activity, s, e in after if activity is Activity.COMPUTE)
    degraded = next(e - s for activity, s, e in after if activity is Activity.DEGRADED)
    assert compute / (compute + degraded) == pytest.approx(0.8)
    assert any(event.kind == "resize" and event.detail == "80 to 64 accelerators" for event in log.events)


def test_without_a_smaller_size_the_job_waits_for_the_repair():
    log = one_loss(
        pools=[pool((0.0, 10))], jobs=[job(1e12, rung(10))], repairs=[Repair("part", 1.0, 40_000.0)], horizon=3e5
    )
    told = story(log)
    waiting = next(index for index, entry in enumerate(told) if entry[0] is Activity.WAITING)
    assert told[waiting - 1][0] is Activity.RECOVERY  # finding out what failed
    assert told[waiting - 1][2] - told[waiting - 1][1] == pytest.approx(30)
    assert told[waiting + 1][0] is Activity.RECOVERY
    assert told[waiting + 1][2] - told[waiting + 1][1] == pytest.approx(100)
    repaired = [event.time for event in log.events if event.kind == "repair"]
    assert told[waiting][2] in repaired


def test_a_repaired_node_brings_the_job_back_to_size_at_the_next_interruption_or_before():
    toy = plan(
        [pool((0.0, 10))],
        [job(1e12, rung(10), rung(9))],
        causes=[Cause("gpu", 1e-7, 1.0, 30.0)],
        repairs=[Repair("part", 1.0, 20_000.0)],
        horizon=1e7,
    )
    log = simulate(toy)
    sizes = [event.detail for event in log.events if event.kind == "resize"]
    assert {"80 to 72 accelerators", "72 to 80 accelerators"} <= set(sizes)
    assert ledger(log)[Activity.PLANNED] > 0


def test_a_planned_stop_that_the_next_interruption_makes_for_nothing_is_not_made():
    often = {"mtti": 1000.0}  # a stop would cost 130 s and earn a tenth of 1,000 s
    toy = plan(
        [pool((0.0, 10))],
        [job(1e12, rung(10, **often), rung(9, **often))],
        causes=[Cause("gpu", 1e-5, 0.2, 30.0), Cause("software", 9e-5, 0.0, 30.0)],
        repairs=[Repair("part", 1.0, 5_000.0)],
        horizon=1e6,
    )
    log = simulate(toy)
    assert "planned stop" not in kinds(log)
    grown = [event.time for event in log.events if event.detail == "72 to 80 accelerators"]
    # what had been repaired is taken back and replaces nothing, unless another node broke meanwhile
    assert log.tally.replaced <= 2 < len(grown)


def test_idle_nodes_fail_silently_and_switched_off_ones_not_at_all():
    failing = {"causes": [Cause("gpu", 1e-6, 1.0, 0.0)], "repairs": NEVER_AGAIN, "horizon": 2e6}
    on = simulate(plan([pool((0.0, 30))], [job(1e12, rung(31))], **failing))
    off = simulate(plan([pool((0.0, 30))], [job(1e12, rung(31))], power=[(0.0, 10 * 300.0)], **failing))
    assert on.jobs[0].interruptions == off.jobs[0].interruptions == 0
    assert 30 - on.samples[-1].healthy[0] == pytest.approx(30 * -math.expm1(-2), abs=8)
    assert max(sample.power for sample in off.samples) <= 3000.0
    # Ten at a time are on, as long as there are ten: 20 expected to be lost in 2e6 s, and never more than that pace.
    assert 30 - off.samples[-1].healthy[0] < 30 - on.samples[-1].healthy[0]


def test_failures_of_a_pool_follow_its_weight():
    pools = [pool((0.0, 10), weight=3.0, name="old"), pool((0.0, 10), weight=1.0, name="new")]
    toy = plan(
        pools,
        [job(1e12, rung(11, 0))],
        causes=[Cause("gpu", 1e-5, 1.0, 0.0)],
        repairs=[Repair("old", 1.0, 10.0)],
        horizon=1e7,
    )
    repaired = [event.detail.split(":")[0] for event in simulate(toy).events if event.kind == "repair"]
    share = repaired.count("old") / len(repaired)
    assert share == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / len(repaired)))
