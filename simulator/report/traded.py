"""Frontiers as tables: what a shorter step costs in memory, and in accelerators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from simulator.plan import Frontier
from simulator.report.explained import signed
from simulator.report.tables import table
from simulator.report.words import amount, count, duration, percent
from simulator.step import Answer

__all__ = ["as_dict", "traded"]


def traded(found: Sequence[Frontier]) -> RenderableType:
    """Both frontiers of every job."""
    parts: list[RenderableType] = []
    for one in found:
        parts += ["", Text(f"{one.job}: step time against memory left, on {count(one.accelerators)} accelerators")]
        parts += [_against_memory(one), "", Text(f"{one.job}: step time against accelerators"), _against_size(one)]
    note = "only what no other layout beats in both; * beaten by fewer accelerators"
    return Group(*parts[1:], Text(note, style="dim"))


def _against_memory(one: Frontier) -> RenderableType:
    made = table("step time", "slower", "memory left", "MFU", "layout", right=(0, 1, 2, 3))
    answers = _roomy(one)
    for answer in answers:
        slower = answer.step.total / answers[0].step.total - 1
        left = amount(answer.memory.margin, "B")
        made.add_row(duration(answer.step.total), signed(slower), left, percent(answer.step.mfu), str(answer.layout))
    return made


def _roomy(one: Frontier) -> list[Answer]:
    return [Answer.of(one.fitting, int(index)) for index in one.roomy]


def _against_size(one: Frontier) -> RenderableType:
    made = table("accelerators", "step time", "speed-up", "of linear", "MFU", "layout", right=(0, 1, 2, 3, 4))
    first, standing = one.sizes[0], set(one.fewest.tolist())
    for index, answer in enumerate(one.sizes):
        faster = answer.step.tokens_per_second / first.step.tokens_per_second
        linear = answer.layout.accelerators / first.layout.accelerators
        mark = "" if index in standing else "*"
        made.add_row(
            count(answer.layout.accelerators) + mark, duration(answer.step.total), f"{faster:,.1f} ×",
            percent(faster / linear), percent(answer.step.mfu), str(answer.layout),
        )  # fmt: skip
    return made


def as_dict(found: Sequence[Frontier]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "jobs": [
            {
                "name": one.job,
                "accelerators": one.accelerators,
                "against_memory": [_answer(answer) for answer in _roomy(one)],
                "against_accelerators": [
                    _answer(answer) | {"nondominated": index in set(one.fewest.tolist())}
                    for index, answer in enumerate(one.sizes)
                ],
            }
            for one in found
        ]
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "layout": asdict(answer.layout),
        "accelerators": answer.layout.accelerators,
        "step_s": answer.step.total,
        "mfu": answer.step.mfu,
        "memory_left_bytes": answer.memory.margin,
    }
