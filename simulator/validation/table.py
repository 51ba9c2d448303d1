"""Predictions as a table: one line a row of the file, in columns that other tools read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulator.validation.outcome import Outcome
from simulator.validation.spread import interval

__all__ = ["COLUMNS", "Line", "line", "write", "write_lines"]

Line = dict[str, str | float | None]

COLUMNS = (
    "id", "status", "reason", "inferred", "predicted_step_time_s", "predicted_tokens_per_s_per_gpu",
    "predicted_mfu_pct", "predicted_memory_gb", "low_tokens_per_s_per_gpu", "high_tokens_per_s_per_gpu",
    "measured_tokens_per_s_per_gpu", "error_pct",
)  # fmt: skip


def line(one: Outcome) -> Line:
    """One row of the table; ``None`` where there is nothing to say.

    ``inferred`` names the inputs that were filled; ``error_pct`` is predicted over measured, less one.
    """
    made = one.prediction
    if made is None:
        empty: Line = dict.fromkeys(COLUMNS)
        return empty | {"id": one.row.id, "status": "skipped", "reason": one.reason, "inferred": "",
                        "measured_tokens_per_s_per_gpu": one.measured}  # fmt: skip
    about = interval(made)
    return {
        "id": one.row.id,
        "status": "predicted",
        "reason": "; ".join(filter(None, (one.reason, about.extrapolated))),
        "inferred": ", ".join(made.inferred),
        "predicted_step_time_s": made.step_time_s,
        "predicted_tokens_per_s_per_gpu": made.tokens_per_s,
        "predicted_mfu_pct": 100 * made.mfu,
        "predicted_memory_gb": made.memory / 1e9,
        "low_tokens_per_s_per_gpu": made.tokens_per_s * about.low,
        "high_tokens_per_s_per_gpu": made.tokens_per_s * about.high,
        "measured_tokens_per_s_per_gpu": one.measured,
        "error_pct": 100 * one.error if one.scored else None,
    }


def _cell(value: str | float | None) -> str:
    return value if isinstance(value, str) else "" if value is None else f"{value:.6g}"


def write_lines(columns: Sequence[str], lines: Iterable[Line], path: Path) -> None:
    """A table as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in line.values()] for line in lines)


def write(outcomes: Iterable[Outcome], path: Path) -> None:
    """The table as a CSV file."""
    write_lines(COLUMNS, map(line, outcomes), path)
