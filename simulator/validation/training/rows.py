"""Training runs as a file gives them: inputs on one side, what was measured on the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from simulator.validation.rows import UnreadableError, fault_of, lines, positive, values

__all__ = ["MEASURED", "NEEDED", "Run", "RunInputs", "RunMeasured", "read"]

MEASURED = (
    "training_flops", "wall_days", "accelerator_hours", "mfu_pct", "cost_usd", "cost_basis", "interruptions",
    "goodput_or_effective_time_pct", "energy_mwh", "notes",
)  # fmt: skip
NEEDED = ("id", "model", "tokens_b", "accelerator", "n_accelerators")


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What a row says was trained, and on what.  ``None`` or an empty text where the row is blank."""

    model: str
    accelerator: str
    year: int | None
    params_b: float | None
    active_params_b: float | None
    tokens_b: float | None
    n_accelerators: int | None


@dataclass(frozen=True, slots=True)
class RunMeasured:
    """What the source printed; ``None`` where it printed nothing that is a positive number."""

    wall_days: float | None = None
    accelerator_hours: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One line of a file.  ``inputs`` is ``None`` when it cannot be understood; ``fault`` then says why."""

    id: str
    source: str
    inputs: RunInputs | None
    fault: str
    measured: RunMeasured


def read(path: Path) -> list[Run]:
    """Every row of a CSV file in the columns of ``seeds/measurements/runs.csv``; further columns are ignored.

    A column ``year`` may say when the run began.

    Raises
    ------
    SimulatorError
        The file cannot be read, is no CSV, or lacks a column that every prediction needs.
    """
    return [_run(row) for row in lines(path, NEEDED)]


def _run(row: dict[str, str]) -> Run:
    inputs, fault = None, fault_of(row)
    if fault:
        return Run(row["id"], row.get("source_title", ""), None, fault, RunMeasured())
    try:
        inputs = values({k: v for k, v in row.items() if k not in MEASURED}, RunInputs)
    except UnreadableError as unreadable:
        fault = str(unreadable)
    measured = RunMeasured(positive(row, "wall_days"), positive(row, "accelerator_hours"))
    return Run(row["id"], row.get("source_title", ""), inputs, fault, measured)
