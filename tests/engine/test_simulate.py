"""One job on one cluster: limits, closed forms, guards."""

from __future__ import annotations

import gc
import math
import statistics
from dataclasses import replace

import pytest
from small_plans import job, kinds, ledger, plan, pool, rung, story

from simulator.engine import Activity, simulate
from simulator.errors import PlanError
from simulator.plan.model import Cause
from simulator.reliability.checkpoint import expected_goodput


def test_without_failures_a_run_takes_exactly_the_planned_time():
    log = simulate(plan([pool((0.0, 10))], [job(1000.0 * 86400, rung(10))]))
    saves = math.ceil(86400 / 600)
    assert log.jobs[0].finished == log.end == 100 + 86400 + saves * 10
    assert story(log) == [
        (Activity.INITIALISATION, 0.0, 100.0),
        (Activity.COMPUTE, 100.0, 86500.0),
        (Activity.SAVE, 86500.0, log.end),
    ]
    assert log.jobs[0].tokens == 1000.0 * 86400
    assert log.jobs[0].interruptions == 0
    assert log.jobs[0].running == 86400 + saves * 10


def test_a_work_that_ends_between_two_saves_is_saved_once_more():
    log = simulate(plan([pool((0.0, 10))], [job(1000.0 * 650, rung(10))]))
    assert log.end == 100 + 650 + 2 * 10


SEGMENTS = 40


@pytest.mark.parametrize(
    ("interval", "save", "between", "recovery"),
    [(600, 10, 11124, 600), (600, 10, 909, 360), (42, 1, 909, 120), (3600, 300, 6490, 300), (100, 0, 1000, 50)],
)
def test_mean_wall_time_meets_the_exact_closed_form_for_failures_at_any_time(interval, save, between, recovery):
    # "Failures only while running" is not this engine's convention: here a restart can fail too.
    nodes, detection, load = 10, recovery * 0.1, recovery * 0.2
    restart = recovery - detection - load
    only = rung(nodes, interval=interval, save=save, restart=restart, load=load, mtti=between)
    cause = Cause("any", 1 / (nodes * between), 0.0, detection)
    toy = plan([pool((0.0, nodes))], [job(only.tokens_per_second * interval * SEGMENTS, only)], causes=[cause])
    logs = [simulate(toy, seed=seed) for seed in range(150)]

    # The first start, of length a, is struck with 1 − e^{−a/M}; then it is a recovery like any other.
    struck = -math.expm1(-restart / between)
    start = struck * between + struck * between * math.expm1(recovery / between)
    goodput = expected_goodput(
        interval=interval, save=save, between=between, restart=recovery, while_restarting=True
    )  # fmt: skip
    expected = start + SEGMENTS * interval / goodput
    walls = [log.end for log in logs]
    error = statistics.stdev(walls) / math.sqrt(len(walls))
    assert statistics.fmean(walls) == pytest.approx(expected, abs=4 * error)
    assert error < 0.05 * expected

    # What was trained is what was asked for, and running time over interruptions is M.
    for log in logs:
        spent = ledger(log)
        assert spent[Activity.COMPUTE] == pytest.approx(SEGMENTS * interval, rel=1e-9)
        assert spent[Activity.SAVE] == pytest.approx(SEGMENTS * save, rel=1e-9)
    interruptions = sum(log.jobs[0].interruptions for log in logs)
    running = sum(log.jobs[0].running for log in logs)
    assert interruptions * between == pytest.approx(running, rel=4 / math.sqrt(interruptions))


def test_a_failure_that_strikes_a_restart_is_a_setback_and_not_another_interruption():
    toy = plan([pool((0.0, 10))], [job(1e6, rung(10))], causes=[Cause("any", 1 / 2000, 0.0, 5.0)])
    log = simulate(toy)
    assert kinds(log).count("setback") > 0
    assert kinds(log).count("interruption") == log.jobs[0].interruptions


def test_a_hopeless_run_ends_at_the_horizon_without_hanging():
    toy = plan([pool((0.0, 10))], [job(1e9, rung(10, mtti=1.0))], causes=[Cause("any", 0.1, 0.0, 5.0)], horizon=5000.0)
    log = simulate(toy)
    assert log.end == 5000.0
    assert log.jobs[0].finished is None
    assert log.jobs[0].tokens == 0
    assert kinds(log)[-1] == "horizon"
    assert sum(ledger(log).values()) == pytest.approx(5000.0)


def test_a_job_that_no_delivery_can_satisfy_waits_until_the_horizon():
    log = simulate(plan([pool((0.0, 3), (50.0, 3))], [job(1e9, rung(10))], horizon=1000.0))
    assert story(log) == [(Activity.WAITING, 0.0, 1000.0)]
    assert log.jobs[0].started is None
    assert log.samples[-1].time == 1000.0


def test_a_run_cut_off_by_the_horizon_counts_the_work_that_nothing_destroyed():
    log = simulate(plan([pool((0.0, 10))], [job(1e9, rung(10))], horizon=100 + 610 + 250))
    assert ledger(log)[Activity.WASTED] == 0
    assert log.jobs[0].tokens == pytest.approx(850 * 1000)


def test_a_run_that_ends_at_the_horizon_is_finished():
    assert simulate(plan([pool((0.0, 1))], [job(100.0, rung(1, save=0.0))], horizon=101.0)).jobs[0].finished == 101.0


def test_more_failures_than_anyone_can_wait_for_are_refused_with_the_arithmetic():
    toy = plan([pool((0.0, 1000))], [job(1e9, rung(1000))], causes=[Cause("any", 1.0, 0.0, 1.0)], horizon=86400.0)
    with pytest.raises(PlanError, match=r"8\.64e\+07 expected .*\(8\.64e\+04 per node-day over 1e\+03 node-days"):
        simulate(toy)


def test_the_same_plan_and_seed_give_the_same_log_and_another_seed_another():
    causes = [Cause("gpu", 1e-5, 0.7, 30.0), Cause("software", 1e-5, 0.0, 60.0)]
    toy = plan([pool((0.0, 12), spare_share=0.2)], [job(1e8, rung(10), rung(8))], causes=causes)
    assert simulate(toy) == simulate(toy, seed=toy.seed)
    assert simulate(toy) != simulate(toy, seed=toy.seed + 1)


def test_changing_one_cause_leaves_the_times_of_the_others_unchanged():
    def times(other_rate: float) -> list[float]:
        causes = [Cause("gpu", 1e-5, 0.0, 30.0), Cause("software", other_rate, 0.0, 60.0)]
        log = simulate(plan([pool((0.0, 10))], [job(1e9, rung(10))], causes=causes, horizon=1e6))
        return [event.time for event in log.events if event.detail == "gpu"]

    assert len(times(0.0)) > 50
    assert times(1e-5) == pytest.approx(times(0.0), rel=1e-12)
    assert times(1e-4) == pytest.approx(times(0.0), rel=1e-12)


def test_a_delivery_uses_up_hazard_faster_but_does_not_draw_it_anew():
    def first(deliveries: list[tuple[float, int]]) -> float:
        toy = plan([pool(*deliveries)], [job(1e12, rung(10))], causes=[Cause("gpu", 1e-6, 0.0, 0.0)], horizon=1e7)
        return next(event.time for event in simulate(toy).events if event.detail == "gpu")

    alone = first([(0.0, 10)])
    assert alone > 1000
    # Twice the nodes from the middle of the wait on: the other half goes by twice as fast.
    toy = plan([pool((0.0, 10), (alone / 2, 10))], [job(1e12, rung(20), rung(10))], causes=[Cause("gpu", 1e-6, 0, 0)])
    struck = next(event.time for event in simulate(toy).events if event.detail == "gpu")
    assert struck == pytest.approx(alone * 0.75)


@pytest.mark.parametrize(("begin", "collecting"), [(gc.enable, True), (gc.disable, False)], ids=["on", "off"])
def test_the_garbage_collector_is_as_it_was_after_a_run_and_after_one_that_fails(begin, collecting):
    made = plan([pool((0.0, 4))], [job(1e6, rung(4))])
    begin()
    try:
        simulate(made)
        assert gc.isenabled() is collecting
        with pytest.raises(PlanError):
            simulate(replace(made, causes=(Cause("storm", 1e9, 0.0, 0.0),)))
        assert gc.isenabled() is collecting
    finally:
        gc.enable()
