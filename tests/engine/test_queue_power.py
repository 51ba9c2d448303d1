"""Everyone else's jobs under the site's cap on power."""

import numpy as np
import pytest
from small_plans import job, plan, pool, rung

from simulator.engine import simulate
from simulator.engine.queue import capacity

TRAINING = job(800.0 * 40_000, rung(4))  # 4 kW on four of sixteen nodes, eight accelerators and 1 kW each


def beside(*power, standing=0.0):
    made = plan([pool((0.0, 16), standing_power=standing)], [TRAINING], power=power)
    log = simulate(made)
    return capacity(made, log), capacity(made, log, training=False)


def at(room, time):
    return int(room.accelerators[np.searchsorted(room.time, time, side="right") - 1])


@pytest.mark.parametrize(("watts", "left"), [(40e3, 96), (16e3, 96), (10e3, 48), (4e3, 0)])
def test_the_queue_gets_the_nodes_that_power_and_training_leave(watts, left):
    room, alone = beside((0.0, watts))
    assert at(room, 10_000.0) == left
    assert at(alone, 10_000.0) == min(128, left + 32)


def test_the_building_goes_first():
    room, _ = beside((0.0, 10e3), standing=100.0)
    assert at(room, 10_000.0) == 8 * 4  # 10 − 1.6 − 4 kW


def test_a_cap_that_rises_later_lets_the_queue_grow():
    room, alone = beside((0.0, 6e3), (20_000.0, 30e3))
    assert [at(room, time) for time in (10_000.0, 30_000.0)] == [16, 96]
    assert [at(alone, time) for time in (10_000.0, 30_000.0)] == [48, 128]


def test_without_a_cap_nothing_is_off():
    room, alone = beside()
    assert at(room, 10_000.0) == 96
    assert at(alone, 10_000.0) == 128


def test_in_use_an_accelerator_adds_what_training_draws_beyond_idling():
    for room in beside():
        assert room.watts == pytest.approx((1000.0 - 300.0) / 8)


def test_all_in_use_draw_what_the_cap_leaves_and_no_more():
    made = plan([pool((0.0, 16))], [TRAINING], power=[(0.0, 10e3)])
    log = simulate(made)
    room = capacity(made, log)
    drawn = np.array([sample.power for sample in log.samples]) + room.accelerators * room.watts
    assert max(drawn) == pytest.approx(10e3)
    assert drawn[room.time == 100.0] == pytest.approx(10e3)  # the job has started
