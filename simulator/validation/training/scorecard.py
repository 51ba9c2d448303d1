"""How good the predicted runs are, group by group, beside the guess of a constant utilisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from simulator.validation.baseline import Share, guesses, keys
from simulator.validation.scorecard import Entry, Scorecard, columns, scores
from simulator.validation.training.fitting import interval
from simulator.validation.training.outcome import RunOutcome
from simulator.validation.training.predict import RunPrediction

__all__ = ["BY", "TARGETS", "scorecard"]

BY: dict[str, Callable[[RunOutcome, RunPrediction], str]] = {
    "source": lambda one, _: one.run.source or "unnamed source",
    "accelerator": lambda _, made: made.step.accelerator,
    "framework": lambda _, __: "framework not stated",  # runs have no such column; steps, scored beside them, do
    "precision": lambda _, made: made.step.precision,
    "model": lambda one, _: (one.run.inputs.model if one.run.inputs else "") or "model not stated",
}
_TARGETS: tuple[tuple[str, Callable[[RunPrediction], bool]], ...] = (
    ("training runs", lambda made: not made.benchmark),
    ("benchmark runs", lambda made: made.benchmark),
    ("all runs", lambda made: True),
)
TARGETS = tuple(name for name, _ in _TARGETS)


def scorecard(outcomes: Sequence[RunOutcome], by: Sequence[str] = ()) -> Scorecard:
    """Scores in accelerator-hours by the columns asked for; else of training runs and benchmarks, and by family.

    Raises
    ------
    SimulatorError
        ``by`` has a name that runs cannot be grouped by.
    """
    asked = columns(by, BY)
    scored = [(place, one, one.prediction) for place, one in enumerate(outcomes)
              if one.prediction is not None and one.measured is not None]  # fmt: skip
    guess = guesses(_share(place, one, made) for place, one, made in scored)
    entries = {place: _entry(one, made, guess.get(place)) for place, one, made in scored}
    groups: dict[str, list[Entry]] = {}
    if not asked:
        for name, belongs in _TARGETS:
            groups[name] = [entries[place] for place, _, made in scored if belongs(made)]
    fine: dict[str, list[Entry]] = {}
    for place, one, made in scored:
        parts = [BY[column](one, made) for column in asked] or [made.step.family, made.kind]
        fine.setdefault((" · " if asked else " ").join(parts), []).append(entries[place])
    return Scorecard(
        rows=len(outcomes),
        predicted=sum(one.prediction is not None for one in outcomes),
        scored=len(scored),
        skipped=dict(Counter(one.reason for one in outcomes if one.prediction is None).most_common()),
        groups=scores(groups | dict(sorted(fine.items()))),
    )


def _share(place: int, one: RunOutcome, made: RunPrediction) -> Share:
    """The share of the peak the whole run reached; a guess rests on runs of its kind first."""
    reached = made.flops / (one.ratio * made.hours * 3600 * made.peak)
    return Share(place, one.run.source, tuple((made.kind, *key) for key in keys(made.step)), reached)


def _entry(one: RunOutcome, made: RunPrediction, guess: float | None) -> Entry:
    about = interval(made)
    longer = None if guess is None else 1 / guess - 1  # a higher utilisation is fewer hours
    return Entry(one.run.id, one.error, longer, about.low <= one.ratio <= about.high, made.stated)
