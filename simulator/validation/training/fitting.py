"""What runs lose, fitted; its error on sources left out; and the 80 % interval of a prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.validation.spread import Interval, quantiles
from simulator.validation.training.outcome import RunOutcome
from simulator.validation.training.predict import RunPrediction, Runs, lost

__all__ = ["Fitted", "LeftOut", "fit", "hours", "interval", "left_out"]


_GRID = np.arange(0.0, 3.001, 0.02)
_CAP = 0.6  # an error of log hours beyond it counts as this: what the source counted is not what was predicted
_ENDS = (0.075, 0.925)
"""Quantiles that hold 82 % of the runs of a source left out; those at 5 and 95 % hold 89 %, at 10 and 90 % 75 %."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An entry of the shelf ``runs``, and how much it rests on."""

    lost: float
    low: float
    high: float
    largest: int
    runs: int
    sources: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One run, predicted with the losses and the interval that the other sources give."""

    outcome: RunOutcome
    kind: str
    error: float
    inside: bool
    fitted: float  # its error when its own source is among those fitted


def interval(made: RunPrediction) -> Interval:
    """The catalogue's interval for a prediction."""
    found = Runs.load(made.kind)
    beyond = made.step.accelerators > found.largest
    why = f"extrapolated: {made.kind} runs measured on up to {found.largest:,} accelerators" if beyond else ""
    return Interval(found.low, found.high, why)


Scored = tuple[RunOutcome, RunPrediction, float]
"""A run with both a prediction and a measurement, in accelerator-hours."""


def _scored(outcomes: Iterable[RunOutcome]) -> dict[str, list[Scored]]:
    """What can be fitted to, by kind."""
    found: dict[str, list[Scored]] = defaultdict(list)
    for one in outcomes:
        if one.prediction is not None and one.measured is not None:
            found[one.prediction.kind].append((one, one.prediction, one.measured))
    return found


def fit(outcomes: Iterable[RunOutcome]) -> dict[str, Fitted]:
    """The shelf; benchmarks lose nothing beside their steps, by definition."""
    return {kind: _fit(kind, rows) for kind, rows in _scored(outcomes).items()}


def hours(made: RunPrediction, fitted: Fitted) -> float:
    """Accelerator-hours of a run with other losses than the shelf's."""
    return made.tuned_hours + lost(fitted.lost, made.active) * made.arithmetic_hours


def _fit(kind: str, rows: Sequence[Scored]) -> Fitted:
    sources = [one.run.source for one, _, _ in rows]
    share = _least(rows) if kind == "training" else 0.0
    found = Fitted(share, 1.0, 1.0, max(made.step.accelerators for _, made, _ in rows), len(rows), len(set(sources)))
    low, high = quantiles([measured / hours(made, found) for _, made, measured in rows], sources, _ENDS)
    return replace(found, low=low, high=high)


def _least(rows: Sequence[Scored]) -> float:
    """The parameter with the least mean absolute error of log hours, capped."""
    tuned, beside, measured = np.array([
        (made.tuned_hours, lost(1.0, made.active) * made.arithmetic_hours, found) for _, made, found in rows
    ]).T  # fmt: skip
    errors = np.minimum(np.abs(np.log((tuned + _GRID[:, None] * beside) / measured)), _CAP).mean(axis=-1)
    return round(float(_GRID[int(np.argmin(errors))]), 2)


def left_out(outcomes: Iterable[RunOutcome]) -> list[LeftOut]:
    """Every run by the fit of the other sources; a kind that one source measured alone is left out."""
    found = []
    for kind, rows in _scored(outcomes).items():
        everything = _fit(kind, rows)
        for source in sorted({one.run.source for one, _, _ in rows}):
            others = [row for row in rows if row[0].run.source != source]
            if others:
                fitted = _fit(kind, others)
                for one, made, measured in rows:
                    if one.run.source == source:
                        ratio = measured / hours(made, fitted)
                        inside = fitted.low <= ratio <= fitted.high
                        found.append(LeftOut(one, kind, 1 / ratio - 1, inside, hours(made, everything) / measured - 1))
    return found
