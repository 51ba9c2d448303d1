"""A file of measurements of any kind: recognised by its name and columns, predicted, scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError
from simulator.validation import outcome, reliability, rows, table, training
from simulator.validation.scorecard import scorecard

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CASES", "RUNS", "STEPS", "Examined", "examine", "measurements", "published"]

STEPS, RUNS, CASES = "measurements/throughput.csv", "measurements/runs.csv", "reliability/cases.yaml"
_OF_RUNS = frozenset({"tokens_b", "wall_days", "accelerator_hours"})


@dataclass(frozen=True)
class Examined:
    """What became of a file."""

    document: dict[str, Any]  # scorecard or verdicts, with ``file`` and ``kind``
    write: Callable[[Path], None]  # the table, one line a row of the file
    points: tuple[tuple[str, float, float], ...] | None  # family, measured, predicted; None: not to be drawn

    def frame(self) -> pd.DataFrame:
        """The points, for drawing."""
        import pandas as pd

        return pd.DataFrame(self.points, columns=["family", "measured", "predicted"])


def measurements(name: str = STEPS) -> Path:
    """The measurements of this name that come with a checkout.

    Raises
    ------
    SimulatorError
        An installed package does not carry them.
    """
    path = Path(__file__).parents[2] / "seeds" / name
    if not path.is_file():
        raise SimulatorError(
            "FILE: expected a file of measurements; the published ones are in seeds/ of a checkout and are not "
            "installed with the package"
        )
    return path


def published() -> dict[str, Path]:
    """All measurements that come with a checkout, by the name to show; raises as :func:`measurements`."""
    return {f"seeds/{name}": measurements(name) for name in (STEPS, RUNS, CASES)}


def examine(path: Path, *, shown: str, by: Sequence[str] = ()) -> Examined:
    """Predict and score a file: cases of reliability in YAML; whole runs where it has a column of theirs; else steps.

    Raises
    ------
    SimulatorError
        The file cannot be read or lacks a column; ``by`` names none.
    """
    if path.suffix in (".yaml", ".yml"):
        return _cases(path, shown)
    return (_runs if _OF_RUNS.intersection(rows.header(path)) else _steps)(path, shown, by)


def _steps(path: Path, shown: str, by: Sequence[str]) -> Examined:
    found = outcome.validate(rows.read(path))
    return Examined(
        document={"file": shown, "kind": "steps", **scorecard(found, by).to_dict()},
        write=partial(table.write, found),
        points=tuple((one.prediction.family, one.measured, one.prediction.tokens_per_s)
                     for one in found if one.prediction is not None and one.measured is not None),
    )  # fmt: skip


def _runs(path: Path, shown: str, by: Sequence[str]) -> Examined:
    found = training.validate(training.read(path))
    return Examined(
        document={"file": shown, "kind": "runs", **training.scorecard(found, by).to_dict()},
        write=partial(training.table.write, found),
        points=tuple((one.prediction.step.family, one.measured, one.prediction.hours)
                     for one in found if one.prediction is not None and one.measured is not None),
    )  # fmt: skip


def _cases(path: Path, shown: str) -> Examined:
    found = reliability.judge(reliability.read(path), path.parent)
    return Examined(
        document={"file": shown, "kind": "reliability", **reliability.document(found)},
        write=partial(reliability.table.write, found),
        points=None,
    )
