from __future__ import annotations

import statistics

import pytest

from simulator.engine.streams import Stream


def test_a_purpose_and_a_seed_name_one_sequence():
    one, same = Stream(7, "arrivals of HBM"), Stream(7, "arrivals of HBM")
    assert [one.uniform() for _ in range(100)] == [same.uniform() for _ in range(100)]


@pytest.mark.parametrize("other", [Stream(8, "arrivals of HBM"), Stream(7, "arrivals of NIC")])
def test_another_seed_or_purpose_is_another_sequence(other):
    one = Stream(7, "arrivals of HBM")
    assert not {one.uniform() for _ in range(100)} & {other.uniform() for _ in range(100)}


def test_exponential_numbers_have_the_asked_mean_and_its_square_as_variance():
    stream = Stream(1, "times")
    drawn = [stream.exponential(50.0) for _ in range(40_000)]
    assert min(drawn) >= 0
    assert statistics.fmean(drawn) == pytest.approx(50, abs=4 * 50 / 200)
    assert statistics.pvariance(drawn) == pytest.approx(2500, rel=0.06)
