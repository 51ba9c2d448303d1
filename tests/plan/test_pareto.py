"""Frontiers hold what nothing beats, and all of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import scenario as scenarios
from simulator.plan import frontiers, plan
from simulator.plan.pareto import nondominated

points = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=60)


@given(points)
def test_a_point_stands_when_no_other_is_at_least_as_good_in_both(found):
    first, second = np.array(found, dtype=float).T
    standing = {found[i] for i in nondominated(first, second)}
    beaten = {p for p in found for q in found if q != p and q[0] <= p[0] and q[1] <= p[1]}
    assert standing == set(found) - beaten
    assert len(nondominated(first, second)) == len(standing)


@pytest.fixture(scope="module")
def frontier():
    scenario = scenarios.read("tesla-h100")
    return frontiers(scenario, plan(scenario))[0]


def test_more_memory_left_always_costs_time(frontier):
    steps, left = frontier.fitting.total[frontier.roomy], frontier.fitting.memory.margin[frontier.roomy]
    assert steps[0] == frontier.fitting.total.min()
    assert left[-1] == frontier.fitting.memory.margin.max()
    assert (np.diff(steps) > 0).all()
    assert (np.diff(left) > 0).all()


def test_sizes_halve_down_to_the_smallest_that_holds_the_model(frontier):
    sizes = [answer.layout.accelerators for answer in frontier.sizes]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 0.9 * frontier.accelerators
    assert min(sizes) <= 64


def test_every_answer_on_a_frontier_fits(frontier):
    assert all(answer.memory.margin >= 0 for answer in frontier.sizes)
    assert frontier.fitting.fits.all()
