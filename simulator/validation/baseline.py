"""The guess to beat: every accelerator reaches the utilisation that others measured on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from simulator.validation.outcome import Outcome
from simulator.validation.predict import Prediction

__all__ = ["constant_utilisation"]


def _keys(made: Prediction) -> tuple[tuple[str, ...], ...]:
    """What a guess may rest on, the nearest first."""
    return (made.accelerator, made.precision), (made.family, made.precision), (made.family,), ()


def constant_utilisation(outcomes: Iterable[Outcome]) -> dict[int, float]:
    """Signed error in tokens per second of a constant utilisation, by the outcome's place in the list.

    The constant is the median share of the dense peak that the *other* sources' model FLOPs (attention in full) reach
    on this accelerator in this number format; without any, on its family in that format, its family, all.  Absent
    where a file has one source only.
    """
    shares: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    scored = []
    for place, one in enumerate(outcomes):
        if one.prediction is not None and one.measured is not None:
            share = one.measured * one.prediction.flops_per_token / one.prediction.peak
            scored.append((place, one.row.source, one.prediction, share))
            for key in _keys(one.prediction):
                shares[key][one.row.source].append(share)
    constants: dict[tuple[str, tuple[str, ...]], float | None] = {}
    errors = {}
    for place, source, made, share in scored:
        for key in _keys(made):
            if (source, key) not in constants:
                others = [value for name, values in shares[key].items() if name != source for value in values]
                constants[source, key] = median(others) if others else None
            constant = constants[source, key]
            if constant is not None:
                errors[place] = constant / share - 1
                break
    return errors
