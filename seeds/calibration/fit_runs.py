#!/usr/bin/env python3
"""Fit the runs shelf: what runs lose beside their steps, and how far off predicted runs then are.

    python seeds/calibration/fit_runs.py [FILE.csv]

Predicts every run of the file (default: seeds/measurements/runs.csv), writes ``simulator/catalogue/runs.yaml`` and
prints the error with the losses fitted to all sources beside that with losses fitted without the run's own source.
To be run again whenever the step model, the efficiencies or the measurements change.  One parameter is fitted, of
training runs; benchmarks have none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simulator import catalogue
from simulator.validation import RUNS, measurements
from simulator.validation.training import read, validate
from simulator.validation.training.fitting import Fitted, fit, left_out

HEAD = """\
# What whole runs lose beside their steps, and how far off predictions with that were.
#
# Written by seeds/calibration/fit_runs.py from seeds/measurements/runs.csv; never by hand.
"""
WHY = {
    "training": "least mean absolute error of log hours, capped at 0.6",
    "benchmark": "none by definition; a benchmark is rehearsed and timed from its first step to its last",
}


def entry(kind: str, found: Fitted) -> str:
    """One entry of the shelf."""
    rests = f"{found.runs} runs of {found.sources} sources"
    return (
        f"\n{kind}:\n  lost: {found.lost:.2f}\n  low: {found.low:.3f}\n"
        f"  high: {found.high:.3f}\n  largest: {found.largest}\n  status: estimate\n  estimates:\n"
        f"    lost: {WHY[kind]}, {rests}\n"
        f"    low: 7.5 % quantile of measured over predicted hours, {rests} that weigh the same\n"
        f"    high: 92.5 % quantile of measured over predicted hours, {rests} that weigh the same\n"
        "    largest: most accelerators of any run\n"
    )


def described(errors: Sequence[float]) -> str:
    """Median and P90 of absolute errors."""
    sizes = np.abs(errors)
    return f"median {np.median(sizes):.1%}, P90 {np.quantile(sizes, 0.9):.1%}, {len(sizes)} runs"


def main() -> None:
    """Fit, write and report."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", nargs="?", type=Path)
    outcomes = validate(read(arguments.parse_args().file or measurements(RUNS)))
    fitted = fit(outcomes)
    text = HEAD + "".join(entry(kind, fitted[kind]) for kind in sorted(fitted))
    Path(catalogue.__file__).with_name("runs.yaml").write_text(text, encoding="utf-8")
    without = left_out(outcomes)
    for kind, members in [*((k, [one for one in without if one.kind == k]) for k in sorted(fitted)), ("all", without)]:
        print(f"{kind}: fitted", described([one.fitted for one in members]))
        print(f"{kind}: left out", described([one.error for one in members]))
    print(f"in the interval of the other sources: {np.mean([one.inside for one in without]):.0%}")


if __name__ == "__main__":
    main()
