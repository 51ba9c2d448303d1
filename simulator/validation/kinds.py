"""A file of measurements of either kind: recognised by its columns, predicted, scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError
from simulator.validation import outcome, rows, table, training
from simulator.validation.scorecard import scorecard

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RUNS", "STEPS", "Examined", "examine", "measurements", "published"]

STEPS, RUNS = "throughput.csv", "runs.csv"
_OF_RUNS = frozenset({"tokens_b", "wall_days", "accelerator_hours"})


@dataclass(frozen=True)
class Examined:
    """What became of a file."""

    document: dict[str, Any]  # the scorecard, with ``file`` and ``kind``
    write: Callable[[Path], None]  # the table, one line a row of the file
    points: tuple[tuple[str, float, float], ...]  # family, measured, predicted of each row that has both

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
    path = Path(__file__).parents[2] / "seeds" / "measurements" / name
    if not path.is_file():
        raise SimulatorError(
            "FILE: expected a CSV file of measurements; the published ones are in seeds/measurements/ of a checkout "
            "and are not installed with the package"
        )
    return path


def published() -> dict[str, Path]:
    """All measurements that come with a checkout, by the name to show; raises as :func:`measurements`."""
    return {f"seeds/measurements/{name}": measurements(name) for name in (STEPS, RUNS)}


def examine(path: Path, *, shown: str, by: Sequence[str] = ()) -> Examined:
    """Predict and score a file: whole runs where it has a column that only they have, else steps.

    Raises
    ------
    SimulatorError
        The file cannot be read or lacks a column; ``by`` names none.
    """
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
