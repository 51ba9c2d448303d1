#!/usr/bin/env python3
"""Fit the spreads shelf: how far predictions are off, by group, and how well that holds on sources left out.

    python seeds/calibration/fit_spread.py [FILE.csv]

Predicts every row of the file (default: seeds/measurements/throughput.csv), writes ``simulator/catalogue/spreads.yaml``
and prints how many rows of each source lie in the 80 % interval that the other sources give.  To be run again whenever
the step model, the efficiencies or the measurements change.  The rule is in ``simulator.validation.spread``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from simulator import catalogue
from simulator.validation import measurements, read, validate
from simulator.validation.outcome import Outcome
from simulator.validation.spread import ALL, FEWEST_SOURCES, UNMEASURED, Fitted, coverage, fit, groups

HEAD = """\
# Measured over predicted tokens per second: factors that turn a prediction into an 80 % interval.
#
# Written by seeds/calibration/fit_spread.py from seeds/measurements/throughput.csv; never by hand.  A group is an
# accelerator family, stated or inferred rows, dense or experts; a group that fewer than three sources measured is left
# out and its parent's entry counts.  A family that fewer than three sources measured has that of all rows.  A family
# that is missing here was never measured: `unmeasured`, and its predictions say so.
"""
WIDE = (0.4, 1.4)


def entry(name: str, low: float, high: float, why: str, largest: int | None = None) -> str:
    """One entry of the shelf."""
    size = f"  largest: {largest}\n" if largest else ""
    reason = "    largest: most accelerators of any row\n" if largest else ""
    return (
        f"\n{name}:\n  low: {low:.3f}\n  high: {high:.3f}\n{size}  status: estimate\n"
        f"  estimates:\n    low: 5 % quantile {why}\n    high: 95 % quantile {why}\n{reason}"
    )


def described(found: Fitted) -> str:
    """What a quantile rests on."""
    return f"of measured over predicted, {found.rows} rows of {found.sources} sources that weigh the same"


def shelf(outcomes: list[Outcome]) -> str:
    """The whole file."""
    fitted = fit(outcomes)
    measured: dict[str, set[str]] = defaultdict(set)
    largest: dict[str, int] = defaultdict(int)
    for one in outcomes:
        if one.prediction is not None and one.scored:
            family = one.prediction.family
            measured[family].add(one.row.source)
            largest[family] = max(largest[family], one.prediction.accelerators)
    text = [HEAD, entry(ALL, fitted[ALL].low, fitted[ALL].high, described(fitted[ALL]))]
    for name in sorted({*fitted, *measured} - {ALL}):
        if name in fitted:
            text.append(entry(name, fitted[name].low, fitted[name].high, described(fitted[name]), largest.get(name)))
        else:
            count = len(measured[name])
            why = f"of all rows; this family was measured by {count} of the {FEWEST_SOURCES} sources it takes"
            text.append(entry(name, fitted[ALL].low, fitted[ALL].high, why, largest[name]))
    low, high = min(WIDE[0], fitted[ALL].low), max(WIDE[1], fitted[ALL].high)
    text.append(entry(UNMEASURED, low, high, "set by hand, wider than that of all rows, for families nobody measured"))
    return "".join(text)


def table(covered: list[tuple[Outcome, bool]]) -> str:
    """Share of the rows of each source, of each family and of all inside the interval of the other sources."""
    parts: dict[str, list[bool]] = defaultdict(list)
    for one, inside in covered:
        if one.prediction is not None:
            parts[f"family {groups(one.prediction)[-1]}"].append(inside)
            parts[one.row.source].append(inside)
    lines = [f"{sum(v) / len(v):6.0%} of {len(v):4d}  {name}" for name, v in sorted(parts.items())]
    sources = [sum(v) / len(v) for name, v in parts.items() if not name.startswith("family ")]
    lines.append(f"{sum(inside for _, inside in covered) / len(covered):6.0%} of {len(covered):4d}  all rows")
    lines.append(f"{sum(sources) / len(sources):6.0%} on average over {len(sources)} sources")
    return "\n".join(lines)


def main() -> None:
    """Fit, write and report."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", nargs="?", type=Path)
    outcomes = validate(read(arguments.parse_args().file or measurements()))
    Path(catalogue.__file__).with_name("spreads.yaml").write_text(shelf(outcomes), encoding="utf-8")
    print(table(coverage(outcomes)))


if __name__ == "__main__":
    main()
