"""What moves an output most, and what a search found, for a terminal and for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from simulator.report.swept import broken, cell, shown
from simulator.report.tables import table
from simulator.report.words import count, percent
from simulator.results.sensitivity import Sensitivity
from simulator.results.sought import Sought, Trial

__all__ = ["as_dict", "found_best", "moves_most", "sensitivity_dict"]

_RUNNERS = 5


def moves_most(found: Sensitivity, *, study: str) -> RenderableType:
    """The indices, the widest first, and whether they can be relied on."""
    mean = f"{shown(found.output, found.mean)} ± {shown(found.output, found.deviation, digits=2)}"
    if not found.indices:
        return Text(f"{found.output}: {mean}; no factor moves it")
    made = table(f"{found.output}: {mean}", "first order", "", "total", "", right=(1, 3))
    for index in found.indices:
        made.add_row(
            index.factor, percent(max(index.first, 0.0)), f"± {percent(index.first_half)}",
            percent(max(index.total, 0.0)), f"± {percent(index.total_half)}",
        )  # fmt: skip
    jointly = 1 - sum(max(index.first, 0.0) for index in found.indices)
    said = [
        f"shares of the variance, with 95 % intervals; {percent(max(jointly, 0.0))} of it is of several factors jointly"
    ]
    if found.dropped:
        said.append(f"{found.dropped} of {found.base + found.dropped} base points left out: some value is missing")
    if found.wanted is not None:
        said.append(
            f"{found.base} base points leave intervals wider than ±10 %; more would narrow them: "
            f"simgpu sensitivity {study} --points {found.wanted}"
        )
    return Group(made, "", *(Text(line, style="dim") for line in said))


def sensitivity_dict(found: Sensitivity) -> dict[str, Any]:
    """The same for programs."""
    return {
        "output": found.output,
        "mean": found.mean,
        "standard_deviation": found.deviation,
        "base_points": found.base,
        "left_out": found.dropped,
        "base_points_wanted": found.wanted,
        "indices": [
            {
                "factor": index.factor,
                "first": index.first,
                "first_half_width": index.first_half,
                "total": index.total,
                "total_half_width": index.total_half,
            }
            for index in found.indices
        ],
    }


def found_best(found: Sought, command: Callable[[Sequence[str]], str]) -> RenderableType:
    """The best trial, those next to it, which constraints cost something, and how to get the best again."""
    best = found.best
    if best is None:
        return _none(found, command)
    columns = list(dict.fromkeys((found.output, *best.values)))
    titles = ["", *map(broken, found.factors), *map(broken, columns), "trial"]
    made = table(*titles, right=range(len(found.factors) + 1, len(titles)))
    for column in made.columns[1 : len(found.factors) + 1]:
        column.overflow = "fold"
    for mark, trial in zip(("best", *("",) * _RUNNERS), found.ranked, strict=False):
        made.add_row(mark, *_row(trial, columns))
    lines = [f"{_least(found)}: {shown(found.output, best.values[found.output])}, {_counted(found)}"]
    for binding in found.binding:
        instead = shown(found.output, binding.instead.values[found.output])
        lines.append(f"{binding.constraint} binds: without it {instead} with {', '.join(binding.instead.labels)}")
    free = [str(one) for one in found.constraints if one not in [binding.constraint for binding in found.binding]]
    if free:
        lines.append(f"without effect on the best: {', '.join(free)}")
    return Group(
        Text(lines[0], style="bold"), *map(Text, lines[1:]), "", made, "",
        Text(command(best.changes), no_wrap=True, overflow="ignore"),
    )  # fmt: skip


def _none(found: Sought, command: Callable[[Sequence[str]], str]) -> RenderableType:
    nearest = found.nearest
    if nearest is None:
        reasons = {trial.reason for trial in found.trials}
        return Text(f"no trial has a value, {_counted(found)}: {'; '.join(sorted(reasons)[:3])}")
    pairs = zip(found.constraints, nearest.slack, strict=True)
    broken = ", ".join(f"{one} (by {percent(-slack)})" for one, slack in pairs if slack < 0)
    return Group(
        Text(f"no trial keeps the constraints, {_counted(found)}; the nearest breaks {broken}", style="bold"),
        "",
        Text(command(nearest.changes), no_wrap=True, overflow="ignore"),
    )


def _least(found: Sought) -> str:
    return f"{'least' if found.goal == 'minimise' else 'most'} {found.output}"


def _counted(found: Sought) -> str:
    impossible = sum(not trial.possible for trial in found.trials)
    again = f" in {count(found.asked)} suggestions" if found.asked > len(found.trials) else ""
    parts = [f"{count(len(found.trials))} points tried{again}"]
    parts += [f"{count(impossible)} of them impossible"] if impossible else []
    return ", ".join(parts)


def _row(trial: Trial, columns: Sequence[str]) -> list[str]:
    cells = (cell(name, trial.values[name], trial.halves[name]) for name in columns)
    return [*trial.labels, *cells, count(trial.point + 1)]


def as_dict(found: Sought, command: Callable[[Sequence[str]], str]) -> dict[str, Any]:
    """The same for programs, with every trial."""

    def plain(trial: Trial) -> dict[str, Any]:
        return {
            "point": trial.point,
            "factors": dict(zip(found.factors, trial.labels, strict=True)),
            **trial.values,
            "allowed": trial.allowed,
            "reason": trial.reason,
            "command": command(trial.changes),
        }

    return {
        found.goal: found.output,
        "constraints": [str(one) for one in found.constraints],
        "binding": [str(one.constraint) for one in found.binding],
        "best": None if found.best is None else plain(found.best),
        "trials": [plain(trial) for trial in found.trials],
    }
