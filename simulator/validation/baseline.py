"""The guess to beat: every accelerator reaches the utilisation that others measured on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from simulator.validation.outcome import Outcome
from simulator.validation.predict import Prediction

__all__ = ["Share", "constant_utilisation", "guesses", "keys"]


Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """The share of the dense peak that one scored row reached, and what a guess may rest on, the nearest first."""

    place: int
    source: str
    keys: tuple[Key, ...]
    reached: float


def keys(made: Prediction) -> tuple[Key, ...]:
    """The accelerator in that number format; its family in that format; its family; all."""
    return (made.accelerator, made.precision), (made.family, made.precision), (made.family,), ()


def guesses(rows: Iterable[Share]) -> dict[int, float]:
    """Guessed share over the share reached, by place: the guess is the median of the *other* sources.

    Of the first of a row's keys that another source has; absent where there is one source only.
    """
    rows = list(rows)
    shares: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for key in row.keys:
            shares[key][row.source].append(row.reached)
    constants: dict[tuple[str, Key], float | None] = {}
    found = {}
    for row in rows:
        for key in row.keys:
            if (row.source, key) not in constants:
                others = [value for name, values in shares[key].items() if name != row.source for value in values]
                constants[row.source, key] = median(others) if others else None
            constant = constants[row.source, key]
            if constant is not None:
                found[row.place] = constant / row.reached
                break
    return found


def constant_utilisation(outcomes: Iterable[Outcome]) -> dict[int, float]:
    """Signed error in tokens per second of a constant utilisation, by the outcome's place in the list.

    The constant is the median share of the dense peak that the other sources' model FLOPs (attention in full) reach on
    this accelerator in this number format; without any, on its family in that format, its family, all.  Absent where a
    file has one source only.
    """
    rows = [
        Share(place, one.row.source, keys(one.prediction),
              one.measured * one.prediction.flops_per_token / one.prediction.peak)
        for place, one in enumerate(outcomes)
        if one.prediction is not None and one.measured is not None
    ]  # fmt: skip
    return {place: guessed - 1 for place, guessed in guesses(rows).items()}
