"""A layout as a picture of characters: stages from left to right, the replica's accelerators in each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from simulator.report.words import count
from simulator.step import Layout, Machine

__all__ = ["drawing", "plain"]

_CELLS = 8  # squares for one group; a larger one is told by its number
_PLAIN = str.maketrans(
    {"┌": "+", "┐": "+", "└": "+", "┘": "+", "─": "-", "│": "|", "▶": ">", "■": "#", "□": "o", "…": "..", "×": "x"}
)


def plain(text: str) -> str:
    """The same in the letters of a typewriter."""
    return text.translate(_PLAIN)


def drawing(layout: Layout, machine: Machine, *, layers: Sequence[int], nodes: int) -> list[str]:
    """One replica, stage by stage with its ``layers``, and below it what each degree means; at most 80 columns wide."""
    stages = layout.pipeline
    shown = list(range(stages)) if stages <= 3 else [0, 1, stages - 1]
    boxes = [_box(layout, machine, layers[stage], stage) for stage in shown]
    rows = []
    for line in range(len(boxes[0])):
        row = boxes[0][line]
        for stage, box in zip(shown[1:], boxes[1:], strict=True):
            skipped = stage == stages - 1 and stages > 3
            arrow = ("─ … ▶" if skipped else "──▶") if line == 1 else " " * (5 if skipped else 3)
            row += arrow + box[line]
        rows.append(row)
    replica = f"replica 1 of {count(layout.data)}" if layout.data > 1 else "one replica"
    held = layout.model_parallel
    return [
        f"{replica}: {count(held)} {'accelerators' if held > 1 else 'accelerator'}",
        *rows,
        *_legend(layout, machine, layers, nodes),
    ]


def _box(layout: Layout, machine: Machine, held: int, stage: int) -> list[str]:
    """One stage: its accelerators, those of other replicas in the same scale-up domain, the layers it holds."""
    own = _cells("■", layout.tensor)
    others = machine.domain // (layout.tensor * layout.context) - 1 if machine.domain > 1 else 0
    beside = _cells("□", min(others, layout.data - 1) * layout.tensor * layout.context) if others > 0 else ""
    degrees = f"TP {layout.tensor}" + (f" × CP {layout.context}" if layout.context > 1 else "")
    chunks = f", {layout.interleave} chunks" if layout.interleave > 1 else ""
    inside = [f"{own}{' ' if beside else ''}{beside}", degrees, f"{held} {'layers' if held != 1 else 'layer'}{chunks}"]
    title = f" stage {stage + 1} " if layout.pipeline > 1 else " the whole model "
    width = max(17, len(title) + 1, *map(len, inside))
    return [
        f"┌{title}{'─' * (width + 2 - len(title))}┐",
        *(f"│ {line:<{width}} │" for line in inside),
        f"└{'─' * (width + 2)}┘",
    ]


def _cells(square: str, number: int) -> str:
    return square * number if number <= _CELLS else f"{square * (_CELLS - 2)}…{square}"


def _legend(layout: Layout, machine: Machine, layers: Sequence[int], nodes: int) -> list[str]:
    """What the degrees mean, one line each; only those that are there."""
    domain = f"one scale-up domain of {machine.domain}"
    beside = machine.domain // (layout.tensor * layout.context) > 1 and layout.data > 1 and machine.domain > 1
    said = [f"■ an accelerator of this replica{f', □ of others in {domain}' if beside else ''}"]
    if layout.tensor > 1:
        within = (
            f"inside {domain}" if layout.tensor <= machine.domain else f"across scale-up domains of {machine.domain}"
        )
        said.append(f"TP {layout.tensor}: each matrix product shared by {layout.tensor}, {within}")
    if layout.context > 1:
        by = {"ring": "keys go around", "all-gather": "keys gathered", "all-to-all": "parts exchanged for heads"}
        shared = f"each sequence shared by {layout.context} such groups, {by[layout.context_by]}"
        said.append(f"CP {layout.context}: {shared}")
    if layout.pipeline > 1:
        alike = [(len(list(stages)), held) for held, stages in groupby(layers)]
        each = ", ".join(f"{many} × {held}" if many > 1 else f"{held}" for many, held in alike)
        of = f"stages of {each} layers, one after the other (▶)"
        even = f"{layout.pipeline} stages, activations from one to the next (▶)"
        said.append(f"PP {layout.pipeline}: {of if len(alike) > 1 else even}")
    if layout.expert > 1:
        said.append(f"EP {layout.expert}: experts spread over {layout.expert} accelerators of a stage, across replicas")
    if layout.data > 1:
        said.append(f"DP {count(layout.data)}: {count(layout.data)} replicas, each with its own part of the batch")
    said.append(
        f"together {count(layout.accelerators)} accelerators on {count(nodes)} {'nodes' if nodes > 1 else 'node'}"
    )
    return said
