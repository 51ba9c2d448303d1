"""What `simgpu tune` found, for a terminal and for programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from simulator.report.tables import table
from simulator.report.words import count, duration, money, percent
from simulator.units import DAY

if TYPE_CHECKING:
    from simulator.results.tuned import Trial, Tuned

__all__ = ["as_dict", "tuned"]


def tuned(found: Tuned) -> RenderableType:
    """The best settings first, then how flat each is."""
    spares = found.best(found.spares)
    interval = f"a checkpoint every {duration(found.interval.value)}"
    if found.keeps_rule:
        interval = f"checkpoints as they are, every {duration(found.interval.value)} at the usual size"
    standbys = "1 hot standby" if found.hot == 1 else f"{count(found.hot)} hot standbys"
    said = (
        f"Least {'time' if found.goal == 'time' else 'cost'} with {interval}, "
        f"{percent(spares.value)} spares and {standbys}: {duration(spares.days * DAY)}, "
        f"{money(spares.cost)}."
    )
    low, high = found.flat(found.intervals)
    fewest, most = found.flat(found.spares)
    coldest, hottest = found.flat(found.standbys)
    lines = table("", "")
    lines.add_row(
        "interval",
        f"now {duration(found.as_it_is.value)} at the usual size, which makes {duration(found.as_it_is.days * DAY)} "
        f"and {money(found.as_it_is.cost)}; any one from {duration(low)} to {duration(high)} is within 1 % of the best "
        "one",
    )
    lines.add_row(
        "spares",
        f"now {percent(found.now.pools[0].spare_share)}; anything tried from {percent(fewest)} to {percent(most)} is "
        "within 1 %",
    )
    lines.add_row(
        "standbys",
        f"{found.losses_while_warming:.2g} nodes are lost in the {duration(found.now.warm)} a warm spare takes; "
        f"{count(found.hot)} kept hot suffice{'s' if found.hot == 1 else ''} for 99 % of such times; "
        f"anything tried from {count(round(coldest))} to {count(round(hottest))} is within 1 %",
    )
    return Group(
        Text(f"{found.now.name}: {found.now.question}", style="dim"),
        Text(said, style="bold"),
        "",
        lines,
        "",
        _trials("checkpoint every (closed form)", found.intervals[::2], duration),
        "",
        _trials(f"spares (simulated, {found.replicas} runs each, same weather)", found.spares, percent),
        "",
        _trials(f"kept hot (simulated, {found.replicas} runs each, same weather)", found.standbys, _whole),
    )


def _whole(value: float | None) -> str:
    return count(None if value is None else round(value))


def _trials(title: str, trials: Sequence[Trial], write: Callable[[float | None], str]) -> RenderableType:
    made = table(title, "time to train", "cost", right=(1, 2))
    for trial in trials:
        ends = math.isfinite(trial.days)
        made.add_row(
            write(trial.value),
            duration(trial.days * DAY) if ends else "never",
            money(trial.cost) if ends else "–",
        )
    return made


def as_dict(found: Tuned) -> dict[str, Any]:
    """The same for programs; what never ends has null."""

    def rows(trials: Sequence[Trial]) -> list[dict[str, float | None]]:
        return [
            {
                "value": trial.value,
                "time_to_train_d": trial.days if math.isfinite(trial.days) else None,
                "cost_usd": trial.cost if math.isfinite(trial.cost) else None,
            }
            for trial in trials
        ]

    return {
        "goal": found.goal,
        "replicas": found.replicas,
        "interval_s": {"best": found.interval.value, "keep_as_it_is": found.keeps_rule,
                       "as_it_is": rows([found.as_it_is])[0], "within_1_percent": found.flat(found.intervals),
                       "trials": rows(found.intervals)},
        "spares": {"best": found.best(found.spares).value, "within_1_percent": found.flat(found.spares),
                   "trials": rows(found.spares)},
        "hot_standbys": {"best": found.hot, "within_1_percent": found.flat(found.standbys),
                         "trials": rows(found.standbys)},
    }  # fmt: skip
