"""A run, what is predicted for it, what was measured, and how far they are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.errors import SimulatorError
from simulator.validation.outcome import repeated
from simulator.validation.training.predict import RunPrediction, predict
from simulator.validation.training.rows import Run

__all__ = ["RunOutcome", "validate"]


@dataclass(frozen=True)
class RunOutcome:
    """One row of a file after prediction; ``prediction`` is ``None`` when it was skipped, ``reason`` says why."""

    run: Run
    prediction: RunPrediction | None
    measured: float | None  # accelerator-hours
    reason: str

    @property
    def ratio(self) -> float:
        """Measured over predicted accelerator-hours; only of what has both."""
        if self.prediction is None or self.measured is None:
            raise ValueError(f"{self.run.id} has no prediction or no measurement")
        return self.measured / self.prediction.hours

    @property
    def error(self) -> float:
        """Predicted over measured accelerator-hours, less one: positive when the prediction is too long."""
        return 1 / self.ratio - 1


def validate(runs: Iterable[Run]) -> list[RunOutcome]:
    """Predict every run; one that cannot be predicted says why."""
    runs = list(runs)
    named = Counter(run.id for run in runs)
    return [_outcome(run, named[run.id]) for run in runs]


def _outcome(run: Run, named: int) -> RunOutcome:
    measured = _measured(run)
    if run.inputs is None:
        return RunOutcome(run, None, measured, run.fault)
    try:
        made = predict(run.inputs)
    except SimulatorError as impossible:
        return RunOutcome(run, None, measured, " ".join(str(impossible).split()))
    return RunOutcome(run, made, measured, "; ".join([*made.step.remarks, *repeated(named)]))


def _measured(run: Run) -> float | None:
    """Accelerator-hours as the source prints them, or as its days on the stated cluster give them."""
    printed, days = run.measured.accelerator_hours, run.measured.wall_days
    if printed is None and days is not None and run.inputs is not None and run.inputs.n_accelerators is not None:
        return days * 24 * run.inputs.n_accelerators
    return printed
