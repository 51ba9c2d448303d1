"""Verdicts as a table: one line a case."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from simulator.validation.reliability.verdict import Judged
from simulator.validation.table import Line, write_lines

__all__ = ["COLUMNS", "write"]

COLUMNS = (
    "id", "says", "unit", "predicted", "predicted_low", "predicted_high", "published_low", "published_high", "rule",
    "verdict", "remark",
)  # fmt: skip


def _line(one: Judged) -> Line:
    values = (one.id, one.says, one.unit, one.predicted, one.low, one.high, *one.published, one.rule, one.verdict)
    return dict(zip(COLUMNS, (*values, one.remark), strict=True))


def write(judged: Iterable[Judged], path: Path) -> None:
    """The table as a CSV file."""
    write_lines(COLUMNS, map(_line, judged), path)
