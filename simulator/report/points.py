"""What figures of a study show: its points, and its factors as axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.results.columns import FRAMES
from simulator.units import quantity, ratio

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Axis", "Ends", "Points", "axis_of", "measure"]


@dataclass(frozen=True)
class Axis:
    """One factor over all points: numbers in one unit, or names in the order they were first met."""

    name: str
    unit: str
    labels: tuple[str, ...]  # each once: by size where they are numbers, else as first met
    numbers: tuple[float, ...] | None  # of the labels, in the unit; None where one of them is no number
    places: np.ndarray  # of every point, index among the labels

    @property
    def short(self) -> str:
        """The name; of a long path its end."""
        return self.name if len(self.name) <= 34 else ".".join(self.name.split(".")[-2:])

    @property
    def title(self) -> str:
        """``checkpoint.interval [min]``."""
        return f"{self.short} [{self.unit}]" if self.unit else self.short

    @property
    def values(self) -> np.ndarray:
        """Where each point stands on the axis: its number, or the place of its name."""
        return self.places.astype(float) if self.numbers is None else np.array(self.numbers)[self.places]

    @property
    def logarithmic(self) -> bool:
        """Whether the numbers are more even in ratios than in differences."""
        if self.numbers is None or len(self.numbers) < 3 or self.numbers[0] <= 0:
            return False
        steps = np.diff(np.array(self.numbers))
        ratios = np.diff(np.log(np.array(self.numbers)))
        return bool(steps.std() / steps.mean() > ratios.std() / ratios.mean() + 1e-9)


def axis_of(name: str, values: Iterable[Any]) -> Axis:
    """The axis of a factor's values, one for each point."""
    written = [f"{value:.12g}" if isinstance(value, float) else str(value) for value in values]
    labels = list(dict.fromkeys(written))
    numbers, unit = _numbers(labels)
    if numbers is not None:
        order = sorted(range(len(labels)), key=numbers.__getitem__)
        labels, numbers = [labels[place] for place in order], sorted(numbers)
    if ".arrivals." in name and numbers is not None:
        unit = "nodes"  # the one bare number of a scenario whose name does not say what it counts
    place_of = {label: place for place, label in enumerate(labels)}
    places = np.array([place_of[label] for label in written])
    return Axis(name, unit, tuple(labels), None if numbers is None else tuple(numbers), places)


def _numbers(labels: list[str]) -> tuple[list[float] | None, str]:
    try:
        pairs = [quantity(label) for label in labels]
        unit = pairs[0][1] if pairs else ""
        return [number * ratio(own, unit) for number, own in pairs], unit
    except ValueError:  # names, rules such as "optimal", or both kinds
        return None, ""


_SCALES = {"USD": ((1e9, "billion USD"), (1e6, "million USD"), (1e3, "thousand USD"), (1.0, "USD"))}


def measure(output: str, top: float) -> tuple[str, str, float]:
    """Words and unit of an output, and what its values are divided by for that unit; ``top`` is the largest."""
    column = next((one for frame in ("expectation", "comparison") for one in FRAMES[frame] if one.name == output), None)
    unit = column.unit if column is not None else ""
    words = re.sub(rf"_{re.escape(unit)}(?=_|$)", "", output, flags=re.IGNORECASE) if unit else output
    words = words.replace("_", " ").replace(".", ": ")
    scale, named = next((pair for pair in _SCALES.get(unit, ()) if abs(top) >= pair[0]), (1.0, unit))
    return words, named, scale


@dataclass(frozen=True, slots=True)
class Ends:
    """What an output is on average at the two ends of a factor, the rest being as it may."""

    title: str
    low: float
    high: float
    lowest: str  # what the ends are called
    highest: str

    @property
    def swing(self) -> float:
        """How far the ends are apart."""
        return abs(self.high - self.low)


class Points:
    """Mean and spread of an output at every point, and where the points stand on the axes."""

    def __init__(self, frame: pd.DataFrame, factors: Sequence[str], output: str) -> None:
        done = frame[(frame["status"] == "done") & frame[output].notna()]
        grouped = done.groupby("point", sort=True)
        each = done[output].astype(float).groupby(done["point"], sort=True)
        values = np.column_stack([each.mean(), each.quantile(0.05), each.quantile(0.95)])
        first = grouped.head(1).sort_values("point")
        axes = [axis_of(name, first[name]) for name in factors]
        self.axes = [axis for axis in axes if len(axis.labels) > 1]
        self.words, self.unit, scale = measure(output, float(np.abs(values[:, 0]).max(initial=0.0)))
        self.value, self.low, self.high = values.T / scale
        self.replicas = int(grouped.size().max()) if len(done) else 0
        self.asked = int(frame["point"].nunique())

    @property
    def title(self) -> str:
        """The output with its unit."""
        return f"{self.words} [{self.unit}]" if self.unit else self.words

    @property
    def logarithmic(self) -> bool:
        """Whether values differ by more than equal steps can show."""
        if not len(self.value) or self.value.min() <= 0:
            return False
        low, middle, high = np.quantile(self.value, [0.1, 0.5, 0.9])
        return bool(high > 8 * low or self.value.max() > 20 * middle)

    @property
    def top(self) -> float:
        """The highest value worth a place: what is thirty times the median leaves the figure."""
        highest = float(self.high.max(initial=0.0))
        return min(highest, 30 * float(np.median(self.value))) if self.logarithmic else highest

    @property
    def complete(self) -> bool:
        """Whether every combination of the labels has its point."""
        taken = {tuple(places) for places in np.stack([axis.places for axis in self.axes], axis=1).tolist()}
        return len(taken) == math.prod(len(axis.labels) for axis in self.axes) == len(self.value)

    @property
    def beyond(self) -> int:
        """Points whose value leaves the figure."""
        return int((self.value > self.top).sum())

    @property
    def said(self) -> str:
        """How many points and replicas stand behind the figure."""
        many = f", {self.replicas} replicas each, P5–P95 shown" if self.replicas > 1 else ""
        failed = self.asked - len(self.value)
        return f"{len(self.value):,} points{many}" + (f"; {failed:,} more have no {self.words}" if failed else "")

    def ends(self, axis: Axis) -> Ends:
        """Means among the points with the lowest and the highest fifth of an axis's values, or of its names."""
        if axis.numbers is None or len(axis.labels) <= 5:
            means = [float(self.value[axis.places == place].mean()) for place in range(len(axis.labels))]
            low, high = (0, -1) if axis.numbers is not None else (int(np.argmin(means)), int(np.argmax(means)))
            return Ends(axis.title, means[low], means[high], axis.labels[low], axis.labels[high])
        edges = np.quantile(axis.values, [0.2, 0.8])
        lowest, highest = axis.values <= edges[0], axis.values >= edges[1]
        return Ends(
            axis.title, float(self.value[lowest].mean()), float(self.value[highest].mean()),
            f"up to {_short(edges[0])}", f"from {_short(edges[1])}",
        )  # fmt: skip


def _short(value: float) -> str:
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
