"""The closed forms of goodput against each other, their limits, a numerical search and the worked table."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.reliability.checkpoint import (
    daly_interval,
    effective_recovery,
    expected_goodput,
    interval_for,
    optimal_interval,
    young_interval,
)

betweens = st.floats(10.0, 1e7)
ratios = st.floats(1e-6, 5.0)  # C / M


def goodput(interval: float, save: float, between: float, restart: float = 100.0, *, any_time: bool = True) -> float:
    return expected_goodput(
        interval=interval, save=save, between=between, restart=restart, while_restarting=any_time
    )  # fmt: skip


@given(betweens, ratios, st.floats(0.5, 2.0))
def test_no_interval_beats_the_optimum(between, ratio, factor):
    save = ratio * between
    best = optimal_interval(save, between)
    assert goodput(best * factor, save, between) <= goodput(best, save, between) * (1 + 1e-9)


@pytest.mark.parametrize("between", [60.0, 3600.0, 86400.0])
@pytest.mark.parametrize("ratio", [1e-8, 1e-4, 0.01, 0.07, 0.67, 3.0])
def test_the_optimum_is_the_numerical_maximum(between, ratio):
    save = ratio * between
    low, high = 0.0, 20 * between
    for _ in range(200):  # ternary search: goodput has one maximum
        one, other = low + (high - low) / 3, high - (high - low) / 3
        low, high = (one, high) if goodput(one, save, between) < goodput(other, save, between) else (low, other)
    found = (low + high) / 2
    assert optimal_interval(save, between) == pytest.approx(found, rel=1e-3)
    assert goodput(optimal_interval(save, between), save, between) >= goodput(found, save, between) * (1 - 1e-12)


@given(betweens, st.floats(1e-9, 5.0))
def test_the_optimum_solves_its_equation(between, ratio):
    # d ln G / d tau = 0:  e^{−(tau + C) / M} = 1 − tau / M
    tau = optimal_interval(ratio * between, between)
    assert math.exp(-tau / between - ratio) == pytest.approx(1 - tau / between, abs=1e-10)


@given(betweens, st.floats(1e-6, 0.07))
def test_daly_is_within_a_thousandth_of_the_optimum_while_saves_are_short(between, ratio):
    save = ratio * between
    assert daly_interval(save, between) == pytest.approx(optimal_interval(save, between), rel=1e-3)


def test_daly_is_within_a_hundredth_and_young_half_too_long_at_two_thirds():
    best = optimal_interval(0.67, 1.0)
    assert daly_interval(0.67, 1.0) == pytest.approx(best, rel=0.01)
    assert young_interval(0.67, 1.0) == pytest.approx(1.52 * best, rel=0.01)


@given(betweens, st.floats(1e-9, 1.9))
def test_young_is_never_shorter_than_daly(between, ratio):
    assert young_interval(ratio * between, between) >= daly_interval(ratio * between, between)


def test_rules_agree_when_saves_become_short():
    for ratio in (1e-6, 1e-8, 1e-10):
        best = optimal_interval(ratio, 1.0)
        assert young_interval(ratio, 1.0) == pytest.approx(best, rel=2 * math.sqrt(ratio))


TABLE = [  # tau, C, M, R, exact, exact with failures in restarts: three digits as published in the notes
    (3600, 300, 51923, 300, 0.884, 0.884),
    (3600, 0, 25962, 300, 0.922, 0.922),
    (3600, 300, 6490, 300, 0.644, 0.643),
    (300, 0, 6490, 300, 0.934, 0.933),
    (600, 10, 11124, 600, 0.908, 0.907),
    (120, 0, 2954, 120, 0.942, 0.941),
    (20, 0, 1080, 600, 0.637, 0.569),
    (600, 10, 909, 360, 0.495, 0.465),
    (42, 1, 909, 120, 0.843, 0.836),
]


@pytest.mark.parametrize(("tau", "save", "between", "restart", "running", "any_time"), TABLE)
def test_the_worked_comparison_comes_out(tau, save, between, restart, running, any_time):
    assert goodput(tau, save, between, restart, any_time=False) == pytest.approx(running, abs=0.0006)
    assert goodput(tau, save, between, restart, any_time=True) == pytest.approx(any_time, abs=0.0006)


def test_the_table_s_optimum_is_the_interval_of_its_last_row():
    assert optimal_interval(1, 909) == pytest.approx(42, abs=0.5)


@given(st.floats(1.0, 1e5), st.floats(0.0, 1e4), st.floats(0.0, 1e4))
def test_without_failures_only_saves_cost(tau, save, restart):
    assert goodput(tau, save, math.inf, restart) == tau / (tau + save)
    assert goodput(tau, save, 1e15, restart) == pytest.approx(tau / (tau + save), rel=1e-6)


@given(st.floats(1.0, 1e5), st.floats(0.0, 1e4), betweens, st.floats(0.0, 1e4))
def test_goodput_is_a_share_and_falls_with_every_cost(tau, save, between, restart):
    assume(tau + save < 600 * between and restart < 600 * between)  # e^700 is where floats end
    share = goodput(tau, save, between, restart)
    assert 0 <= share <= 1
    assert share <= goodput(tau, save, between, restart, any_time=False) * (1 + 1e-12)
    assert share <= goodput(tau, save / 2, between, restart) * (1 + 1e-12)
    assert share <= goodput(tau, save, between, restart / 2) * (1 + 1e-12)
    assert share <= goodput(tau, save, between * 2, restart) * (1 + 1e-12)


@given(betweens, ratios)
def test_the_interval_of_a_rule_is_the_rule_s(between, ratio):
    save = ratio * between
    assert interval_for("optimal", save=save, between=between) == max(1.0, optimal_interval(save, between))
    assert interval_for("young", save=save, between=between) == max(1.0, young_interval(save, between))
    assert interval_for("daly", save=save, between=between) == max(1.0, daly_interval(save, between))
    assert interval_for(1234.0, save=save, between=between) == 1234.0


def test_without_failures_a_rule_saves_once_a_day():
    assert interval_for("optimal", save=10.0, between=math.inf) == 86400.0
    assert interval_for("optimal", save=0.0, between=1000.0) == 1.0  # and a free save is not taken for ever


def test_recoveries_that_vary_cost_as_their_mean_success():
    """R = −M ln E[e^(−R/M)]: fixed recoveries stay what they are, rare long ones weigh less than their mean."""
    assert effective_recovery([(1.0, 300.0)], between=1000.0) == pytest.approx(300.0)
    mixed = effective_recovery([(0.9, 300.0), (0.1, 3000.0)], between=1000.0)
    assert 300 < mixed < 0.9 * 300 + 0.1 * 3000
    calm = effective_recovery([(0.9, 300.0), (0.1, 3000.0)], between=1e9)
    assert calm == pytest.approx(0.9 * 300 + 0.1 * 3000, rel=1e-3)
