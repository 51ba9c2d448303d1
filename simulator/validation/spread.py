"""How far a prediction may be off: 80 % intervals from the errors on sources that were left out.

For each group of rows two quantiles of measured over predicted tokens per second.  A group is an accelerator family ×
stated or inferred × dense or experts; one with fewer than three sources takes its parent's: family × dense or experts,
the family, all rows.  Sources differ in size by a factor of 200, and a new row comes from a source nobody has seen:
every source therefore weighs the same in a quantile, however many rows it has.  Quantiles of so few sources fall short
on the next one: ends taken at 5 % and 95 % hold about 80 % of the rows of a source left out, at 10 % and 90 % they hold
72 % (seeds/calibration/fit_spread.py prints it).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from pydantic import Field, model_validator

from simulator import catalogue
from simulator.catalogue import CatalogueEntry
from simulator.units import Ratio
from simulator.validation.outcome import Outcome
from simulator.validation.predict import Prediction

__all__ = ["ALL", "Interval", "Spread", "coverage", "fit", "groups", "interval", "quantiles"]

_ENDS = (0.05, 0.95)
FEWEST_SOURCES = 3
ALL, UNMEASURED = "all", "unmeasured"


class Spread(CatalogueEntry):
    """Measured over predicted tokens per second: the ends of an 80 % interval."""

    shelf = "spreads"

    low: Ratio = Field(description="5 % quantile")
    high: Ratio = Field(description="95 % quantile")
    largest: int | None = Field(default=None, ge=1, description="most accelerators that were measured at once")

    @model_validator(mode="after")
    def _ordered(self) -> Spread:
        if self.low > self.high:
            raise ValueError(f"expected low below high; got {self.low} and {self.high}")
        return self


@dataclass(frozen=True, slots=True)
class Interval:
    """Factors on a prediction, and why nothing measured lies behind them, if so."""

    low: float
    high: float
    extrapolated: str


def groups(made: Prediction) -> tuple[str, ...]:
    """The groups of a prediction, narrowest first, without that of all rows."""
    kind = "hybrid" if made.hybrid else "experts" if made.experts else "dense"
    given = "stated" if made.stated else "inferred"
    return f"{made.family}-{given}-{kind}", f"{made.family}-{kind}", made.family


def interval(made: Prediction) -> Interval:
    """The catalogue's interval for a prediction: of its narrowest group that has one."""
    found, family = _stored(groups(made))
    if family is None:
        return Interval(found.low, found.high, f"extrapolated: no measurement of {made.family}")
    beyond = family.largest is not None and made.accelerators > family.largest
    why = f"extrapolated: {made.family} measured on up to {family.largest:,} accelerators" if beyond else ""
    return Interval(found.low, found.high, why)


@cache
def _stored(names: tuple[str, ...]) -> tuple[Spread, Spread | None]:
    """The spread of the narrowest group there is, and of the family unless nobody measured it."""
    known = [name for name in names if name in catalogue.names("spreads")]
    return Spread.load(known[0] if known else UNMEASURED), Spread.load(names[-1]) if known else None


@dataclass(frozen=True, slots=True)
class Fitted:
    """Quantiles of one group and how much they rest on."""

    low: float
    high: float
    rows: int
    sources: int


def quantiles(
    ratios: Sequence[float], sources: Sequence[str], ends: tuple[float, float] = _ENDS
) -> tuple[float, float]:
    """Quantiles of ratios at both ``ends``, in which every source weighs the same."""
    sizes = Counter(sources)
    values = np.array(ratios)
    weights = np.array([1 / sizes[source] for source in sources])
    order = np.argsort(values, kind="stable")
    below = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    low, high = np.interp(ends, below, values[order])
    return float(low), float(high)


def _fitted(rows: Sequence[Outcome]) -> Fitted:
    sources = [one.row.source for one in rows]
    return Fitted(*quantiles([one.ratio for one in rows], sources), len(rows), len(set(sources)))


def fit(outcomes: Iterable[Outcome]) -> dict[str, Fitted]:
    """Quantiles of every group that has enough sources, and of all rows."""
    members: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if one.prediction is not None and one.measured is not None:
            for name in (*groups(one.prediction), ALL):
                members[name].append(one)
    enough = {
        name: rows
        for name, rows in members.items()
        if name == ALL or len({one.row.source for one in rows}) >= FEWEST_SOURCES
    }
    return {name: _fitted(rows) for name, rows in enough.items()}


def coverage(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, bool]]:
    """Each scored row, and whether it lies in the interval that the other sources give."""
    scored = [(one, one.prediction) for one in outcomes if one.prediction is not None and one.scored]
    found = []
    for source in sorted({one.row.source for one, _ in scored}):
        fitted = fit(one for one, _ in scored if one.row.source != source)
        for one, made in scored:
            name = next((name for name in (*groups(made), ALL) if name in fitted), None)
            if one.row.source == source and name is not None:
                found.append((one, fitted[name].low <= one.ratio <= fitted[name].high))
    return found
