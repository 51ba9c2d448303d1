"""What a study varied, as an axis of a figure: numbers in one unit, or names in the order they were listed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.results.columns import FRAMES
from simulator.units import quantity, ratio

__all__ = ["Axis", "axis_of", "measure"]


@dataclass(frozen=True)
class Axis:
    """One factor over all points."""

    name: str
    unit: str
    labels: tuple[str, ...]  # each once: by size where they are numbers, else as first met
    numbers: tuple[float, ...] | None  # of the labels, in the unit; None where one of them is no number
    places: np.ndarray  # of every point, index among the labels

    @property
    def title(self) -> str:
        """``checkpoint.interval [min]``; of a long path its end."""
        short = self.name if len(self.name) <= 34 else ".".join(self.name.split(".")[-2:])
        return f"{short} [{self.unit}]" if self.unit else short

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
    written = [str(value) for value in values]
    labels = list(dict.fromkeys(written))
    numbers, unit = _numbers(labels)
    if numbers is not None:
        order = sorted(range(len(labels)), key=lambda place: numbers[place])
        labels, numbers = [labels[place] for place in order], [numbers[place] for place in order]
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
    column = next(
        (one for frame in ("expectation", "comparison") for one in FRAMES[frame] if one.name == output), None
    )
    unit = column.unit if column is not None else ""
    words = re.sub(rf"_{re.escape(unit)}(?=_|$)", "", output, flags=re.IGNORECASE) if unit else output
    words = words.replace("_", " ").replace(".", ": ")
    scale, named = next((pair for pair in _SCALES.get(unit, ()) if abs(top) >= pair[0]), (1.0, unit))
    return words, named, scale
