"""Spares and units up: the distributions against exact values, each other and published figures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.reliability.pools import availability, elastic_goodput, in_repair_quantile, up_quantile


def test_the_quantile_of_a_small_pool_is_the_one_in_the_tables():
    # Poisson with mean 1: P(≤ 3) = 0.9810, P(≤ 4) = 0.9963
    assert in_repair_quantile(1.0, 0.98) == 3
    assert in_repair_quantile(1.0, 0.99) == 4


def test_nothing_in_repair_needs_no_spare():
    assert in_repair_quantile(0.0, 0.9999) == 0


def test_a_large_pool_is_nearly_normal():
    assert in_repair_quantile(10_000.0, 0.99) == pytest.approx(10_000 + 2.326 * 100, abs=3)


@given(st.floats(1e-6, 1e4), st.floats(0.01, 0.999))
def test_more_in_repair_or_more_confidence_never_needs_fewer_spares(mean, level):
    assert in_repair_quantile(mean, level) <= in_repair_quantile(2 * mean, level)
    assert in_repair_quantile(mean, level / 2) <= in_repair_quantile(mean, level)


@given(st.floats(1e-3, 1e5))
def test_a_level_that_rounding_cannot_reach_still_ends(mean):
    assert in_repair_quantile(mean, 1 - 2**-53) >= mean


def test_few_broken_among_many_are_poisson():
    units, down = 100_000, 2e-5
    broken = in_repair_quantile(units * down, 0.99)
    assert units - up_quantile(units, 1 - down, 0.99) == broken


def test_units_up_at_the_ends_of_the_scale():
    assert up_quantile(10, 1.0, 0.99) == 10
    assert up_quantile(10, 0.0, 0.99) == 0


@given(st.integers(1, 300), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_quantile_is_the_last_number_that_confident(units, up, level):
    def at_least(number):
        return sum(math.comb(units, k) * up**k * (1 - up) ** (units - k) for k in range(number, units + 1))

    found = up_quantile(units, up, level)
    assert at_least(found) >= level - 1e-9
    assert found == units or at_least(found + 1) < level + 1e-9


def test_a_unit_of_many_parts_is_up_when_all_are():
    assert availability(1e-6, 1e5) == pytest.approx(1 / 1.1)
    assert availability(1e-6, 1e5, parts=16) == pytest.approx(1.1**-16)


def test_replica_groups_keep_four_fifths_where_synchronous_training_kept_less_than_half():
    assert elastic_goodput(stall=180, outage=420, replicas=12, between=1080) == pytest.approx(0.80, abs=0.005)
    assert elastic_goodput(stall=600, outage=0, replicas=1, between=1080) == pytest.approx(0.44, abs=0.005)
