"""One run predicted: accelerator-hours from the fastest step, what runs lose beside it, and the goodput of its size.

    hours = (tokens / tokens/s of one accelerator + L · F / P) / goodput / 3600
    L = L_10 · (N / 10¹⁰)^(-1/6)

F is the arithmetic of the run, attention in full, P the accelerator's peak in 16 bit, N the weights a token passes.

**L** is time lost for each second that the arithmetic takes at peak: one parameter fitted to runs, the same for all.
Part of it is the same for any model: evaluation, stalls, first phases, layouts that are not the fastest, runs begun
anew.  Part is memory-bound work that tuned frameworks fuse or hide, whose share of the arithmetic falls as a model gets
wider, and width grows as the cube root of the weights.  The power between the two is what a free one comes out as
(0.15); what both parts are, runs do not tell apart.  Losses add up: a step that is slow by itself, because of its
network or its software, does not lose more of them.  The shelf ``runs`` holds L, written by
``seeds/calibration/fit_runs.py``.

**A benchmark** loses nothing of this.  Its clock runs for half a minute beside its steps (``_START``).

**Goodput** is Daly's closed form for a job of that size (:func:`goodput`).  A benchmark neither saves nor is
interrupted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field

from simulator.catalogue import CatalogueEntry
from simulator.hardware import Storage
from simulator.reliability import Fleet
from simulator.reliability.checkpoint import expected_goodput, optimal_interval
from simulator.units import HOUR, Fraction, Ratio
from simulator.validation import predict as step
from simulator.validation.names import known
from simulator.validation.rows import UnreadableError
from simulator.validation.training.filling import steps
from simulator.validation.training.rows import RunInputs
from simulator.workload.precision import PRECISIONS

__all__ = ["RunPrediction", "Runs", "goodput", "lost", "predict"]

_FLEET, _TPU_FLEET, _STORE = "llama-3-fleet", "tpu-v4", "parallel-filesystem"
_REFERENCE = 1e10  # weights
_STANDBY = 60.0  # a spare's way in [s]
_START = 30.0
"""Seconds of a benchmark beside its steps: its start and its evaluations.

Of nine MLPerf results of GPT-3 that print tokens a second between evaluations (seeds/measurements/throughput.csv) and
the whole time (runs.csv), the difference is 0 to 65 s, 27 s in the median, whatever the time.
"""


class Runs(CatalogueEntry):
    """What runs of one kind lose beside their steps, and how far off they were then."""

    shelf = "runs"

    lost: Fraction = Field(ge=0, description="time for each second of arithmetic at peak, at ten billion weights")
    low: Ratio = Field(description="7.5 % quantile of measured over predicted hours")
    high: Ratio = Field(description="92.5 % quantile")
    largest: int = Field(ge=1, description="most accelerators that were measured at once")


@dataclass(frozen=True, slots=True)
class RunPrediction:
    """What one run is predicted to take, and what had to be filled for it."""

    hours: float  # accelerator-hours
    days: float | None  # where the size of the cluster is stated
    goodput: float
    tuned_hours: float  # as if every step were the fastest and nothing lost beside it but a benchmark's start
    arithmetic_hours: float  # of the model's FLOPs at the 16-bit peak, goodput taken out as of the others
    active: float  # weights a token passes
    tokens_per_s: float  # of one accelerator, in a step
    mfu: float  # of a step
    flops: float  # of the whole run, attention in full
    peak: float
    step: step.Prediction
    benchmark: bool
    inferred: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Its entry of the shelf ``runs``."""
        return "benchmark" if self.benchmark else "training"

    @property
    def stated(self) -> bool:
        """Whether neither the size of the cluster nor the shape of the model was filled by a rule of thumb."""
        return not {"n_accelerators", "n_experts", "shape"}.intersection(self.inferred)


def predict(run: RunInputs) -> RunPrediction:
    """Predict a run from its inputs.

    Raises
    ------
    SimulatorError
        The row cannot be understood, or no layout is possible; the message is the reason.
    """
    asked = steps(run)
    made = step.predict(asked.inputs)
    useful = 1.0 if asked.benchmark else goodput(asked.parameters, made)
    if useful <= 0:
        raise UnreadableError(f"n_accelerators: {made.accelerators:,} are interrupted before they get anything done")
    start = _START * made.accelerators if asked.benchmark else 0.0
    tuned = (asked.tokens / made.tokens_per_s / useful + start) / HOUR
    arithmetic = made.flops_per_token * asked.tokens / asked.peak / useful / HOUR
    found = Runs.load("benchmark" if asked.benchmark else "training")
    hours = tuned + lost(found.lost, asked.active) * arithmetic
    if not math.isfinite(hours):
        raise UnreadableError("no finite time follows from these numbers")
    shaped = () if known(run.model) else ("shape",)
    return RunPrediction(
        hours=hours,
        days=hours / run.n_accelerators / 24 if run.n_accelerators else None,
        goodput=useful,
        tuned_hours=tuned,
        arithmetic_hours=arithmetic,
        active=asked.active,
        tokens_per_s=made.tokens_per_s,
        mfu=made.mfu,
        flops=made.flops_per_token * asked.tokens,
        peak=made.peak,
        step=made,
        benchmark=asked.benchmark,
        inferred=(*asked.filled, *shaped),
    )


def lost(share: float, active: float) -> float:
    """Seconds lost beside the steps for each second of arithmetic at peak, L."""
    return share / math.pow(active / _REFERENCE, 1 / 6)


def goodput(parameters: float, made: step.Prediction) -> float:
    """Share of a run's time that its steps take, saves and interruptions taken out.

    Faults of the fleet that is published best, Llama 3's, or Google's for TPUs; a wafer counts as a node.  Checkpoints
    of weights and optimizer state at the optimal interval on a shared store; each fault costs its detection, a spare's
    way in where a node is lost, the fleet's restart and a load.
    """
    fleet = Fleet.load(_TPU_FLEET if made.family == "tpu" else _FLEET)
    store = Storage.load(_STORE)
    nodes = made.accelerators / (fleet.accelerators if made.family != "wafer" else 1)
    rate = sum(cause.rate for cause in fleet.classes.values())
    recovery = sum(c.rate * (c.detection + c.node_lost * _STANDBY) for c in fleet.classes.values()) / rate
    formats = PRECISIONS[made.precision]
    saved = parameters * (formats.weight_bytes + formats.optimizer_bytes)
    save, between = saved / store.write_rate(nodes), 1 / (rate * nodes)
    return expected_goodput(
        interval=optimal_interval(save, between),
        save=save,
        between=between,
        restart=recovery + fleet.restart_time(made.accelerators) + saved / store.read_rate(nodes),
        while_restarting=True,
    )
