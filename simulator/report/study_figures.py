"""One figure of a study, chosen by its shape.

One factor gives a line or dots, two give lines or a map, three give panels of lines.  Beyond that stands one line for
each point across parallel axes or, of drawn points, one bar for each factor.  What replicas spread is shown, P5 to P95.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from simulator.report.look import BLUE, DPI, GREY, LINES, ORANGE, STYLE
from simulator.report.points import Axis, Ends, Points

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["study", "tornado"]

_MAP = "cividis"  # even in brightness, and the same to all common kinds of colour vision
_MOST_LINES = 400  # of parallel coordinates; more are one grey cloud
_MOST_PANELS = 6


def study(frame: pd.DataFrame, factors: Sequence[str], output: str, *, headline: str, drawn: bool = False) -> Figure:
    """The figure of one output.

    Parameters
    ----------
    frame
        One row a task: ``point``, ``status``, a column for each of the ``factors``, and the output.
    drawn
        Whether the points were drawn, so that no two share more than a value or two.
    """
    points = Points(frame, factors, output)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 5), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        way = _way(points, drawn=drawn)
        beyond = f"; {points.beyond:,} of them beyond the figure" if points.beyond and way is not _fifths else ""
        figure.suptitle(f"{headline}\n{points.said}{beyond}", x=0.01, ha="left", fontsize=9, parse_math=False)
        way(figure, points)
    return figure


def _way(points: Points, *, drawn: bool) -> Any:
    number = len(points.axes)
    if not number:
        return _single
    if drawn and number >= 3:
        return _fifths
    if number == 1:
        return _along if points.axes[0].numbers is not None else _dots
    if number == 2 and not points.complete:
        return _scattered
    if points.complete and number <= 3 and _roles(points.axes) is not None:
        return _panels
    return _map if number == 2 else _parallel


def _roles(axes: Sequence[Axis]) -> tuple[Axis, Axis | None, Axis | None] | None:
    """Which axis runs along, which tells lines and which tells panels apart; None: too many of them, or a map."""
    numbered = [axis for axis in axes if axis.numbers is not None and len(axis.labels) > 2]
    if not numbered or (len(axes) == 2 and len(numbered) == 2 and all(len(axis.labels) > 3 for axis in axes)):
        return None
    along = max(numbered, key=lambda axis: len(axis.labels))
    others = sorted((axis for axis in axes if axis is not along), key=lambda axis: -len(axis.labels))
    lines, panels = others[0], others[1] if len(others) > 1 else None
    if len(lines.labels) > len(LINES) or (panels is not None and len(panels.labels) > _MOST_PANELS):
        return None
    return along, lines, panels


def _plain(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _run(axes: Any, along: Axis) -> None:
    """The horizontal axis: numbers where they stand, in ratios where that is more even."""
    axes.set_xlabel(along.title, parse_math=False)
    if along.logarithmic:
        axes.set_xscale("log")
    ends = np.array(along.numbers or (0.0,))
    if len(ends) <= 9:
        axes.xaxis.set_major_locator(FixedLocator(ends.tolist()))
        axes.xaxis.set_minor_locator(NullLocator())
    _plain(axes.xaxis)


def _rise(axes: Any, points: Points) -> None:
    """The vertical axis: the output, from zero unless it spans more than equal steps can show."""
    axes.set_ylabel(points.title, parse_math=False)
    if points.logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(0.85 * points.low.min(), 1.15 * points.top)
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    elif points.low.min() >= 0:
        axes.set_ylim(0, 1.06 * points.top)
    _plain(axes.yaxis)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_line(axes: Any, points: Points, along: Axis, chosen: np.ndarray, number: int, label: str) -> None:
    color, dashes, marker = LINES[number]
    order = np.flatnonzero(chosen)[np.argsort(along.values[chosen], kind="stable")]
    x = along.values[order]
    if points.replicas > 1:
        axes.fill_between(x, points.low[order], points.high[order], color=color, alpha=0.2, linewidth=0)
    axes.plot(x, points.value[order], color=color, linestyle=dashes, marker=marker, markersize=4, label=label)


def _single(figure: Any, points: Points) -> None:
    axes = figure.subplots()
    axes.errorbar(points.value, [0] * len(points.value), xerr=[points.value - points.low, points.high - points.value],
                  fmt="o", color=BLUE, capsize=3)  # fmt: skip
    axes.set_yticks([])
    axes.set_xlabel(points.title, parse_math=False)


def _along(figure: Any, points: Points) -> None:
    axes = figure.subplots()
    _draw_line(axes, points, points.axes[0], np.ones(len(points.value), bool), 0, "")
    _run(axes, points.axes[0])
    _rise(axes, points)


def _dots(figure: Any, points: Points) -> None:
    """One row a name, with what its replicas spread."""
    (axis,) = points.axes
    figure.set_size_inches(8, 1.6 + 0.32 * len(axis.labels))
    axes = figure.subplots()
    spread = [points.value - points.low, points.high - points.value] if points.replicas > 1 else None
    axes.errorbar(points.value, axis.places, xerr=spread, fmt="o", color=BLUE, capsize=3, elinewidth=1.2)
    axes.set_yticks(range(len(axis.labels)), axis.labels)
    axes.invert_yaxis()
    axes.set_xlabel(points.title, parse_math=False)
    axes.set_ylabel(axis.title, parse_math=False)
    if points.logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(0.85 * points.low.min(), 1.15 * points.top)
    elif points.low.min() >= 0:
        axes.set_xlim(0, 1.06 * points.top)
    _plain(axes.xaxis)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)


def _panels(figure: Any, points: Points) -> None:
    """Lines along one factor, told apart by a second, in panels by a third."""
    roles = _roles(points.axes)
    along, lines, across = roles if roles is not None else (points.axes[0], None, None)
    shown = across.labels if across is not None else ("",)
    columns = min(len(shown), 3 if len(shown) != 4 else 2)
    rows = math.ceil(len(shown) / columns)
    figure.set_size_inches(8 if len(shown) == 1 else 5.2 * columns, (4.6 if rows == 1 else 3.6 * rows) + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place >= len(shown):
            axes.set_visible(False)
            continue
        inside = np.ones(len(points.value), bool) if across is None else across.places == place
        for number, label in enumerate(lines.labels if lines is not None else ("",)):
            chosen = inside if lines is None else inside & (lines.places == number)
            _draw_line(axes, points, along, chosen, number, label)
        _run(axes, along)
        _rise(axes, points)
        axes.label_outer()
        if across is not None:
            axes.set_title(f"{across.title}: {shown[place]}", parse_math=False)
    if lines is not None:
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, title=lines.title, loc="outside right center", alignment="left")


def _norm(points: Points) -> Any:
    low, high = float(points.value.min()), max(points.top, float(points.value.min()) + 1e-12)
    return LogNorm(low, high, clip=True) if points.logarithmic else Normalize(low, high, clip=True)


def _bar(figure: Any, points: Points, axes: Any) -> Any:
    bar = figure.colorbar(ScalarMappable(_norm(points), _MAP), ax=axes, label=points.title)
    _plain(bar.ax.yaxis)
    return bar


def _map(figure: Any, points: Points) -> None:
    """A cell for every combination, its number in it where there is room."""
    down, along = points.axes
    cells = np.full((len(down.labels), len(along.labels)), np.nan)
    cells[down.places, along.places] = points.value
    figure.set_size_inches(min(3 + 0.62 * len(along.labels), 14), min(1.9 + 0.4 * len(down.labels), 11))
    axes = figure.subplots()
    norm = _norm(points)
    axes.pcolormesh(cells, norm=norm, cmap=_MAP, edgecolors="white", linewidth=0.5)
    if cells.size <= 150:
        for (row, column), value in np.ndenumerate(cells):
            dark = norm(value) < 0.55
            axes.text(column + 0.5, row + 0.5, f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", ha="center",
                      va="center", fontsize=8, color="white" if dark else "black")  # fmt: skip
    for axis, labels in ((axes.xaxis, along.labels), (axes.yaxis, down.labels)):
        step = math.ceil(len(labels) / 16)
        axis.set_ticks(np.arange(0, len(labels), step) + 0.5, [_short(label, along, down) for label in labels[::step]])
    axes.set_xlabel(along.title, parse_math=False)
    axes.set_ylabel(down.title, parse_math=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _bar(figure, points, axes)


def _short(label: str, *axes: Axis) -> str:
    """A number without the unit, which stands in the axis's title."""
    for axis in axes:
        if axis.numbers is not None and label in axis.labels:
            return f"{axis.numbers[axis.labels.index(label)]:,.5g}"
    return label


def _scattered(figure: Any, points: Points) -> None:
    """Two factors without every combination: each point where it stands, coloured by the output."""
    along, up = points.axes
    axes = figure.subplots()
    axes.scatter(along.values, up.values, c=points.value, norm=_norm(points), cmap=_MAP, s=28, edgecolors="none")
    for axis, name in ((along, "x"), (up, "y")):
        getattr(axes, f"set_{name}label")(axis.title, parse_math=False)
        if axis.numbers is None:
            getattr(axes, f"set_{name}ticks")(range(len(axis.labels)), axis.labels)
        else:
            if axis.logarithmic:
                getattr(axes, f"set_{name}scale")("log")
            _plain(getattr(axes, f"{name}axis"))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    _bar(figure, points, axes)


def _parallel(figure: Any, points: Points) -> None:
    """A line for every point across one axis a factor to the output, by which it is coloured; the least in front."""
    figure.set_size_inches(max(8.0, 1.9 * (len(points.axes) + 1)), 5)
    axes = figure.subplots()
    norm, colours = _norm(points), mpl.colormaps[_MAP]
    shares = np.asarray(norm(points.value))
    # lines that share a name part a little, in the order of their output
    apart = 0.05 * (np.argsort(np.argsort(points.value, kind="stable")) / len(points.value) - 0.5)
    heights = [_height(axis) + (apart if len(axis.labels) <= 8 else 0.0) for axis in points.axes] + [shares]
    order = np.argsort(-points.value, kind="stable")
    for point in order[np.linspace(0, len(order) - 1, min(len(order), _MOST_LINES)).astype(int)]:
        axes.plot(range(len(heights)), [height[point] for height in heights], color=colours(shares[point]),
                  linewidth=0.9, alpha=0.8)  # fmt: skip
    for place, axis in enumerate(points.axes):
        axes.axvline(place, color="black", linewidth=0.8)
        for label, height in _ticks(axis):
            axes.annotate(label, (place, height), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
                          bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8})  # fmt: skip
    titles = [axis.title for axis in points.axes] + [points.title]
    axes.set_xticks(range(len(heights)), [title.replace(" [", "\n[") for title in titles])
    axes.set(yticks=[], xlim=(-0.1, len(heights) - 1), ylim=(-0.04, 1.04))
    axes.spines[:].set_visible(False)
    _bar(figure, points, axes)


def _height(axis: Axis) -> np.ndarray:
    """Every point's place between 0 and 1."""
    values = np.log(axis.values) if axis.logarithmic else axis.values
    found: np.ndarray = (values - values.min()) / (values.max() - values.min())
    return found


def _ticks(axis: Axis) -> list[tuple[str, float]]:
    heights = dict(zip(axis.places.tolist(), _height(axis).tolist(), strict=True))
    shown = sorted(heights) if len(heights) <= 8 else [min(heights), max(heights)]
    return [(_short(axis.labels[place], axis), heights[place]) for place in shown]


def _fifths(figure: Any, points: Points) -> None:
    figure.set_size_inches(9, 1.8 + 0.42 * len(points.axes))
    tornado(figure.subplots(), points, sorted((points.ends(axis) for axis in points.axes), key=lambda bar: bar.swing))


def tornado(axes: Any, points: Points, bars: Sequence[Ends]) -> None:
    """A bar a factor, the first at the bottom: the mean output at both of its ends, from the mean of all points."""
    middle = float(points.value.mean())
    for place, bar in enumerate(bars):
        for end, colour, hatch in ((bar.low, BLUE, ""), (bar.high, ORANGE, "///")):
            axes.barh(place, end - middle, left=middle, height=0.62, color=colour, hatch=hatch, edgecolor="white")
        pairs = sorted(((bar.low, bar.lowest), (bar.high, bar.highest)), key=lambda pair: pair[0])
        for (end, label), right in zip(pairs, (False, True), strict=True):
            outside = max(end, middle) if right else min(end, middle)
            axes.annotate(label, (outside, place), xytext=(4 if right else -4, 0), textcoords="offset points",
                          ha="left" if right else "right", va="center", fontsize=7.5)  # fmt: skip
    axes.axvline(middle, color=GREY, linewidth=1)
    axes.set_yticks(range(len(bars)), [bar.title for bar in bars])
    axes.margins(x=0.28)
    axes.set_xlabel(f"mean {points.title}; all points: {middle:,.4g}", parse_math=False)
    _plain(axes.xaxis)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
