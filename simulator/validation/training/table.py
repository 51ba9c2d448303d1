"""Predicted runs as a table: one line a row of the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from simulator.validation.table import Line, write_lines
from simulator.validation.training.fitting import interval
from simulator.validation.training.outcome import RunOutcome

__all__ = ["COLUMNS", "line", "write"]

COLUMNS = (
    "id", "status", "reason", "inferred", "predicted_accelerator_hours", "predicted_wall_days",
    "predicted_tokens_per_s_per_gpu", "predicted_mfu_pct", "predicted_goodput_pct", "low_accelerator_hours",
    "high_accelerator_hours", "measured_accelerator_hours", "measured_wall_days", "error_pct",
)  # fmt: skip


def line(one: RunOutcome) -> Line:
    """One row of the table; ``None`` where there is nothing to say.

    Tokens per second and MFU are those of a step, as tuned as can be; hours and days are those of the run.
    """
    made = one.prediction
    known = {"id": one.run.id, "reason": one.reason, "measured_accelerator_hours": one.measured,
             "measured_wall_days": one.run.measured.wall_days}  # fmt: skip
    empty: Line = dict.fromkeys(COLUMNS)
    if made is None:
        return empty | known | {"status": "skipped", "inferred": ""}
    about = interval(made)
    return empty | known | {
        "status": "predicted",
        "reason": "; ".join(filter(None, (one.reason, about.extrapolated))),
        "inferred": ", ".join(made.inferred),
        "predicted_accelerator_hours": made.hours,
        "predicted_wall_days": made.days,
        "predicted_tokens_per_s_per_gpu": made.tokens_per_s,
        "predicted_mfu_pct": 100 * made.mfu,
        "predicted_goodput_pct": 100 * made.goodput,
        "low_accelerator_hours": made.hours * about.low,
        "high_accelerator_hours": made.hours * about.high,
        "error_pct": 100 * one.error if one.measured is not None else None,
    }  # fmt: skip


def write(outcomes: Iterable[RunOutcome], path: Path) -> None:
    """The table as a CSV file."""
    write_lines(COLUMNS, map(line, outcomes), path)
