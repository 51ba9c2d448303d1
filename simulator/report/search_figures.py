"""Figures of what moves an output, and of a search for its best value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from simulator.report.look import BLACK, BLUE, DPI, GREEN, GREY, ORANGE, STYLE, VERMILION
from simulator.report.points import Points, measure
from simulator.report.study_figures import tornado

if TYPE_CHECKING:
    import pandas as pd

    from simulator.results.sensitivity import Sensitivity
    from simulator.results.sought import Sought

__all__ = ["search", "sensitivity"]


def sensitivity(frame: pd.DataFrame, found: Sensitivity, *, headline: str) -> Figure:
    """How far each factor moves the output, and its indices with their intervals, in the same order.

    Parameters
    ----------
    frame
        One row a task, as of :func:`simulator.report.study_figures.study`.
    """
    factors = [index.factor for index in found.indices]
    points = Points(frame, factors, found.output)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 1.9 + 0.44 * max(len(factors), 2)), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f"{headline}\n{points.said}", x=0.01, ha="left", fontsize=9, parse_math=False)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
        ends = {axis.name: points.ends(axis) for axis in points.axes}
        tornado(left, points, [ends[name] for name in reversed(factors) if name in ends])
        _indices(right, found)
    return figure


def _indices(axes: Any, found: Sensitivity) -> None:
    places = np.arange(len(found.indices))[::-1]
    rows = (
        ("total", 0.18, BLUE, "", "total: alone and with others"),
        ("first", -0.18, ORANGE, "///", "first order: alone"),
    )
    for name, shift, colour, hatch, words in rows:
        values = [max(getattr(index, name), 0.0) for index in found.indices]
        halves = [getattr(index, f"{name}_half") for index in found.indices]
        axes.barh(places + shift, values, 0.34, color=colour, hatch=hatch, edgecolor="white", label=words)
        axes.errorbar(values, places + shift, xerr=halves, fmt="none", ecolor=BLACK, elinewidth=0.9, capsize=2)
    axes.set_xlabel("share of the variance, with 95 % intervals")
    axes.set_xlim(0, None)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right")


def search(found: Sought, *, headline: str) -> Figure:
    """The objective of each trial in order, and the best so far that keeps the constraints."""
    possible = [trial for trial in found.trials if trial.values.get(found.output) is not None]
    values = np.array([trial.values[found.output] for trial in possible], float)
    words, unit, scale = measure(found.output, float(np.abs(values).max(initial=0.0)))
    values, order = values / scale, np.array([trial.point + 1 for trial in possible])
    allowed = np.array([trial.allowed for trial in possible], bool)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.6), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        said = f"{len(found.trials):,} trials, {int(allowed.sum()):,} keep the constraints"
        lost = len(found.trials) - len(possible)
        said += f"; {lost:,} have no value" if lost else ""
        figure.suptitle(f"{headline}\n{said}", x=0.01, ha="left", fontsize=9, parse_math=False)
        axes = figure.subplots()
        _trials(axes, order, values, allowed, found.goal)
        axes.set(xlabel="trial", ylabel=f"{words} [{unit}]" if unit else words)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend()
    return figure


def _trials(axes: Any, order: np.ndarray, values: np.ndarray, allowed: np.ndarray, goal: str) -> None:
    axes.scatter(order[~allowed], values[~allowed], marker="x", s=24, color=VERMILION, linewidths=1,
                 label="breaks a constraint")  # fmt: skip
    axes.scatter(order[allowed], values[allowed], s=22, color=BLUE, label="keeps all constraints")
    if allowed.any():
        run = (np.minimum if goal == "minimise" else np.maximum).accumulate(values[allowed])
        axes.step(order[allowed], run, where="post", color=GREEN, linewidth=1.4, label="best so far")
        axes.axhline(run[-1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    if len(values) and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_yscale("log")
