#!/usr/bin/env python3
"""Fit the runs shelf: what share of a run's hours tuned steps would have taken, and how far off runs then are.

    python seeds/calibration/fit_runs.py [FILE.csv]

Predicts every run of the file (default: seeds/measurements/runs.csv), writes ``simulator/catalogue/runs.yaml`` and
prints the error with the share fitted to all sources beside that with the share fitted without the run's own source.
To be run again whenever the step model, the efficiencies or the measurements change.  One parameter is fitted: the
share of training runs.
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
# Hours of whole runs over what their tuned steps would take, and how far off predictions with that share were.
#
# Written by seeds/calibration/fit_runs.py from seeds/measurements/runs.csv; never by hand.
"""
WHY = {
    "training": "median of tuned over measured hours, goodput taken out",
    "benchmark": "by definition; a benchmark is rehearsed and timed from its first step to its last",
}


def entry(kind: str, found: Fitted) -> str:
    """One entry of the shelf."""
    rests = f"{found.runs} runs of {found.sources} sources"
    return (
        f"\n{kind}:\n  share: {found.share:.3f}\n  low: {found.low:.3f}\n  high: {found.high:.3f}\n"
        f"  largest: {found.largest}\n  status: estimate\n  estimates:\n    share: {WHY[kind]}, {rests}\n"
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
    scored = [one for one in outcomes if one.prediction is not None and one.measured is not None]
    fresh = [one.prediction.tuned_hours / fitted[one.prediction.kind].share / one.measured - 1 for one in scored]
    without = left_out(outcomes)
    print("fitted on all    ", described(fresh))
    print("source left out  ", described([one.error for one in without]))
    print(f"in the interval of the other sources: {np.mean([one.inside for one in without]):.0%}")


if __name__ == "__main__":
    main()
