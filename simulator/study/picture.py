"""The figure of a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.study.findings import load
from simulator.study.store import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_TASKS", "headline", "picture"]

MOST_TASKS = 200_000  # that a figure holds in memory


def headline(study: str, question: str) -> str:
    """What stands above a figure."""
    return question if question.startswith(study) else f"{study}: {question}"


def picture(path: Path, output: str) -> Figure | None:
    """The figure of one output over a study's factors; None: no task has a number of it, or there are too many."""
    from simulator.report.study_figures import study

    with readable(path) as (_, header):
        pass
    if header.asked > MOST_TASKS:
        return None
    frame = load(path)
    values = frame.loc[frame["status"] == "done", output].dropna()
    if not len(values) or not all(isinstance(value, int | float) for value in values[:1]):
        return None
    design = json.loads(header.definition)["design"]["kind"]
    drawn = design not in ("grid", "zip")
    return study(frame, header.factors, output, headline=headline(header.study, header.question), drawn=drawn)
