"""How good the predictions are, group by group, beside the guess of a constant utilisation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulator.errors import SimulatorError, did_you_mean
from simulator.validation.baseline import constant_utilisation
from simulator.validation.outcome import Outcome
from simulator.validation.predict import Prediction
from simulator.validation.spread import interval

__all__ = ["BY", "TARGETS", "Entry", "Score", "Scorecard", "columns", "scorecard", "scores"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One scored prediction: its error and that of the constant, predicted over measured less one."""

    id: str
    error: float
    guess: float | None  # of a constant utilisation
    inside: bool  # whether what was measured lies in the 80 % interval
    stated: bool


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of one group, predicted over measured less one.  [%]"""

    group: str
    inputs: str  # all, stated or inferred
    rows: int
    median_pct: float  # of the absolute error, as the next three
    mean_pct: float
    p90_pct: float
    worst_pct: float
    worst_id: str
    bias_pct: float  # median of the signed error
    baseline_median_pct: float | None
    baseline_p90_pct: float | None
    in_interval_pct: float


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All groups, and what was left out."""

    rows: int
    predicted: int
    scored: int
    skipped: dict[str, int]  # reason: rows
    groups: tuple[Score, ...]

    def to_dict(self) -> dict[str, Any]:
        """As one document."""
        return {**asdict(self), "groups": [asdict(score) for score in self.groups]}


def _kind(made: Prediction) -> str:
    return "hybrid" if made.hybrid else "experts" if made.experts else "dense"


BY: dict[str, Callable[[Outcome, Prediction], str]] = {
    "source": lambda one, _: one.row.source or "unnamed source",
    "accelerator": lambda _, made: made.accelerator,
    "framework": lambda one, _: (one.row.inputs.framework if one.row.inputs else "") or "framework not stated",
    "precision": lambda _, made: made.precision,
    "model": lambda one, _: (one.row.inputs.model if one.row.inputs else "") or "model not stated",
}
_NVIDIA = ("volta", "ampere", "hopper", "blackwell", "blackwell-ultra", "rubin")
_TARGETS: tuple[tuple[str, Callable[[Outcome, Prediction], bool]], ...] = (
    ("dense, A100 and H100", lambda _, made: made.family in ("ampere", "hopper") and _kind(made) == "dense"),
    ("vTrain, several nodes", lambda one, made: "vTrain" in one.row.source and _several_nodes(one)),
    ("dense, Blackwell", lambda _, made: made.family.startswith("blackwell") and _kind(made) == "dense"),
    ("mixture of experts", lambda _, made: _kind(made) == "experts"),
    ("Mamba hybrids", lambda _, made: made.hybrid),
    ("other than NVIDIA", lambda _, made: made.family not in _NVIDIA),
    ("all rows", lambda _, made: True),
)  # fmt: skip


TARGETS = tuple(name for name, _ in _TARGETS)


def _several_nodes(one: Outcome) -> bool:
    inputs = one.row.inputs
    return inputs is not None and (inputs.n_accelerators or 0) > (inputs.accelerators_per_node or 8)


def columns(by: Sequence[str], known: Iterable[str]) -> list[str]:
    """The columns asked for.

    Raises
    ------
    SimulatorError
        ``by`` has a name that rows cannot be grouped by.
    """
    wrong = [name for name in by if name not in known]
    if wrong:
        hint = did_you_mean(wrong[0], known)
        raise SimulatorError(f"--by: expected some of {', '.join(known)}; got {', '.join(map(repr, wrong))}{hint}")
    return list(by)


def scorecard(outcomes: Sequence[Outcome], by: Sequence[str] = ()) -> Scorecard:
    """Scores by the columns asked for; else of the groups that have targets and of family × dense or experts × format.

    Raises
    ------
    SimulatorError
        ``by`` has a name that rows cannot be grouped by.
    """
    asked = columns(by, BY)
    guess = constant_utilisation(outcomes)
    scored = [(place, one, one.prediction) for place, one in enumerate(outcomes)
              if one.prediction is not None and one.measured is not None]  # fmt: skip
    entries = {place: _entry(one, made, guess.get(place)) for place, one, made in scored}
    groups: dict[str, list[Entry]] = {}
    if not asked:
        for name, belongs in _TARGETS:
            groups[name] = [entries[place] for place, one, made in scored if belongs(one, made)]
    fine: dict[str, list[Entry]] = {}
    for place, one, made in scored:
        parts = [BY[column](one, made) for column in asked] or [made.family, _kind(made), made.precision]
        fine.setdefault((" · " if asked else " ").join(parts), []).append(entries[place])
    return Scorecard(
        rows=len(outcomes),
        predicted=sum(one.prediction is not None for one in outcomes),
        scored=len(scored),
        skipped=dict(Counter(one.reason for one in outcomes if one.prediction is None).most_common()),
        groups=scores(groups | dict(sorted(fine.items()))),
    )


def _entry(one: Outcome, made: Prediction, guess: float | None) -> Entry:
    about = interval(made)
    return Entry(one.row.id, one.error, guess, about.low <= one.ratio <= about.high, made.stated)


def scores(groups: Mapping[str, Sequence[Entry]]) -> tuple[Score, ...]:
    """Every group, and its stated and inferred rows apart where it has both."""
    found = []
    for name, members in groups.items():
        stated = [one for one in members if one.stated]
        inferred = [one for one in members if not one.stated]
        parts = {"all": members, "stated": stated, "inferred": inferred}
        if not (stated and inferred):
            del parts["all"]
        found += [_score(name, which, chosen) for which, chosen in parts.items() if chosen]
    return tuple(found)


def _score(name: str, which: str, members: Sequence[Entry]) -> Score:
    errors = 100 * np.array([one.error for one in members])
    sizes = np.abs(errors)
    guessed = 100 * np.abs([one.guess for one in members if one.guess is not None])
    return Score(
        group=name,
        inputs=which,
        rows=len(members),
        median_pct=float(np.median(sizes)),
        mean_pct=float(np.mean(sizes)),
        p90_pct=float(np.quantile(sizes, 0.9)),
        worst_pct=float(sizes.max()),
        worst_id=members[int(np.argmax(sizes))].id,
        bias_pct=float(np.median(errors)),
        baseline_median_pct=float(np.median(guessed)) if len(guessed) else None,
        baseline_p90_pct=float(np.quantile(guessed, 0.9)) if len(guessed) else None,
        in_interval_pct=100 * float(np.mean([one.inside for one in members])),
    )
