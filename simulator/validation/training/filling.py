"""The steps of a run: what a row about a whole run says of one step, and the rule for what it leaves open.

====================== =================================================================================================
blank                  filled with
====================== =================================================================================================
params_b               the catalogue's model of that name
year                   that of the catalogue's model of that name, if the accelerator was out by then; else three years
                       after the accelerator's release, the middle of its service
n_accelerators         the power of two that would be done in a month at 40 % of the 16-bit peak
experts                the catalogue's model of that name; else eight of E a token, each a third of the usual width of
                       a dense model of the active parameters, E the power of two that gives the total
precision              16 bit; in a benchmark the narrowest format of the accelerator
framework              NVIDIA's own on its accelerators, NeMo: steps are as tuned as they can be, the share is what
                       others lose against them; else unknown
layout, batch, ...     as for step times (``simulator.validation.filling``)
====================== =================================================================================================

A **benchmark** is a run whose arithmetic takes less than four hours at the 16-bit peak of its cluster: nobody restarts
it, it was rehearsed, and it is timed from its first step to its last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.hardware import Accelerator
from simulator.units import DAY, HOUR
from simulator.validation.machines import accelerator
from simulator.validation.names import known, sizes
from simulator.validation.rows import Inputs, UnreadableError, parse
from simulator.validation.training.rows import RunInputs
from simulator.workload import Transformer

__all__ = ["Steps", "steps"]

_IN_SERVICE = 3  # years from an accelerator's release to the middle of its service
_USUAL_MFU = 0.4
_USUAL_DAYS = 30
_FEWEST = 8
_TUNED = "NeMo"
_BENCHMARK = 4 * HOUR  # arithmetic at peak that ends within it is a benchmark's


@dataclass(frozen=True, slots=True)
class Steps:
    """Inputs for the step model, and what was filled for them."""

    inputs: Inputs
    tokens: float
    parameters: float
    benchmark: bool
    filled: tuple[str, ...]


def steps(run: RunInputs) -> Steps:
    """What one step of a run is.

    Raises
    ------
    UnreadableError
        Tokens, parameters or accelerator are missing or unknown.
    """
    if run.tokens_b is None:
        raise UnreadableError("tokens_b: not stated")
    if not run.accelerator:
        raise UnreadableError("accelerator: not stated")
    chip = accelerator(run.accelerator)
    entry = known(run.model)
    filled: list[str] = []
    total, active = _sizes(run, entry)
    tokens = run.tokens_b * 1e9
    peak = _peak(chip)
    seconds = 6 * active * tokens / peak  # of one accelerator at peak
    count = run.n_accelerators
    if count is None:
        filled.append("n_accelerators")
        count = 2 ** round(math.log2(max(seconds / (_USUAL_MFU * _USUAL_DAYS * DAY), _FEWEST)))
    year = run.year
    if year is None:
        filled.append("year")
        year = entry.year if entry and entry.year >= chip.released else chip.released + _IN_SERVICE
    benchmark = seconds / count < _BENCHMARK
    row = {
        "model": run.model, "accelerator": run.accelerator, "year": year, "n_accelerators": count,
        "params_b": run.params_b, "active_params_b": run.active_params_b,
        "precision": _narrowest(chip) if benchmark else "", "framework": _TUNED if chip.vendor == "NVIDIA" else "",
    }  # fmt: skip
    inputs = parse({name: "" if value is None else str(value) for name, value in row.items()})
    return Steps(inputs, tokens, total, benchmark, tuple(filled))


def _peak(chip: Accelerator) -> float:
    return max(rate for name, rate in chip.peak.items() if str(name) in ("bf16", "fp16"))


def _narrowest(chip: Accelerator) -> str:
    return next((name for name in ("fp4", "fp8") if name in map(str, chip.peak)), "")


def _sizes(run: RunInputs, entry: Transformer | None) -> tuple[float, float]:
    """All and active parameters: those of the catalogue's model, else of the row or the model's name."""
    if entry is not None:
        return entry.parameters, entry.active_parameters
    named, named_active = sizes(run.model)
    total = run.params_b * 1e9 if run.params_b is not None else named
    if total is None:
        raise UnreadableError("params_b: not stated, and the catalogue has no model of that name")
    return total, run.active_params_b * 1e9 if run.active_params_b is not None else named_active or total
