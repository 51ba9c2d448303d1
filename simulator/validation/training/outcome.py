"""A run, what is predicted for it, what was measured, and how far they are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.errors import SimulatorError
from simulator.validation.outcome import repeated
from simulator.validation.training.predict import RunPrediction, predict
from simulator.validation.training.rows import Run, RunInputs

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
    """Predict every run; one that cannot be predicted says why.  Runs of the same inputs are predicted once."""
    runs = list(runs)
    named = Counter(run.id for run in runs)
    made: dict[RunInputs, RunPrediction | str] = {}
    return [_outcome(run, made, named[run.id]) for run in runs]


def _outcome(run: Run, made: dict[RunInputs, RunPrediction | str], named: int) -> RunOutcome:
    measured = _measured(run)
    if run.inputs is None:
        return RunOutcome(run, None, measured, run.fault)
    if run.inputs not in made:
        made[run.inputs] = _predicted(run.inputs)
    prediction = made[run.inputs]
    if isinstance(prediction, str):
        return RunOutcome(run, None, measured, prediction)
    return RunOutcome(run, prediction, measured, "; ".join([*prediction.step.remarks, *repeated(named)]))


def _predicted(inputs: RunInputs) -> RunPrediction | str:
    """The prediction, or why there is none."""
    try:
        return predict(inputs)
    except SimulatorError as impossible:
        return " ".join(str(impossible).split())


def _measured(run: Run) -> float | None:
    """Accelerator-hours as the source prints them, or as its days on the stated cluster give them."""
    printed, days = run.measured.accelerator_hours, run.measured.wall_days
    if printed is None and days is not None and run.inputs is not None and run.inputs.n_accelerators is not None:
        return days * 24 * run.inputs.n_accelerators
    return printed
