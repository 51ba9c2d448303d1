"""Expectations are read with the unit of their metric and judged as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.scenario import METRICS, Expect


def expected(metric, written):
    return getattr(Expect.model_validate({metric: written}), metric)


@pytest.mark.parametrize(
    ("metric", "written", "comparison", "bound"),
    [
        ("time_to_train", "< 60 d", "<", 60 * 86400),
        ("cost", "<= 400 MUSD", "<=", 400e6),
        ("goodput", ">0.9", ">", 0.9),
        ("goodput", "> 90 %", ">", 0.9),
        ("mfu", ">= 38 %", ">=", 0.38),
        ("tokens_per_second", "> 2 Mtoken/s", ">", 2e6),
        ("cost_per_million_tokens", "< 2.5 USD", "<", 2.5),
        ("energy", "< 1 GWh", "<", 3.6e12),
        ("peak_power", "< 150 MW", "<", 150e6),
        ("carbon", "< 9000 tCO2e", "<", 9e6),
        ("interruptions", "< 500", "<", 500),
        ("mtti", "> 3 h", ">", 3 * 3600),
    ],
)
def test_bounds_arrive_in_base_units(metric, written, comparison, bound):
    expectation = expected(metric, written)
    assert (expectation.metric, expectation.comparison) == (metric, comparison)
    assert expectation.bound == pytest.approx(bound)
    assert str(expectation) == f"{metric} {written}"


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_can_be_expected_and_says_how(metric):
    described = Expect.model_json_schema()["properties"][metric]
    (example,) = described["anyOf"][0]["examples"]
    assert described["description"]
    assert expected(metric, example).metric == metric


@given(value=st.floats(allow_nan=False), bound=st.just(0.0) | st.floats(1e-20, 1e12))
def test_a_bound_and_its_opposite_never_hold_together(value, bound):
    def holds(comparison):
        return expected("interruptions", f"{comparison} {bound!r}").holds(value)

    assert holds("<") != holds(">=")
    assert holds(">") != holds("<=")


def test_a_result_that_is_not_a_number_meets_nothing():
    assert not any(
        expected("goodput", f"{comparison} 0.5").holds(float("nan")) for comparison in ("<", "<=", ">", ">=")
    )


@pytest.mark.parametrize(
    ("metric", "written"),
    [
        ("cost", "400 MUSD"), ("cost", "< 400"), ("cost", "< 400 MW"), ("cost", "= 400 MUSD"), ("cost", 400),
        ("goodput", "> 0.9 d"), ("energy", "< 1 GW"), ("mtti", "> -3 h"), ("time_to_train", "<"), ("cost", "<> 3 USD"),
    ],
)  # fmt: skip
def test_a_bound_that_says_nothing_is_refused(metric, written):
    with pytest.raises(ValueError, match="expected"):
        expected(metric, written)


def test_only_what_is_stated_is_expected():
    assert Expect().given == ()
    assert [e.metric for e in Expect(mfu="> 0.4", cost="< 1 MUSD").given] == ["cost", "mfu"]
