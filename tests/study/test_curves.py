"""Curves over size: the sizes asked for, more accelerators sooner done, refusals told."""

import pytest

from simulator import scenario as scenarios
from simulator.report import figures
from simulator.results.columns import names
from simulator.study.curves import curve


@pytest.fixture(scope="module")
def frame():
    return curve(scenarios.read(scenarios.find("tesla-h100")), [8, 512, 1024, 2048], replicas=3)


def test_the_frame_has_the_documented_columns(frame):
    assert list(frame.columns) == list(names("curve"))


def test_more_accelerators_finish_sooner(frame):
    days = frame["time_to_train_d"].dropna()
    assert len(days) == 3
    assert days.is_monotonic_decreasing


def test_the_median_lies_in_its_band(frame):
    known = frame.dropna(subset=["cost_usd"])
    for measure, unit in (("time_to_train", "d"), ("cost", "usd")):
        assert (known[f"{measure}_p5_{unit}"] <= known[f"{measure}_{unit}"]).all()
        assert (known[f"{measure}_{unit}"] <= known[f"{measure}_p95_{unit}"]).all()


def test_a_size_on_which_the_model_does_not_fit_says_why(frame):
    assert "does not fit on 8 H100-SXM" in frame["problem"][0]


def test_the_figure_has_a_line_a_scenario_and_names_its_units(frame):
    drawn = figures.curves(frame)
    assert [axes.get_ylabel() for axes in drawn.axes] == ["days", "million USD"]
    assert all(len(axes.get_lines()) == 1 for axes in drawn.axes)
