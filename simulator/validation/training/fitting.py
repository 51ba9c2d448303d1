"""The share of a run, fitted; its error on sources left out; and the 80 % interval of a prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from simulator.validation.spread import Interval, quantiles
from simulator.validation.training.outcome import RunOutcome
from simulator.validation.training.predict import RunPrediction, Runs

__all__ = ["Fitted", "LeftOut", "fit", "interval", "left_out"]


_ENDS = (0.075, 0.925)
"""Quantiles that hold 82 % of the runs of a source left out; those at 5 and 95 % hold 89 %, at 10 and 90 % 75 %."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An entry of the shelf ``runs``, and how much it rests on."""

    share: float
    low: float
    high: float
    largest: int
    runs: int
    sources: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One run, predicted with the share and the interval that the other sources give."""

    outcome: RunOutcome
    error: float
    inside: bool


def interval(made: RunPrediction) -> Interval:
    """The catalogue's interval for a prediction."""
    found = Runs.load(made.kind)
    beyond = made.step.accelerators > found.largest
    why = f"extrapolated: {made.kind} runs measured on up to {found.largest:,} accelerators" if beyond else ""
    return Interval(found.low, found.high, why)


def _scored(outcomes: Iterable[RunOutcome]) -> dict[str, list[tuple[RunOutcome, RunPrediction, float]]]:
    """What has both a prediction and a measurement: with measured over tuned hours, by kind."""
    found = defaultdict(list)
    for one in outcomes:
        if one.prediction is not None and one.measured is not None:
            found[one.prediction.kind].append((one, one.prediction, one.measured / one.prediction.tuned_hours))
    return found


def fit(outcomes: Iterable[RunOutcome]) -> dict[str, Fitted]:
    """The shelf: of training runs the median share; of benchmarks none is lost, by definition."""
    return {kind: _fit(kind, rows) for kind, rows in _scored(outcomes).items()}


def _fit(kind: str, rows: Sequence[tuple[RunOutcome, RunPrediction, float]]) -> Fitted:
    share = 1 / median(longer for _, _, longer in rows) if kind == "training" else 1.0
    sources = [one.run.source for one, _, _ in rows]
    low, high = quantiles([longer * share for _, _, longer in rows], sources, _ENDS)
    return Fitted(share, low, high, max(made.step.accelerators for _, made, _ in rows), len(rows), len(set(sources)))


def left_out(outcomes: Iterable[RunOutcome]) -> list[LeftOut]:
    """Every run by the fit of the other sources; a kind that one source measured alone is left out."""
    found = []
    for kind, rows in _scored(outcomes).items():
        for source in sorted({one.run.source for one, _, _ in rows}):
            others = [row for row in rows if row[0].run.source != source]
            if others:
                fitted = _fit(kind, others)
                found += [
                    LeftOut(one, 1 / (longer * fitted.share) - 1, fitted.low <= longer * fitted.share <= fitted.high)
                    for one, _, longer in rows
                    if one.run.source == source
                ]
    return found
