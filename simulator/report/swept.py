"""What a study found, for a terminal, as Markdown and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from simulator.report.tables import table
from simulator.report.words import count, money, percent

__all__ = ["Line", "Lost", "answers", "broken", "cell", "cells", "failed", "markdown", "shown"]

_SHARES = ("goodput", "mfu", "availability", "finished")

Line = tuple[Sequence[str], int, Sequence[float | None], Sequence[float | None]]  # labels, replicas, means, halves
Lost = tuple[int, str, str]  # tasks, reason, how to see it


def shown(output: str, value: float | None, digits: int = 4) -> str:
    """A value of an output as people read it."""
    if value is None:
        return "–"
    if "_usd" in output:
        return money(value)
    return percent(value) if output in _SHARES else f"{value:,.{digits}g}" if abs(value) < 1e4 else f"{value:,.0f}"


def cell(output: str, mean: float | None, half: float | None) -> str:
    """A mean and half of its interval as people read them."""
    if mean is None:
        return "–"
    return shown(output, mean) + (f" ± {shown(output, half, digits=2)}" if half is not None else "")


def cells(outputs: Sequence[str], line: Line) -> list[str]:
    """The texts of a row."""
    labels, replicas, means, halves = line
    values = (cell(*one) for one in zip(outputs, means, halves, strict=True))
    return [*labels, count(replicas), *values]


def answers(
    factors: Sequence[str], outputs: Sequence[str], lines: Iterable[Line], best: Sequence[str]
) -> RenderableType:
    """The points one under the other, the best one marked."""
    titles = [*map(broken, factors), "replicas", *map(broken, outputs)]
    made = table("", *titles, right=range(len(factors) + 1, len(titles) + 1))
    for column in made.columns[1 : len(factors) + 1]:
        column.overflow = "fold"
    for line in lines:
        made.add_row("*" if tuple(line[0]) == tuple(best) else "", *cells(outputs, line))
    return made


def failed(lost: Iterable[Lost]) -> RenderableType:
    """What failed and why, and how to see it happen."""
    parts: list[RenderableType] = []
    for tasks, reason, command in lost:
        what = f"{count(tasks)} task{'s' if tasks != 1 else ''}"
        parts += [Text(f"{what}: {reason}"), Text(f"    {command}", no_wrap=True, overflow="ignore")]
    return Group(Text("failed, and why", style="bold"), *parts)


def broken(name: str, width: int = 11) -> str:
    """A path or an output as a column's title, in lines that end at dots and underscores."""
    lines = [""]
    for part in re.findall(r"[^._]+[._]?", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def markdown(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, text: int) -> Iterable[str]:
    """A Markdown table line by line, the first ``text`` columns on the left."""
    for row in (titles, [*["---"] * text, *["---:"] * (len(titles) - text)], *rows):
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
