#!/usr/bin/env python3
"""Fit what kernels cannot tell to measured training steps, and say how well that predicts sources that were left out.

    python seeds/calibration/fit_steps.py [--write]

Reads ``seeds/measurements/throughput.csv`` and predicts it as ``simgpu validate`` does.  The parameters below belong to
accelerator families and to software; none belongs to a row, a model or a source.  The fit minimises the sum over rows
of w · min(|log(predicted / measured)|, 0.6), w = 1 / √(rows of the source), by Gauss–Newton steps on the reweighted
least squares of that loss, with a weak Gaussian prior on each parameter: its mean is what one would say without these
rows.

For each source in turn the fit is repeated without its rows, on the derivatives at the full solution, and its rows are
then predicted anew with those parameters: the left-out error.  ``--write`` puts the fitted values into the catalogue.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator import catalogue
from simulator.errors import SimulatorError
from simulator.hardware import Accelerator, Efficiency
from simulator.validation import machines, measurements, read
from simulator.validation.filling import habits
from simulator.validation.outcome import Outcome, validate
from simulator.workload import Software

Values = NDArray[np.float64]
CAP, CORNER = 0.6, 0.03  # beyond it a row pulls no more; below it errors are noise of repeated measurements
NOISE = 0.25  # what errors of rows scatter by when all is right: sets how much they weigh against the priors
STEP = 0.04  # of a parameter, for its derivative
NEUTRAL = 0.25
_OF_EXPERTS = ("exchange", "routing")  # nothing else depends on them


@dataclass(frozen=True)
class Parameter:
    """One number of the catalogue: where it stands, what one would say without measured steps, and how sure."""

    shelf: str
    entries: tuple[str, ...]  # that share it
    field: str
    mean: float
    width: float
    low: float
    high: float
    like: str = ""  # entry whose value is the mean instead

    @property
    def name(self) -> str:
        """As the tables print it."""
        return f"{', '.join(self.entries)}: {self.field}"

    def touches(self, row: pd.Series[str]) -> bool:
        """Whether a row's prediction depends on it."""
        if self.field in _OF_EXPERTS and not row.experts:
            return False
        return (row.software if self.shelf == "software" else row.efficiencies) in self.entries


def _family(
    entries: str, field: str, mean: float, width: float, low: float = 0.05, high: float = 1.1, like: str = ""
) -> Parameter:
    return Parameter("efficiencies", tuple(entries.split()), field, mean, width, low, high, like)


def _software(entries: str, field: str, mean: float, width: float, low: float = 0.0, high: float = 5.0) -> Parameter:
    return Parameter("software", tuple(entries.split()), field, mean, width, low, high)


PARAMETERS = (
    _family("ampere", "sustained", 1.00, 0.05),
    # one for all that a power cap slows: let apart, Blackwell's comes out the same, and worse when left out
    _family("hopper blackwell blackwell-ultra", "sustained", 0.85, 0.15),
    _family("hopper", "portable", 0.60, 0.20, high=1.0),
    # 0.94 of the kernels forward, and backward the 0.72 of those that take sums out of the tensor cores as often
    _family("hopper", "narrow_formats", 0.78, 0.06, high=0.94),
    # rings reach 0.85 of the interfaces; what is printed of exchanges lies between a half of them and all
    _family("hopper blackwell blackwell-ultra", "exchange", 0.75, 0.15, high=1.0),
    # half to three quarters of the peak is what machines of any kind reach in large products
    _family("tpu tpu-v6e", "gemm", 0.65, NEUTRAL, high=1.0),
    _family("tpu-v5e", "gemm", 0.65, 0.10, high=1.0, like="tpu"),
    _family("trainium", "gemm", 0.65, NEUTRAL, high=1.0),
    _family("gaudi", "gemm", 0.65, NEUTRAL, high=1.0),
    _family("wafer", "gemm", 0.30, NEUTRAL, high=1.0),
    _software("nemo", "exposed", 0.50, 0.30, high=1.0),
    _software("megatron", "exposed", 0.80, 0.30, high=1.0),
    _software("nemo megatron xla neuron compiled", "casts", 1.00, 0.50, high=3.0),
    _software("pytorch", "casts", 1.00, 0.50, high=3.0),
    _software("nemo", "attention", 0.90, 0.15, high=1.2),
    # some 80 kernels, in Python that takes twice as long for each as the rest of a layer
    _software("nemo", "routing", 150, 75, high=500.0),
    _software("megatron xla neuron", "attention", 0.90, 0.15, high=1.2),
    _software("pytorch", "attention", 0.80, 0.20, high=1.2),
    # what is counted is what fused operators move, eager ones more
    _software("nemo megatron megatron-2021 megatron-deepspeed xla neuron compiled", "elementwise", 1.00, 0.20),
    _software("pytorch", "elementwise", 1.50, 0.40),
    _software("compiled pytorch", "contention", 0.20, 0.20, high=1.0),
    # the kernels timed are of 2026, and chosen shape by shape by those who make them
    _software("megatron megatron-2021 pytorch", "products", 0.95, 0.05),
)


@contextmanager
def using(values: Values) -> Iterator[None]:
    """The catalogue with these values in place of what it says."""
    changes: dict[tuple[str, str], dict[str, float]] = {}
    for one, value in zip(PARAMETERS, values, strict=True):
        for entry in one.entries:
            changes.setdefault((one.shelf, entry), {})[one.field] = float(value)

    def changed_entry(shelf: str, name: str) -> Efficiency | Software:
        name = catalogue.canonical(shelf, name)
        return _BASE[shelf, name].model_copy(update=changes.get((shelf, name), {}))

    machines.forget()
    with (
        patch.object(Efficiency, "load", lambda name: changed_entry("efficiencies", name)),
        patch.object(Software, "load", lambda name: changed_entry("software", name)),
    ):
        yield
    machines.forget()


_BASE: dict[tuple[str, str], Efficiency | Software] = {
    **{("efficiencies", name): Efficiency.load(name) for name in catalogue.names("efficiencies")},
    **{("software", name): Software.load(name) for name in catalogue.names("software")},
}


class Rows:
    """The rows that are scored, and what the fit needs to know of each."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = [one for one in outcomes if one.scored and not one.prediction.hybrid]  # those test step/scan.py
        self.about = pd.DataFrame(
            [
                {
                    "source": one.row.source,
                    "family": one.prediction.family,
                    "efficiencies": Accelerator.load(one.prediction.accelerator).family,
                    "precision": one.prediction.precision,
                    "experts": one.prediction.experts,
                    "stated": one.prediction.stated,
                    "accelerators": one.prediction.accelerators,
                    "software": catalogue.canonical("software", habits(one.row.inputs, one.prediction.family).software),
                }
                for one in self.outcomes
                if one.prediction is not None and one.row.inputs is not None
            ]
        )
        sizes = self.about.groupby("source")["source"].transform("size").to_numpy(float)
        self.weights = 1 / np.sqrt(sizes)

    def errors(self, values: Values, chosen: NDArray[np.intp] | None = None) -> Values:
        """log(predicted / measured) of the chosen rows with these parameters."""
        taken = self.outcomes if chosen is None else [self.outcomes[i] for i in chosen]
        with using(values):
            return np.array([_log_error(again) for again in validate(one.row for one in taken)])

    def derivatives(self, values: Values, at: Values) -> NDArray[np.float64]:
        """∂ errors / ∂ parameters by one-sided differences. Shape: rows × parameters."""
        result = np.zeros((len(at), len(PARAMETERS)))
        for column, one in enumerate(PARAMETERS):
            touched = np.flatnonzero([one.touches(row) for row in self.about.itertuples()])
            step = STEP * max(values[column], 0.25) * (1 if values[column] * (1 + STEP) < one.high else -1)
            moved = values.copy()
            moved[column] += step
            result[touched, column] = (self.errors(moved, touched) - at[touched]) / step
        return np.nan_to_num(result)


def _log_error(outcome: Outcome) -> float:
    return -float(np.log(outcome.ratio)) if outcome.scored else CAP


def beliefs() -> tuple[NDArray[np.float64], Values]:
    """What the priors pull to zero, ``rows @ values - targets``, each row a prior over its width."""
    rows, targets = np.eye(len(PARAMETERS)), np.array([one.mean for one in PARAMETERS])
    for place, one in enumerate(PARAMETERS):
        if one.like:
            kin = next(j for j, p in enumerate(PARAMETERS) if p.field == one.field and one.like in p.entries)
            rows[place, kin], targets[place] = -1.0, 0.0
    widths = np.array([one.width for one in PARAMETERS])
    return rows / widths[:, None], targets / widths


def solved(errors: Values, slopes: NDArray[np.float64], weights: Values, values: Values) -> Values:
    """Parameters that minimise the loss of the linearised errors, and their priors, within bounds."""
    lows, highs = (np.array([getattr(p, k) for p in PARAMETERS]) for k in ("low", "high"))
    priors, targets = beliefs()
    step = np.zeros_like(values)
    for _ in range(40):
        left = errors + slopes @ step
        pull = weights / NOISE / np.maximum(np.abs(left), CORNER) * (np.abs(left) < CAP)
        normal = slopes.T @ (slopes * pull[:, None]) + priors.T @ priors
        step = np.linalg.solve(normal, -slopes.T @ (pull * errors) - priors.T @ (priors @ values - targets))
        step = np.clip(values + step, lows, highs) - values
    return values + step


def fit(rows: Rows, rounds: int = 3) -> tuple[Values, Values, NDArray[np.float64]]:
    """Fitted values, the errors with them and the derivatives there."""
    values = np.array([one.mean for one in PARAMETERS])
    errors = rows.errors(values)
    for number in range(rounds):
        slopes = rows.derivatives(values, errors)
        values = solved(errors, slopes, rows.weights, values)
        errors = rows.errors(values)
        print(f"round {number + 1}: loss {np.sum(rows.weights * np.minimum(np.abs(errors), CAP)):.2f}", flush=True)
    return values, errors, rows.derivatives(values, errors)


def left_out(rows: Rows, values: Values, errors: Values, slopes: NDArray[np.float64]) -> tuple[Values, pd.DataFrame]:
    """Errors of each source with parameters fitted to the others, and those parameters."""
    found, sets = np.empty_like(errors), {}
    for source, chosen in rows.about.groupby("source").indices.items():
        others = np.setdiff1d(np.arange(len(errors)), chosen)
        sets[str(source)] = solved(errors[others], slopes[others], rows.weights[others], values)
        found[chosen] = rows.errors(sets[str(source)], np.asarray(chosen))
    return found, pd.DataFrame(sets, index=[one.name for one in PARAMETERS])


def _groups(about: pd.DataFrame) -> Mapping[str, pd.Series[bool]]:
    nvidia = about.family.isin(["volta", "ampere", "hopper", "blackwell", "blackwell-ultra", "rubin"])
    hundred = about.family.isin(["ampere", "hopper"]) & ~about.experts
    return {
        "dense, A100 and H100, stated": hundred & about.stated,
        "dense, A100 and H100, inferred": hundred & ~about.stated,
        "vTrain, several nodes": about.source.str.contains("vTrain") & (about.accelerators > 8),
        "dense, Blackwell": about.family.str.startswith("blackwell") & ~about.experts,
        "mixture of experts": about.experts & nvidia,
        "other than NVIDIA": ~nvidia,
        "all rows": about.family != "",
    }


def report(rows: Rows, fitted: Values, out: Values) -> None:
    """Fitted and left-out errors by group and by source."""
    table = rows.about.assign(fitted=np.abs(np.expm1(fitted)), out=np.abs(np.expm1(out)), bias=np.expm1(out))
    print("\n| rows | number | fitted: median, P90 | left out: median, P90 | bias |\n|---|---:|---:|---:|---:|")
    groups = dict(_groups(table).items())
    named = {f"{source[:60]}": table.source == source for source in sorted(set(table.source))}
    for name, chosen in (groups | named).items():
        part = table[chosen]
        cells = [f"{part[k].median():.1%}, {part[k].quantile(0.9):.1%}" for k in ("fitted", "out")]
        print(f"| {name} | {len(part)} | {cells[0]} | {cells[1]} | {part.bias.median():+.1%} |")


def write(values: Values) -> None:
    """Put the values into the shelves, each on its own line, and leave the rest as it is."""
    folder = Path(catalogue.__file__).parent
    for shelf in ("efficiencies", "software"):
        path = folder / f"{shelf}.yaml"
        text = path.read_text(encoding="utf-8")
        for one, value in zip(PARAMETERS, values, strict=True):
            for entry in one.entries if one.shelf == shelf else ():
                text = _written(text, entry, one.field, value)
        temporary = path.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def _written(text: str, entry: str, field: str, value: float) -> str:
    start = re.search(rf"^{re.escape(entry)}:$", text, flags=re.MULTILINE)
    if start is None:
        raise SystemExit(f"no entry {entry}")
    line = rf"^(  {field}: )[\d.]+"
    tail, number = re.subn(line, rf"\g<1>{value:.3f}", text[start.end() :], count=1, flags=re.MULTILINE)
    if not number:
        raise SystemExit(f"{entry}: no line of {field}")
    return text[: start.end()] + tail


def main() -> None:
    """Fit, cross-validate, print, and write if asked."""
    parser = argparse.ArgumentParser(description="Fit the catalogue's efficiencies and software to measured steps.")
    parser.add_argument("--write", action="store_true", help="put the fitted values into the catalogue")
    wanted = parser.parse_args()
    try:
        rows = Rows(validate(read(measurements())))
    except SimulatorError as wrong:
        raise SystemExit(str(wrong)) from wrong
    values, errors, slopes = fit(rows)
    out, sets = left_out(rows, values, errors, slopes)
    print(f"\n{len(PARAMETERS)} parameters, {len(errors)} rows of {rows.about.source.nunique()} sources")
    print("\n| parameter | prior | fitted | left one source out: least, most |\n|---|---:|---:|---:|")
    for one, value in zip(PARAMETERS, values, strict=True):
        low, high = sets.loc[one.name].min(), sets.loc[one.name].max()
        prior = f"{one.like or f'{one.mean:.2f}'} ± {one.width:.2f}"
        print(f"| {one.name} | {prior} | {value:.3f} | {low:.2f}, {high:.2f} |")
    report(rows, errors, out)
    if wanted.write:
        write(values)


if __name__ == "__main__":
    main()
