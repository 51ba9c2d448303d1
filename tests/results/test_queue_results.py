"""The numbers of a queue, beside the training job and without it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import scenario as scenarios
from simulator.engine import simulate
from simulator.engine.queue import capacity, share
from simulator.plan import plan
from simulator.plan.model import PowerStep, Source
from simulator.plan.queue import queue_plan
from simulator.results.columns import names
from simulator.results.queue import jain, queue_over_time, queue_table, summarise_queue
from simulator.results.series import series


@pytest.fixture(scope="module")
def line():
    scenario = scenarios.read(
        "shared-cluster", changes=["jobs.pretrain.tokens=0.6 Ttoken", "queue.arrivals.rate=12 /h"]
    )
    made = plan(scenario)
    log = simulate(made)
    return log, made, share(made, queue_plan(scenario, made.pools), log), series(made, log)


@given(shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_jain_is_one_for_equals_and_never_below_one_over_n(shares):
    x = np.array(shares)
    assert 1 / len(x) - 1e-12 <= jain(x) <= 1 + 1e-12
    assert jain(np.full(len(x), x[0])) == pytest.approx(1.0)
    assert jain(np.eye(len(x))[0]) == pytest.approx(1 / len(x))


def test_the_queue_has_what_the_training_job_leaves(line):
    log, made, _, _ = line
    beside, alone = capacity(made, log), capacity(made, log, training=False)
    held = np.array([sum(sample.working) * 8 for sample in log.samples])
    assert np.array_equal(alone.accelerators - beside.accelerators, held)
    assert alone.struck.sum() >= beside.struck.sum()


def test_the_training_job_lets_everyone_else_wait(line):
    summary = summarise_queue(*line[1:])
    beside, alone = summary.beside, summary.alone
    assert beside.delay_mean_s > alone.delay_mean_s
    assert beside.slowdown > alone.slowdown
    assert beside.cluster_utilisation > alone.cluster_utilisation
    assert beside.fairness_sizes < alone.fairness_sizes <= 1
    assert all(0 <= served.utilisation <= 1 for served in (beside, alone))


def test_without_training_both_utilisations_are_one_number(line):
    alone = summarise_queue(*line[1:]).alone
    assert alone.utilisation == pytest.approx(alone.cluster_utilisation)


def test_hours_in_use_are_useful_lost_or_restarting(line):
    summary = summarise_queue(*line[1:])
    for served in (summary.beside, summary.alone):
        parts = (served.useful_accelerator_hours, served.lost_accelerator_hours, served.restarting_accelerator_hours)
        assert sum(parts) == pytest.approx(served.accelerator_hours, rel=1e-9)


def test_classes_hold_every_job_once(line):
    summary = summarise_queue(*line[1:])
    assert sum(one.jobs for one in summary.beside.classes) == summary.jobs
    assert [one.accelerators for one in summary.beside.classes] == ["1", "2–8", "9–64", "65–512"]


def test_tables_have_their_columns(line):
    assert list(queue_table(summarise_queue(*line[1:])).columns) == names("queue")
    over_time = queue_over_time(line[2])
    assert list(over_time.columns) == names("queue_timeline")
    assert (over_time["busy_accelerators"] <= over_time["there_accelerators"] + 1e-6).all()


def test_the_queues_energy_is_what_its_accelerators_in_use_draw_beyond_idling(line):
    _, made, sharing, state = line
    found, pool = summarise_queue(made, sharing, state).energy, made.pools[0]
    over_time = queue_over_time(sharing).query("training == 'with'")
    each = (pool.training_power - pool.idle_power) / pool.accelerators
    assert over_time["power_MW"].to_numpy() * 1e6 == pytest.approx(over_time["busy_accelerators"].to_numpy() * each)
    hours = state.time[-1] / 3600 / len(over_time)
    assert found.energy_MWh == pytest.approx(over_time["power_MW"].sum() * hours)
    assert found.energy_cost_usd == pytest.approx(found.energy_MWh * 3.6e9 * made.tariff.energy)
    assert found.carbon_tCO2e == pytest.approx(found.energy_MWh * 3.6e9 * made.carbon / 1000)


def test_the_queue_pays_for_the_sources_that_the_cluster_leaves(line):
    _, made, sharing, state = line
    enough = PowerStep(0.0, 1e9)

    def share_of_gas(most: float) -> float:
        sources = (Source("grid", (PowerStep(0.0, most),), 1e-8, 0.0), Source("gas", (enough,), 3e-8, 1e-7))
        found = summarise_queue(replace(made, sources=sources), sharing, state).energy
        joules = found.energy_MWh * 3.6e9
        of_gas = (found.energy_cost_usd / joules - 1e-8) / 2e-8
        assert found.carbon_tCO2e == pytest.approx(of_gas * joules * 1e-7 / 1000, abs=1e-6)
        return of_gas

    assert share_of_gas(1e9) == pytest.approx(0.0, abs=1e-9)
    assert share_of_gas(0.0) == pytest.approx(1.0)
    assert 0.1 < share_of_gas(float(state.power.mean())) < 1
