"""What the training jobs do to everyone else, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.text import Text

from simulator.report.tables import table
from simulator.report.words import count, duration, energy, money, percent
from simulator.results.queue import QueueSummary, ServedSummary

__all__ = ["queued"]


def queued(queue: QueueSummary, notes: Sequence[str]) -> list[RenderableType]:
    """The queue with and without the training jobs: as a whole, then by the size of its jobs, then what it draws."""
    said = list(notes)
    if queue.submitted_later:
        said.append(f"{queue.submitted_later:,} jobs submitted after the run's end are not looked at")
    if queue.beside.never_started or queue.alone.never_started:
        said.append(
            f"{queue.beside.never_started:,} jobs never start with the training jobs, {queue.alone.never_started:,} "
            "without; they count with the delay until the run's end"
        )
    drawn = queue.energy
    said.append(
        f"the books above count the queue's nodes as idle; its jobs draw {energy(drawn.energy_MWh)} on top, "
        f"{money(drawn.energy_cost_usd)} and {drawn.carbon_tCO2e:,.0f} tCO2e"
    )
    return [_whole(queue), "", _by_size(queue), *(Text(one, style="dim") for one in said)]


def _hours(hours: float) -> str:
    return count(round(hours))


def _index(fairness: float | None) -> str:
    return "–" if fairness is None else f"{fairness:.2f}"


_ROWS: tuple[tuple[str, Callable[[ServedSummary], str]], ...] = (
    ("cluster in use", lambda served: percent(served.cluster_utilisation)),
    ("queue's share in use", lambda served: percent(served.utilisation)),
    ("delay, mean", lambda served: duration(served.delay_mean_s)),
    ("delay, median", lambda served: duration(served.delay_p50_s)),
    ("delay, P95", lambda served: duration(served.delay_p95_s)),
    ("slowdown, mean", lambda served: f"{served.slowdown:,.3g}×"),
    ("fairness between sizes", lambda served: _index(served.fairness_sizes)),
    ("fairness between users", lambda served: _index(served.fairness_users)),
    ("jobs stopped", lambda served: f"{served.stopped:,}"),
    ("work lost by that, accelerator-hours", lambda served: _hours(served.lost_accelerator_hours)),
)


def _whole(queue: QueueSummary) -> RenderableType:
    made = table(f"queue of {queue.jobs:,} jobs", "with training", "without", right=(1, 2))
    for name, write in _ROWS:
        made.add_row(name, *(write(served) for served in (queue.beside, queue.alone)))
    return made


def _by_size(queue: QueueSummary) -> RenderableType:
    made = table(
        "accelerators", "jobs", "mean delay", "median", "P95", "without: mean", "median", "P95", right=range(8)
    )
    for beside, alone in zip(queue.beside.classes, queue.alone.classes, strict=True):
        delays = (d for one in (beside, alone) for d in (one.delay_mean_s, one.delay_p50_s, one.delay_p95_s))
        made.add_row(beside.accelerators, f"{beside.jobs:,}", *(duration(delay) for delay in delays))
    return made
