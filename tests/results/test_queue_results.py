"""The numbers of a queue, beside the training job and without it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import scenario as scenarios
from simulator.engine import simulate
from simulator.engine.queue import capacity, share
from simulator.plan import plan
from simulator.plan.queue import queue_plan
from simulator.results.columns import names
from simulator.results.queue import jain, queue_over_time, queue_table, summarise_queue


@pytest.fixture(scope="module")
def line():
    scenario = scenarios.read(
        "shared-cluster", changes=["jobs.pretrain.tokens=0.6 Ttoken", "queue.arrivals.rate=12 /h"]
    )
    made = plan(scenario)
    log = simulate(made)
    return made, log, share(made, queue_plan(scenario, made.pools), log)


@given(shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_jain_is_one_for_equals_and_never_below_one_over_n(shares):
    x = np.array(shares)
    assert 1 / len(x) - 1e-12 <= jain(x) <= 1 + 1e-12
    assert jain(np.full(len(x), x[0])) == pytest.approx(1.0)
    assert jain(np.eye(len(x))[0]) == pytest.approx(1 / len(x))


def test_the_queue_has_what_the_training_job_leaves(line):
    made, log, _ = line
    beside, alone = capacity(made, log), capacity(made, log, training=False)
    held = np.array([sum(sample.working) * 8 for sample in log.samples])
    assert np.array_equal(alone.accelerators - beside.accelerators, held)
    assert alone.struck.sum() >= beside.struck.sum()


def test_the_training_job_lets_everyone_else_wait(line):
    summary = summarise_queue(line[2])
    beside, alone = summary.beside, summary.alone
    assert beside.delay_mean_s > alone.delay_mean_s
    assert beside.slowdown > alone.slowdown
    assert beside.cluster_utilisation > alone.cluster_utilisation
    assert beside.fairness_sizes < alone.fairness_sizes <= 1
    assert all(0 <= served.utilisation <= 1 for served in (beside, alone))


def test_without_training_both_utilisations_are_one_number(line):
    alone = summarise_queue(line[2]).alone
    assert alone.utilisation == pytest.approx(alone.cluster_utilisation)


def test_hours_in_use_are_useful_lost_or_restarting(line):
    for served in (summarise_queue(line[2]).beside, summarise_queue(line[2]).alone):
        parts = (served.useful_accelerator_hours, served.lost_accelerator_hours, served.restarting_accelerator_hours)
        assert sum(parts) == pytest.approx(served.accelerator_hours, rel=1e-9)


def test_classes_hold_every_job_once(line):
    summary = summarise_queue(line[2])
    assert sum(one.jobs for one in summary.beside.classes) == summary.jobs
    assert [one.accelerators for one in summary.beside.classes] == ["1", "2–8", "9–64", "65–512"]


def test_tables_have_their_columns(line):
    assert list(queue_table(summarise_queue(line[2])).columns) == names("queue")
    over_time = queue_over_time(line[2])
    assert list(over_time.columns) == names("queue_timeline")
    assert (over_time["busy_accelerators"] <= over_time["there_accelerators"] + 1e-6).all()
