"""Deliveries, power caps and several jobs: who gets what, when."""

from __future__ import annotations

import pytest
from small_plans import job, kinds, ledger, plan, pool, rung, story

from simulator.engine import Activity, simulate


def test_a_delivery_grows_the_job_at_a_planned_stop():
    log = simulate(plan([pool((0.0, 4), (10_000.0, 4))], [job(800.0 * 50_000, rung(8), rung(4))]))
    told = story(log)
    assert [activity for activity, _, _ in told] == [
        Activity.INITIALISATION,
        Activity.COMPUTE,
        Activity.SAVE,
        Activity.PLANNED,
        Activity.COMPUTE,
        Activity.SAVE,
    ]
    # 9,900 s since the start: 16 intervals and their saves, 140 s of work more, and one save for the stop.
    stop = told[3]
    assert stop[1:] == (10_010.0, 10_130.0)
    first = 16 * 600 + 140
    assert told[1][2] - told[1][1] == pytest.approx(first)
    assert told[4][2] - told[4][1] == pytest.approx(50_000 - first / 2)
    assert ledger(log)[Activity.WASTED] == ledger(log)[Activity.DEGRADED] == 0
    assert kinds(log) == [
        "delivery", "start", "delivery", "planned stop", "checkpoint", "resize", "finish",
    ]  # fmt: skip


def test_a_delivery_that_comes_too_late_to_pay_for_a_stop_changes_nothing():
    early = plan([pool((0.0, 4))], [job(400.0 * 10_000, rung(8), rung(4))])
    alone = simulate(early)
    late = simulate(plan([pool((0.0, 4), (alone.end - 150, 4))], early.jobs))
    assert late.end == alone.end
    assert "planned stop" not in kinds(late)


def test_a_job_starts_when_its_smallest_rung_is_there():
    log = simulate(plan([pool((0.0, 3), (500.0, 3))], [job(1e6, rung(8), rung(4))]))
    assert story(log)[0] == (Activity.WAITING, 0.0, 500.0)
    assert log.jobs[0].started == 500.0


def test_all_that_arrives_at_one_moment_counts_at_once():
    pools = [pool((500.0, 4), name="h100"), pool((500.0, 4), name="h200")]
    log = simulate(plan(pools, [job(1e6, rung(4, 4), rung(4, 0))]))
    assert "resize" not in kinds(log)
    assert log.samples[-2].working == (4, 4)


def test_spares_are_kept_out_of_the_plan():
    log = simulate(plan([pool((0.0, 10), spare_share=0.2)], [job(1e6, rung(10), rung(9), rung(8))]))
    assert max(sample.working for sample in log.samples) == (8,)


def test_more_nodes_that_train_fewer_tokens_are_left_idle():
    # Past some size interruptions eat more than accelerators add: the ladder is by useful tokens, not by speed.
    best, largest = rung(6), rung(8, useful=500.0)
    log = simulate(plan([pool((0.0, 8))], [job(1e6, best, largest)]))
    assert max(sample.working for sample in log.samples) == (6,)
    assert ledger(log)[Activity.DEGRADED] == 0
    two = simulate(plan([pool((0.0, 4), (2000.0, 4))], [job(4e6, largest, rung(4))]))
    assert "planned stop" in kinds(two)  # for 500 useful tokens a second are more than 400


def test_a_power_cap_limits_the_nodes_and_lifting_it_grows_the_job():
    toy = plan(
        [pool((0.0, 8))], [job(800.0 * 50_000, rung(8), rung(4))], power=[(0.0, 5000.0), (10_000.0, 9000.0)]
    )  # fmt: skip
    log = simulate(toy)
    working = {sample.time: sample.working[0] for sample in log.samples}
    assert max(nodes for time, nodes in working.items() if time < 10_010) == 4
    assert max(working.values()) == 8
    assert [entry[0] for entry in story(log)].count(Activity.PLANNED) == 1
    assert ledger(log)[Activity.DEGRADED] == 0  # the plan never had more than the cap
    assert all(sample.power <= 5000 for sample in log.samples if sample.time < 10_000)
    # Four nodes compute with 4 kW; one kilowatt keeps three of the four idle ones on.
    assert 4000 + 3 * 300 in [sample.power for sample in log.samples]


def test_a_cap_that_falls_shrinks_the_job_at_once_and_is_never_exceeded():
    toy = plan(
        [pool((0.0, 8))], [job(800.0 * 50_000, rung(8), rung(4))], power=[(0.0, 9000.0), (10_000.0, 5000.0)]
    )  # fmt: skip
    log = simulate(toy)
    assert all(sample.power <= 5000 for sample in log.samples if sample.time >= 10_000)
    stop = next(entry for entry in story(log) if entry[0] is Activity.PLANNED)
    assert stop[1] == pytest.approx(10_000)  # one save ahead, so that nothing is lost
    assert ledger(log)[Activity.WASTED] == 0


@pytest.mark.parametrize("between", [[], [(102.0, 9000.0)]])
def test_a_cap_that_rises_for_less_than_a_save_starts_nothing(between):
    log = simulate(
        plan([pool((0.0, 8))], [job(1e6, rung(8))], power=[(100.0, 9000.0), *between, (105.0, 0.0)], horizon=1000.0)
    )
    assert all(sample.power == 0 for sample in log.samples)
    assert log.jobs[0].tokens == 0


def test_a_site_without_power_yet_runs_nothing():
    log = simulate(plan([pool((0.0, 8))], [job(1e6, rung(8))], power=[(2000.0, 9000.0)]))
    assert story(log)[0] == (Activity.WAITING, 0.0, 2000.0)
    assert all(sample.power == 0 for sample in log.samples if sample.time < 2000)


def test_energy_is_positive_and_within_cap_times_time():
    log = simulate(plan([pool((0.0, 8))], [job(4e7, rung(8))], power=[(0.0, 8000.0)]))
    times = [sample.time for sample in log.samples]
    energy = sum(s.power * (b - a) for s, a, b in zip(log.samples, times, times[1:], strict=False))
    assert 0 < energy <= 8000 * log.end


def test_two_jobs_share_by_priority_and_the_lower_one_inherits():
    sizes = (rung(6), rung(3), rung(2))
    toy = plan(
        [pool((0.0, 8))], [job(600.0 * 10_000, *sizes, name="first"), job(600.0 * 20_000, *sizes, name="second")]
    )
    log = simulate(toy)
    first, second = log.jobs
    assert first.finished == simulate(plan([pool((0.0, 8))], toy.jobs[:1])).end  # as if it were alone
    assert second.started == 0.0
    resize = [event for event in log.events if event.kind == "resize"]
    assert [(event.job, event.detail) for event in resize] == [("second", "16 to 48 accelerators")]
    assert resize[0].time == pytest.approx(first.finished + 10)


def test_a_lower_job_makes_room_when_a_delivery_lets_a_higher_one_start():
    jobs = [job(600.0 * 10_000, rung(6), name="first"), job(400.0 * 10_000, rung(4), rung(2), name="second")]
    log = simulate(plan([pool((0.0, 4), (5000.0, 4))], jobs))
    first, second = log.jobs
    assert first.started == pytest.approx(5010.0)
    assert [event.detail for event in log.events if event.kind == "resize" and event.job == "second"] == [
        "32 to 16 accelerators",
        "16 to 32 accelerators",
    ]
    assert second.finished is not None
    assert second.interruptions == 0


def grown(elastic, **cut):
    sizes = [rung(8, load=20.0, replicas=8, **cut), rung(4, load=20.0, replicas=4)]
    made = plan([pool((0.0, 4), (50_000.0, 4))], [job(8e7, *sizes, elastic=elastic)])
    log = simulate(made)
    return log, {one.activity: one.end - one.start for one in log.intervals if one.activity is Activity.PLANNED}


def test_replicas_join_an_elastic_job_in_a_stall_and_their_load():
    log, planned = grown(30.0)
    assert planned == {Activity.PLANNED: pytest.approx(50.0)}
    assert [event.detail for event in log.events if event.kind == "planned stop"] == ["replicas join"]
    done = sum(one.end - one.start for one in log.intervals if one.activity is Activity.COMPUTE)
    assert done > 0


def test_another_cut_of_the_model_has_to_restart():
    _, planned = grown(30.0, cut=(8,))
    assert planned == {Activity.PLANNED: pytest.approx(120.0)}
    assert grown(None)[1] == planned


def test_a_join_saves_nothing_and_loses_nothing():
    joined, stopped = grown(30.0)[0], grown(None)[0]
    assert joined.end < stopped.end
    assert joined.jobs[0].tokens == stopped.jobs[0].tokens == 8e7
