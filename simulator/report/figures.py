"""Figures: functions from a frame to Axes.

matplotlib's object interface only: no global state, no display, the same bytes for the same numbers.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.dates
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from simulator.report.look import (
    BLACK,
    BLUE,
    DPI,
    GREEN,
    LINES,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
    YELLOW,
)  # fmt: skip

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from simulator.plan import Frontier

__all__ = [
    "averaged", "backlog", "compare", "cost", "curves", "dashboard", "delay", "in_use", "nodes", "pareto", "power",
    "queue", "save", "trained", "validation",
]  # fmt: skip

_ROWS = {
    "capital": (BLUE, ""),
    "network": (SKY, "///"),
    "facility": (GREEN, "..."),
    "people": (YELLOW, "xxx"),
    "rent": (PURPLE, "\\\\\\"),
    "energy": (ORANGE, "---"),
}
_TICKS = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"],
    "zero_formats": ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y"],
}
_dates: Any = matplotlib.dates  # its constructors are untyped
_BINS = 240


def averaged(frame: pd.DataFrame, column: str, bins: int = _BINS) -> tuple[np.ndarray, np.ndarray]:
    """Centres in days and time-weighted means of a step curve: thousands of short dips become their mean depth."""
    days, values = frame["elapsed_d"].to_numpy(float), frame[column].to_numpy(float)
    total = np.concatenate([[0.0], (values[:-1] * np.diff(days)).cumsum()])
    edges = np.linspace(days[0], days[-1], bins + 1)
    return (edges[:-1] + edges[1:]) / 2, np.diff(np.interp(edges, days, total)) / np.diff(edges)


def _step(frame: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A step curve reduced to its changes and its two ends."""
    values = frame[column].to_numpy(float)
    keep = np.append(True, values[1:] != values[:-1]) | (np.arange(len(values)) == len(values) - 1)
    return frame["elapsed_d"].to_numpy(float)[keep], values[keep]


class _Calendar:
    """Turns days since the start into what the horizontal axis shows: dates, or years where the calendar ends."""

    def __init__(self, frame: pd.DataFrame, spread: pd.DataFrame | None = None) -> None:
        self.start = frame["date"].to_numpy()[0].astype("datetime64[s]")
        self.dated = frame["date"].to_numpy()[-1].astype("datetime64[Y]") < np.datetime64("9000", "Y")
        ends = [float(one["elapsed_d"].iloc[-1]) for one in (frame, spread) if one is not None]
        self.end = max(*ends, 10 / 86400)  # labels show whole seconds

    def __call__(self, days: np.ndarray) -> np.ndarray:
        if not self.dated:
            return days / 365.25
        dates: np.ndarray = self.start + np.rint(days * 86400).astype("timedelta64[s]")
        return dates

    def dress(self, axes: Axes) -> None:
        """The same span and the same ticks on every panel."""
        margin = 0.01 * self.end
        axes.set_xlim(*self(np.array([-margin, self.end + margin])))
        if self.dated:
            locator = _dates.AutoDateLocator(minticks=3, maxticks=7)
            first, last = self(np.array([0.0, self.end])).tolist()
            axes.xaxis.set_major_locator(FixedLocator(_apart(locator.tick_values(first, last), axes.get_xlim())))
            axes.xaxis.set_major_formatter(_dates.ConciseDateFormatter(locator, **_TICKS))
        else:
            axes.set_xlabel("years since the start")


def _apart(ticks: np.ndarray, limits: tuple[float, float]) -> list[float]:
    """Ticks within the limits, less those whose label would run into the next: every third day has a 31st and a 1st."""
    inside = ticks[(ticks >= limits[0]) & (ticks <= limits[1])]
    gaps = np.diff(inside)
    return [float(tick) for tick in inside[:-1][gaps > 0.6 * gaps.max(initial=0.0)]] + [float(t) for t in inside[-1:]]


def _dress(axes: Axes, title: str, unit: str, top: float) -> None:
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.set_ylim(0, top * 1.08 if top > 0 else 1)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _legend_above(axes: Axes) -> None:
    """A legend in the title's line, for curves that may run anywhere."""
    entries = len(axes.get_legend_handles_labels()[0])
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.99),
        ncols=entries,
        columnspacing=0.8 if entries > 4 else 1.0,
        handlelength=1.4 if entries > 4 else 1.8,
        handletextpad=0.5,
        borderpad=0.1,
    )


def _scale(top: float, scales: Sequence[tuple[float, str]]) -> tuple[float, str]:
    return next(((size, name) for size, name in scales if top >= size), scales[-1])


def _band(
    axes: Axes,
    calendar: _Calendar,
    spread: pd.DataFrame | None,
    *,
    quantity: str,
    scale: float,
    colour: str,
    steps: bool = False,
) -> float:
    """Draws P5 to P95 of the replicas and their median; answers with the highest value drawn.

    With ``steps``, a value is the mean since the moment before it; without, what had been reached by then.
    """
    band = None if spread is None else spread[spread["quantity"] == quantity]
    if band is None or not len(band):
        return 0.0
    x = calendar(np.append(0.0, band["elapsed_d"].to_numpy(float)))
    low, middle, high = (
        np.append(values[:1] if steps else 0.0, values)
        for values in (band[column].to_numpy(float) / scale for column in ("p5", "p50", "p95"))
    )
    axes.fill_between(
        x, low, high, color=colour, alpha=0.25, linewidth=0, step="pre" if steps else None, label="P5–P95"
    )
    axes.plot(x, middle, color=colour, linestyle=(0, (1, 1)), linewidth=1.2, label="median",
              drawstyle="steps-pre" if steps else "default")  # fmt: skip
    return float(high.max())


def nodes(axes: Axes, frame: pd.DataFrame, spread: pd.DataFrame | None = None) -> None:
    """Nodes installed, healthy and working."""
    calendar = _Calendar(frame, spread)
    x, installed = _step(frame, "installed_nodes")
    axes.plot(calendar(x), installed, color=BLACK, linewidth=1.2, drawstyle="steps-post", label="installed")
    for column, colour, dashes, label in (
        ("healthy_nodes", GREEN, (0, (5, 2)), "healthy"),
        ("working_nodes", BLUE, "-", "working"),
    ):
        x, values = averaged(frame, column)
        axes.plot(calendar(x), values, color=colour, linestyle=dashes, linewidth=1.4, drawstyle="steps-mid",
                  label=label)  # fmt: skip
    _band(axes, calendar, spread, quantity="working_nodes", scale=1.0, colour=BLUE, steps=True)
    _dress(axes, "Nodes", "nodes", float(installed.max()))
    _legend_above(axes)
    calendar.dress(axes)


def trained(axes: Axes, frame: pd.DataFrame, target: float, spread: pd.DataFrame | None = None) -> None:
    """Tokens trained and safe, against how many are asked for."""
    calendar = _Calendar(frame, spread)
    scale, name = _scale(target, ((1e12, "trillion tokens"), (1e9, "billion tokens"), (1e6, "million tokens")))
    x = calendar(frame["elapsed_d"].to_numpy(float))
    axes.axhline(target / scale, color=BLACK, linestyle=(0, (5, 2)), linewidth=1, label="asked for")
    axes.plot(x, frame["tokens"] / scale, color=BLUE, linewidth=1.6, label="trained")
    _band(axes, calendar, spread, quantity="tokens", scale=scale, colour=BLUE)
    _dress(axes, "Tokens trained", name, target / scale)
    axes.legend(loc="lower right")
    calendar.dress(axes)


def power(axes: Axes, frame: pd.DataFrame, spread: pd.DataFrame | None = None) -> None:
    """Facility power, against what the site has."""
    calendar = _Calendar(frame, spread)
    x, drawn = averaged(frame, "power_MW")
    cap = frame["power_cap_MW"].to_numpy(float)
    capped = bool(np.isfinite(cap).any())
    top = max(float(drawn.max()), float(np.nanmax(cap)) if capped else 0.0)
    scale, unit = _scale(top, ((1000.0, "GW"), (1.0, "MW"), (0.001, "kW")))
    if capped:
        when, watts = _step(frame, "power_cap_MW")
        axes.plot(calendar(when), watts / scale, color=VERMILION, linestyle=(0, (5, 2)), linewidth=1.2,
                  drawstyle="steps-post", label="available")  # fmt: skip
    axes.plot(calendar(x), drawn / scale, color=BLUE, linewidth=1.4, drawstyle="steps-mid", label="drawn")
    _band(axes, calendar, spread, quantity="power_MW", scale=scale, colour=BLUE, steps=True)
    _dress(axes, "Facility power", unit, top / scale)
    _legend_above(axes)
    calendar.dress(axes)


def cost(axes: Axes, frame: pd.DataFrame, spread: pd.DataFrame | None = None) -> None:
    """Dollars spent so far, stacked by row of the bill."""
    calendar = _Calendar(frame, spread)
    top = float(frame["cost_usd"].iloc[-1])
    scale, unit = _scale(top, ((1e9, "billion USD"), (1e6, "million USD"), (1e3, "thousand USD"), (1.0, "USD")))
    thinned = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, _BINS).astype(int))]
    x, below = calendar(thinned["elapsed_d"].to_numpy(float)), np.zeros(len(thinned))
    for row, (colour, hatch) in _ROWS.items():
        spent = thinned[f"cost_usd.{row}"].to_numpy(float) / scale
        if spent[-1] > 0:
            axes.fill_between(x, below, below + spent, facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0.3,
                              label=row)  # fmt: skip
            below = below + spent
    highest = _band(axes, calendar, spread, quantity="cost_usd", scale=scale, colour=BLACK)
    _dress(axes, "Cost so far", unit, max(top / scale, highest))
    axes.legend(loc="upper left", reverse=True)
    calendar.dress(axes)


def dashboard(
    frame: pd.DataFrame, *, headline: str, subtitle: str, target: float, spread: pd.DataFrame | None = None
) -> Figure:
    """One run on one page: nodes, tokens, power and cost against date, under the answer in words."""
    above = textwrap.wrap(re.sub(r"(?<=\d) (?=\S)", "\N{NO-BREAK SPACE}", headline), 98)  # `$412 M` in one piece
    below = textwrap.wrap(subtitle, 150)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 7), dpi=DPI)
        FigureCanvasAgg(figure)
        # Margins in inches by the number of lines: the same look as a layout engine's, in two thirds of its time.
        top, bottom = 1 - (0.42 + 0.22 * len(above)) / 7, (0.52 + 0.14 * len(below)) / 7
        grid = figure.subplots(2, 2, gridspec_kw={"top": top, "bottom": bottom, "left": 0.075, "right": 0.985,
                                                  "hspace": 0.28, "wspace": 0.17})  # fmt: skip
        nodes(grid[0, 0], frame, spread)
        trained(grid[0, 1], frame, target, spread)
        power(grid[1, 0], frame, spread)
        cost(grid[1, 1], frame, spread)
        plain: Any = {"ha": "left", "parse_math": False}
        figure.text(0.012, 0.985, "\n".join(above), va="top", fontsize=13, fontweight="bold", **plain)
        figure.text(0.012, 0.012, "\n".join(below), va="bottom", fontsize=8, color="#444444", **plain)
    return figure


_TRAINING = {"with": (BLUE, "-", "with training"), "without": (ORANGE, (0, (5, 2)), "without")}


def in_use(axes: Axes, over_time: pd.DataFrame) -> None:
    """Accelerators that the queue has and uses, with the training jobs and without them."""
    top = 0.0
    for training, (colour, dashes, label) in _TRAINING.items():
        part = over_time[over_time["training"] == training]
        days = part["elapsed_d"].to_numpy(float)
        there, busy = (part[f"{kind}_accelerators"].to_numpy(float) for kind in ("there", "busy"))
        axes.plot(days, there, color=colour, linestyle=(0, (1, 1)), linewidth=1, drawstyle="steps-post")
        axes.plot(days, busy, color=colour, linestyle=dashes, linewidth=1.4, drawstyle="steps-post", label=label)
        top = max(top, float(there.max()))
    _dress(axes, "Used by the queue (dotted: its share)", "accelerators", top)
    axes.set_xlabel("days since the start")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.93))


def backlog(axes: Axes, over_time: pd.DataFrame) -> None:
    """Accelerators that jobs wait for."""
    top = 0.0
    for training, (colour, dashes, label) in _TRAINING.items():
        part = over_time[over_time["training"] == training]
        wanted = part["wanted_accelerators"].to_numpy(float)
        axes.plot(part["elapsed_d"], wanted, color=colour, linestyle=dashes, linewidth=1.4, label=label,
                  drawstyle="steps-post")  # fmt: skip
        top = max(top, float(wanted.max()))
    _dress(axes, "Accelerators waited for", "accelerators", top)
    axes.set_xlabel("days since the start")


def delay(axes: Axes, table: pd.DataFrame) -> None:
    """Queueing delay by the size of jobs: a dot at the median, a line to the 95th percentile."""
    kinds = list(dict.fromkeys(table["accelerators"]))
    for training, (colour, dashes, label) in _TRAINING.items():
        part = table[table["training"] == training]
        places = np.array([kinds.index(kind) for kind in part["accelerators"]]) + (
            -0.12 if training == "with" else 0.12
        )
        middle, high = part["delay_p50_h"].to_numpy(float), part["delay_p95_h"].to_numpy(float)
        axes.vlines(places, middle, high, color=colour, linestyle=dashes, linewidth=1.4, label=label)
        axes.plot(places, middle, "o", color=colour, markersize=4)
        axes.plot(places, high, "_", color=colour, markersize=8)
    _dress(axes, "Queueing delay, median to P95", "hours", float(table["delay_p95_h"].max()))
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_xlabel("accelerators of a job")


def queue(over_time: pd.DataFrame, table: pd.DataFrame, *, headline: str) -> Figure:
    """What the training jobs do to everyone else, on one page."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        panels: Any = figure.subplots(1, 3)
        in_use(panels[0], over_time)
        backlog(panels[1], over_time)
        delay(panels[2], table)
        figure.suptitle(headline, x=0.01, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    return figure


_MEASURES = (
    ("time_to_train_d", "time to train", "days"),
    ("cost_usd", "cost", "million USD"),
    ("energy_MWh", "energy", "GWh"),
    ("mfu", "MFU", "% of dense peak"),
)
_SHOWN = {"time_to_train_d": 1.0, "cost_usd": 1e-6, "energy_MWh": 1e-3, "mfu": 100.0}


def compare(frame: pd.DataFrame) -> Figure:
    """Scenarios side by side: one panel a measure, one bar a scenario; hatched where it did not finish."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 1.6 + 0.42 * len(frame)), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        places = np.arange(len(frame))[::-1]
        panels: Any = figure.subplots(1, len(_MEASURES), sharey=True)
        for axes, (column, title, unit) in zip(panels, _MEASURES, strict=True):
            values = frame[column].to_numpy(float) * _SHOWN[column]
            finished = frame["finished"].to_numpy(bool)
            known = np.nan_to_num(values)
            bars = axes.barh(places, known, height=0.62, color=[BLUE if done else SKY for done in finished])
            for bar, done in zip(bars, finished, strict=True):
                bar.set_hatch("" if done else "///")
                bar.set_edgecolor("white")
            labels = [f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}" for value in known]
            labels = [label if np.isfinite(value) else "never" for label, value in zip(labels, values, strict=True)]
            axes.bar_label(bars, labels=labels, padding=3, fontsize=8)
            axes.set_title(title)
            axes.set_xlabel(unit)
            axes.set_xlim(0, (known.max() or 1.0) * 1.28)
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(places, list(frame["scenario"]), parse_math=False)
        if not frame["finished"].all():
            note = "hatched: not finished within its horizon; time and cost carried on at the last rate, energy so far"
            figure.supxlabel(note, x=0.01, ha="left", fontsize=8, color="#444444")
    return figure


_CURVES = (("time_to_train", "d", "days", 1.0), ("cost", "usd", "million USD", 1e-6))


def curves(frame: pd.DataFrame) -> Figure:
    """Time and cost against size, one line a scenario, bands from P5 to P95; both axes logarithmic."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        panels: Any = figure.subplots(1, len(_CURVES))
        for axes, (measure, unit, words, scale) in zip(panels, _CURVES, strict=True):
            for number, (name, rows) in enumerate(frame.groupby("scenario", sort=False)):
                color, dashes, marker = LINES[number % len(LINES)]
                known = rows[rows[f"{measure}_{unit}"].notna()]
                size = known["accelerators"].to_numpy(float)
                low, high = (known[f"{measure}_{end}_{unit}"].to_numpy(float) * scale for end in ("p5", "p95"))
                axes.fill_between(size, low, high, color=color, alpha=0.2, linewidth=0)
                middle = known[f"{measure}_{unit}"].to_numpy(float) * scale
                axes.plot(size, middle, color=color, linestyle=dashes, marker=marker, markersize=4, label=str(name))
            axes.set(xscale="log", yscale="log", xlabel="accelerators", ylabel=words)
            axes.set_title(measure.replace("_", " "))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axes.grid(alpha=0.3, linewidth=0.5)
        panels[0].legend()
    return figure


_FAMILIES = {
    "volta": ("#999999", "v", "NVIDIA V100"),
    "ampere": (ORANGE, "o", "NVIDIA A100"),
    "hopper": (BLUE, "s", "NVIDIA H100, H200"),
    "blackwell": (GREEN, "^", "NVIDIA B200, GB200"),
    "blackwell-ultra": (GREEN, "v", "NVIDIA B300, GB300"),
    "ascend": (BLACK, "X", "Huawei Ascend"),
    "tpu": (VERMILION, "D", "Google TPU"),
    "trainium": (PURPLE, "P", "AWS Trainium"),
    "gaudi": (SKY, "X", "Intel Gaudi"),
    "wafer": (BLACK, "*", "Cerebras"),
    "cdna2": (YELLOW, "h", "AMD MI250X"),
}
_OTHER_FAMILY = (BLACK, "+", "")


_VALIDATED = {
    "steps": ("Published step times, predicted from their inputs", "measured tokens per second and accelerator"),
    "runs": ("Published training runs, predicted from their inputs", "measured accelerator-hours"),
}


def validation(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Predicted against measured by family, a panel for each kind of measurement; shaded: 10 % off.

    A frame has the columns ``family``, ``measured``, ``predicted``.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6 * len(frames), 7), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        panels: Any = figure.subplots(1, len(frames), squeeze=False)[0]
        for axes, (kind, frame) in zip(panels, frames.items(), strict=True):
            _scatter(axes, frame, *_VALIDATED[kind])
    return figure


def pareto(frontiers: Sequence[Frontier]) -> Figure:
    """Step time against memory left and against accelerators, one row of panels a job; the frontiers as lines."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2 * len(frontiers)), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        grid: Any = figure.subplots(len(frontiers), 2, squeeze=False)
        for (memory, size), one in zip(grid, frontiers, strict=True):
            _against_memory(memory, one)
            _against_size(size, one)
    return figure


def _against_memory(axes: Any, one: Frontier) -> None:
    left, steps = one.fitting.memory.margin / 1e9, one.fitting.total
    shown = steps <= 4 * steps.min()  # beyond it nobody would go, and the frontier would be flat
    axes.scatter(left[shown], steps[shown], s=8, color="#999999", alpha=0.4, linewidths=0, label="layouts that fit")
    roomy = one.roomy[shown[one.roomy]]
    axes.step(left[roomy], steps[roomy], where="pre", color=BLUE, marker="o", markersize=4, label="none beats these")
    axes.set(xlabel="memory left [GB]", ylabel="step time [s]", xlim=(0, None), ylim=(0, 5 * steps.min()))
    axes.set_title(f"{one.job}: memory left, {one.accelerators:,} accelerators", parse_math=False)
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(loc="upper left")


def _against_size(axes: Any, one: Frontier) -> None:
    sizes = np.array([answer.layout.accelerators for answer in one.sizes], dtype=float)
    steps = np.array([answer.step.total for answer in one.sizes])
    axes.plot(sizes, steps[0] * sizes[0] / sizes, color="#999999", linestyle="--", label="if speed grew with size")
    axes.scatter(sizes, steps, s=14, color="#999999", linewidths=0)
    axes.plot(sizes[one.fewest], steps[one.fewest], color=BLUE, marker="o", markersize=4, label="fastest layout")
    axes.set(xscale="log", yscale="log", xlabel="accelerators", ylabel="step time [s]")
    axes.set_title(f"{one.job}: accelerators", parse_math=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend()


def _scatter(axes: Any, known: pd.DataFrame, title: str, measured: str) -> None:
    values = known[["measured", "predicted"]].to_numpy(float)
    ends = np.array([values.min() / 1.5, values.max() * 1.5]) if len(values) else np.array([1.0, 10.0])
    axes.fill_between(ends, ends * 0.9, ends * 1.1, color=BLACK, alpha=0.1, linewidth=0, label="±10 %")
    axes.plot(ends, ends, color=BLACK, linewidth=0.8)
    order = list(_FAMILIES)
    for family in known["family"].value_counts().index.astype(str):
        rows = known[known["family"] == family]
        colour, marker, words = _FAMILIES.get(family, _OTHER_FAMILY)
        axes.scatter(rows["measured"], rows["predicted"], s=18, color=colour, marker=marker, alpha=0.65,
                     linewidths=0.8 if marker == "+" else 0, label=f"{words or family} ({len(rows)})",
                     zorder=2 + (order.index(family) if family in order else len(order)) / 100)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    axes.set_xlabel(measured)
    axes.set_ylabel("predicted")
    axes.set_title(title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that is the same file for the same figure: no date, no program name."""
    figure.savefig(path, format="png", metadata={"Software": None})
