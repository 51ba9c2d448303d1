"""The figure of a study follows its shape; every axis names its unit and every spread is drawn."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from simulator.report.figures import save
from simulator.report.points import axis_of
from simulator.report.study_figures import study


def frame(factors, *, replicas=1, value=lambda row, replica: 100.0 + replica, drawn=None):
    rows = []
    points = drawn if drawn is not None else list(itertools.product(*factors.values()))
    for point, row in enumerate(points):
        for replica in range(replicas):
            named = dict(zip(factors, row, strict=True))
            found = value(row, replica)
            status = "failed" if found is None else "done"
            rows.append({"point": point, "replica": replica, **named, "cost_usd": found, "status": status})
    return pd.DataFrame(rows)


def drawing(factors, **options):
    return study(frame(factors, **options), list(factors), "cost_usd", headline="mine: why?")


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


SIZES = ["64", "128", "256", "512"]


def test_one_factor_of_numbers_is_a_line_with_its_spread(tmp_path):
    figure = drawing({"checkpoint.interval": ["30 min", "1 h", "2 h"]}, replicas=5)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "checkpoint.interval [min]"
    assert axes.get_ylabel() == "cost [USD]"
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [30, 60, 120]
    assert line.get_ydata().tolist() == [102, 102, 102]
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices[:, 1]
    assert edges.min() == pytest.approx(100.2)
    assert edges.max() == pytest.approx(103.8)
    assert any("5 replicas each, P5–P95 shown" in text for text in texts(figure))


def test_one_factor_of_names_is_a_row_of_dots_each():
    (axes,) = drawing({"fleet": ["rsc-1", "llama-3"]}, replicas=3).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["rsc-1", "llama-3"]
    assert axes.get_xlabel() == "cost [USD]"


def test_numbers_and_names_are_lines():
    (axes,) = drawing({"pool.arrivals.2024-09-02": SIZES, "machine": ["A100", "H100", "B200"]}).axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "pool.arrivals.2024-09-02 [nodes]"
    assert len(axes.lines) == 3
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines}) == 3


def test_two_factors_of_numbers_are_a_map_with_its_numbers():
    figure = drawing(
        {"a": SIZES, "b": ["1 h", "2 h", "3 h", "4 h"]}, value=lambda row, _: float(row[0]) * float(row[1][0])
    )
    mesh = figure.axes[0].collections[0]
    assert mesh.get_array().reshape(4, 4)[3].tolist() == [0.512, 1.024, 1.536, 2.048]
    assert "2.05" in " ".join(texts(figure)), "thousand USD"
    assert figure.axes[1].get_ylabel() == "cost [thousand USD]"


def test_two_factors_that_do_not_meet_everywhere_are_points():
    figure = drawing({"a": [], "b": []}, drawn=[("1", "5"), ("2", "6"), ("3", "9")])
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[1, 5], [2, 6], [3, 9]]


def test_three_factors_are_panels_of_lines():
    figure = drawing({"size": SIZES, "machine": ["A100", "H100"], "model": ["8B", "70B", "405B"]})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["model: 8B", "model: 70B", "model: 405B"] or (
        [axes.get_title(loc="left") for axes in figure.axes] == ["machine: A100", "machine: H100"]
    )
    assert all(len(axes.lines) in (2, 3) for axes in figure.axes)
    assert figure.legends


def test_four_factors_are_a_line_for_each_point_to_its_output():
    factors = {"a": ["1", "2"], "b": ["x", "y"], "c": ["u", "v"], "d": ["1 s", "2 s"]}
    figure = drawing(factors, value=lambda row, _: float(row[0]) * 1e9)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 5]
    assert len(lines) == 16
    assert "cost\n[billion USD]" in texts(figure)


def test_drawn_points_are_a_bar_for_each_factor_the_widest_on_top():
    random = np.random.default_rng(1)
    points = [(f"{a:.6g} s", f"{b:.6g}", c) for a, b, c in zip(random.random(200), random.random(200), "xy" * 100,
                                                               strict=True)]  # fmt: skip
    factors = {"small": [], "large": [], "name": []}
    rows = frame(factors, drawn=points, value=lambda row, _: 5 + float(row[1]) + 0.1 * (row[2] == "x"))
    figure = study(rows, list(factors), "cost_usd", headline="", drawn=True)
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()][-1] == "large"
    assert axes.get_xlabel().startswith("mean cost [USD]; all points: 5.5")
    assert {"x", "y"} <= set(texts(figure))


def test_what_failed_and_what_leaves_the_figure_is_said():
    figure = drawing({"a": ["1", "2", "3", "4"]}, value=lambda row, _: {"1": 1.0, "2": 2.0, "3": 500.0}.get(row[0]))
    (said,) = [text for text in texts(figure) if "points" in text]
    assert said.endswith("3 points; 1 more have no cost; 1 of them beyond the figure")
    assert figure.axes[0].get_yscale() == "log"


def test_a_factor_that_stays_the_same_is_no_axis():
    (axes,) = drawing({"a": ["1", "2", "3"], "b": ["5"]}).axes
    assert axes.get_xlabel() == "a"


def test_numbers_stand_in_their_order_and_names_as_they_came():
    axis = axis_of("t", ["2 h", "30 min", "1 h"])
    assert (axis.labels, axis.numbers, axis.unit) == (("30 min", "1 h", "2 h"), (0.5, 1, 2), "h")
    assert axis.places.tolist() == [2, 0, 1]
    assert axis_of("t", ["2 min", "optimal"]).numbers is None
    assert axis_of("cluster.pools.h100.nodes.of.another.kind", ["1"]).title == "another.kind"


def test_the_same_frame_gives_the_same_file(tmp_path):
    factors = {"size": SIZES, "machine": ["A100", "H100"]}
    for name in ("one.png", "two.png"):
        save(drawing(factors), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert re.match(rb"\x89PNG", (tmp_path / "one.png").read_bytes())
