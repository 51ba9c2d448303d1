"""A row, what is predicted for it, what was measured, and how far they are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from simulator.errors import SimulatorError
from simulator.validation.predict import Prediction, predict
from simulator.validation.rows import Inputs, Measured, Row

__all__ = ["Outcome", "repeated", "validate"]


@dataclass(frozen=True)
class Outcome:
    """One row of a file after prediction; ``prediction`` is ``None`` when it was skipped, ``reason`` says why."""

    row: Row
    prediction: Prediction | None
    measured: float | None  # tokens per second of one accelerator
    reason: str

    @property
    def scored(self) -> bool:
        """Whether there is both a prediction and a measurement."""
        return self.prediction is not None and self.measured is not None

    @cached_property
    def ratio(self) -> float:
        """Measured over predicted tokens per second; only of what is scored."""
        if self.prediction is None or self.measured is None:
            raise ValueError(f"{self.row.id} has no prediction or no measurement")
        return self.measured / self.prediction.tokens_per_s

    @property
    def error(self) -> float:
        """Predicted over measured tokens per second, less one: positive when the prediction is too fast."""
        return 1 / self.ratio - 1


def validate(rows: Iterable[Row]) -> list[Outcome]:
    """Predict every row; a row that cannot be predicted says why.  Rows of the same inputs are predicted once."""
    rows = list(rows)
    named = Counter(row.id for row in rows)
    made: dict[Inputs, Prediction | str] = {}
    return [_outcome(row, made, named[row.id]) for row in rows]


def _outcome(row: Row, made: dict[Inputs, Prediction | str], named: int) -> Outcome:
    printed = _printed(row.inputs, row.measured)
    if row.inputs is None:
        return Outcome(row, None, printed, row.fault)
    if row.inputs not in made:
        made[row.inputs] = _predicted(row.inputs)
    prediction = made[row.inputs]
    if isinstance(prediction, str):
        return Outcome(row, None, printed, prediction)
    remarks = list(prediction.remarks)
    if printed is None:
        printed, how = _from_rate(row.measured, prediction)
        remarks += [how] if how else []
    remarks += repeated(named)
    return Outcome(row, prediction, printed, "; ".join(remarks))


def _predicted(inputs: Inputs) -> Prediction | str:
    """The prediction, or why there is none."""
    try:
        return predict(inputs)
    except SimulatorError as impossible:
        return " ".join(str(impossible).split())


def repeated(times: int) -> list[str]:
    """A remark on an ``id`` that several rows of a file have."""
    return [f"{times} rows have this id"] if times > 1 else []


def _printed(inputs: Inputs | None, measured: Measured) -> float | None:
    """Tokens per second of one accelerator as the source prints them, or as its step time and batch give them."""
    if measured.tokens_per_s_per_gpu is not None or inputs is None or measured.step_time_s is None:
        return measured.tokens_per_s_per_gpu
    if inputs.global_batch_seqs and inputs.seq_len and inputs.n_accelerators:
        return inputs.global_batch_seqs * inputs.seq_len / measured.step_time_s / inputs.n_accelerators
    return None


def _from_rate(measured: Measured, made: Prediction) -> tuple[float | None, str]:
    """Tokens per second from FLOP/s, or MFU × peak, over the model FLOPs of a token by the row's convention.

    Attention in full unless the source says it counts the causal half.  FLOP/s come first: they rest on no peak.  MFU
    is of the peak the source names, else of the accelerator's in the number format used.  HFU is not used: whether and
    what a source recomputed is mostly not known.
    """
    flops = made.causal_flops_per_token if measured.causal else made.flops_per_token
    if measured.model_tflops_per_gpu is not None:
        return measured.model_tflops_per_gpu * 1e12 / flops, "measured from model FLOP/s"
    if measured.mfu_pct is not None:
        return measured.mfu_pct / 100 * (measured.peak or made.peak) / flops, "measured from MFU"
    return None, ""
