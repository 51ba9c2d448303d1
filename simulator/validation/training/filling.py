"""The steps of a run: what a row about a whole run says of one step, and the rule for what it leaves open.

====================== =================================================================================================
blank                  filled with
====================== =================================================================================================
year                   that of the catalogue's model of that name, if the accelerator was out by then; else three years
                       after the accelerator's release, the middle of its service; at most 2022 where a training run
                       has fewer than 16 tokens a weight, for it was planned before anyone asked for 20
n_accelerators         the power of two that would be done in a month at 40 % of the 16-bit peak
precision              16 bit, or what the catalogue says the model of that name was trained in; in a benchmark the
                       fastest format of the accelerator
framework              NVIDIA's own on its accelerators, Megatron-Bridge: steps are as tuned as they can be, what others
                       lose against them is fitted; with any schedule of a pipeline since 2024; else unknown
batch of training      4 million tokens up to a trillion in all, from then on as the root of all tokens (the batch that
                       still pays grows about so, recalled), in sequences a multiple or a power of two
shape, layout, ...     as for step times (``simulator.validation.filling``, ``proportions``)
====================== =================================================================================================

A **benchmark** is a run of fewer tokens than weights, which no model could be trained from, whose arithmetic takes
less than four hours at the 16-bit peak of its cluster: nobody restarts it, it was rehearsed, and it is timed from its
first step to its last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.hardware import Accelerator
from simulator.units import DAY, HOUR
from simulator.validation.filling import MODERN
from simulator.validation.machines import accelerator
from simulator.validation.names import known, sizes
from simulator.validation.rows import Inputs, UnreadableError, parse
from simulator.validation.training.rows import RunInputs
from simulator.workload import Transformer

__all__ = ["Steps", "steps"]

_IN_SERVICE = 3  # years from an accelerator's release to the middle of its service
_BEFORE, _FEW_TOKENS = 2022, 16  # Hoffmann et al., March 2022, ask for 20 tokens a weight; well short: planned before
_USUAL_MFU = 0.4
_USUAL_BATCH = 2**22  # tokens
_USUAL_DAYS = 30
_FEWEST = 8
_TUNED, _SCHEDULED = "Megatron-Bridge", "Megatron-Bridge, DualPipe"
_DUALPIPE = 2024  # year in which pipelines came to hide the exchange of experts
_BENCHMARK = 4 * HOUR  # arithmetic at peak that ends within it is a benchmark's


@dataclass(frozen=True, slots=True)
class Steps:
    """Inputs for the step model, and what was filled for them."""

    inputs: Inputs
    tokens: float
    parameters: float
    active: float  # weights a token passes
    peak: float  # of the accelerator in 16 bit [FLOP/s]
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
    chip = accelerator(run.accelerator)
    entry = known(run.model)
    filled: list[str] = []
    tokens = run.tokens_b * 1e9
    total, active = _sizes(run, entry)
    peak = _peak(chip)
    seconds = 6 * active * tokens / peak  # of one accelerator at peak
    count = run.n_accelerators
    if count is None:
        filled.append("n_accelerators")
        count = 2 ** round(math.log2(max(seconds / (_USUAL_MFU * _USUAL_DAYS * DAY), _FEWEST)))
    benchmark = seconds / count < _BENCHMARK and tokens < total
    year = run.year
    if year is None:
        filled.append("year")
        year = _year(entry, chip, math.inf if benchmark else tokens / active)
    row = {
        "model": run.model, "accelerator": run.accelerator, "year": year, "n_accelerators": count,
        "params_b": run.params_b, "active_params_b": run.active_params_b,
        "precision": _fastest(chip) if benchmark else entry.trained_in if entry else "",
        "framework": (_SCHEDULED if year >= _DUALPIPE else _TUNED) if chip.vendor == "NVIDIA" else "",
    }  # fmt: skip
    if not benchmark:
        row |= {"seq_len": (length := _length(entry, year)), "global_batch_seqs": _batch(tokens, length, count)}
    inputs = parse({name: "" if value is None else str(value) for name, value in row.items()})
    return Steps(inputs, tokens, total, active, peak, benchmark, tuple(filled))


def _year(entry: Transformer | None, chip: Accelerator, tokens_per_weight: float) -> int:
    year = entry.year if entry and entry.year >= chip.released else chip.released + _IN_SERVICE
    return max(min(year, _BEFORE), chip.released) if tokens_per_weight < _FEW_TOKENS else year


def _length(entry: Transformer | None, year: int) -> int:
    return entry.context if entry else 4096 if year >= MODERN else 2048


def _batch(tokens: float, length: int, count: int) -> int:
    """Sequences of a step: 4 million tokens up to a run of a trillion, then as its root; dealt out evenly."""
    wanted = _USUAL_BATCH * math.sqrt(max(tokens, 1e12) / 1e12) / length
    return count * round(wanted / count) if wanted >= count else 2 ** max(round(math.log2(max(wanted, 1))), 0)


def _peak(chip: Accelerator) -> float:
    return max(rate for name, rate in chip.peak.items() if str(name) in ("bf16", "fp16"))


def _fastest(chip: Accelerator) -> str:
    """The format of the highest rate that training has recipes for: 8-bit integers only where XLA quantises."""
    formats = ["bf16", "fp8", "fp4", *(["int8"] if chip.vendor == "Google" else [])]
    rates = {str(name): rate for name, rate in chip.peak.items() if str(name) in formats}
    return max(rates, key=lambda name: rates[name], default="")


def _sizes(run: RunInputs, entry: Transformer | None) -> tuple[float, float]:
    """All and active parameters: those of the catalogue's model, else of the row or the model's name."""
    if entry is not None:
        return entry.parameters, entry.active_parameters
    named, named_active = sizes(run.model)
    total = run.params_b * 1e9 if run.params_b is not None else named
    if total is None:
        raise UnreadableError("params_b: not stated, and the catalogue has no model of that name")
    return total, run.active_params_b * 1e9 if run.active_params_b is not None else named_active or total
