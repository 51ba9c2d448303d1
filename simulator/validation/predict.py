"""One row predicted: from inputs to step time, rate and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from simulator.step import Layouts, evaluate
from simulator.step.candidates import candidates
from simulator.step.layout import RECOMPUTE, SCHEDULES
from simulator.step.memory import Footprint, footprint
from simulator.step.recomputation import eased
from simulator.step.timing import Evaluation
from simulator.validation.filling import DECIDING, MODERN, Habits, habits, recompute, sharded, zero
from simulator.validation.machines import Found, found
from simulator.validation.names import hybrid, known
from simulator.validation.rows import UNSAID, Inputs, UnreadableError
from simulator.validation.shapes import shape
from simulator.workload import LayoutRequest, Recipe, Software, Transformer

__all__ = ["Prediction", "predict"]

_USUAL_BATCH = 4e6  # tokens
_LARGEST_MICROBATCH = 32
_LARGEST_CHUNKS = 32
_MISCOUNT = 1.05
"""Memory by our count over what is usable, up to which a setting may have run.

What is usable leaves 6 % to fragmentation.  Of the 516 published rows that state every setting, and ran, seven need
more by our count, all of batches that MosaicML sized by hand to the last sequence, and none of them 5 % more.
"""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one row is predicted to do, and what had to be filled for it."""

    step_time_s: float
    tokens_per_s: float  # of one accelerator
    mfu: float
    memory: float  # [B]
    flops_per_token: float  # attention in full
    causal_flops_per_token: float
    peak: float  # of one accelerator in the number format used [FLOP/s]
    accelerators: int
    accelerator: str
    family: str
    precision: str
    experts: bool
    hybrid: bool  # a transformer stands for a model that is none
    inferred: tuple[str, ...]
    layout: str
    remarks: tuple[str, ...]

    @property
    def stated(self) -> bool:
        """Whether no setting that decides the step time was filled."""
        return not DECIDING.intersection(self.inferred)


def predict(inputs: Inputs) -> Prediction:
    """Predict a row from its inputs.

    Raises
    ------
    SimulatorError
        The row cannot be understood or contradicts itself; the message is the reason.
    """
    count = inputs.n_accelerators
    if count is None:
        raise UnreadableError("n_accelerators: not stated")
    on = found(inputs)
    model, filled = shape(inputs)
    filled += on.filled
    usual = habits(inputs, on.accelerator.family)
    if not usual.next_tokens:
        model = model.model_copy(update={"next_tokens": 0})
    recipe = _recipe(inputs, on, model, usual, count, filled)
    layouts = _staged(_layouts(inputs, on, model, recipe, usual, count, filled), model.layers)
    stands_in = hybrid(inputs.model) and not model.scan_layers
    remarks = ["a Mamba hybrid taken as a transformer of its size"] if stands_in else []
    remarks += _not_understood(inputs)
    if inputs.dp is not None and "dp" in filled:
        remarks.append(f"dp {inputs.dp} contradicts {count} accelerators and was computed anew")
    with np.errstate(all="ignore"):  # what overflows is refused below
        if on.machine.execution == "gpu" and len(set(layouts.recompute)) > 1:  # left open
            room = _room(footprint(on.machine, model, recipe, layouts))
            layouts, _ = eased(on.machine, model, recipe, layouts, room)
        evaluation = evaluate(on.machine, model, recipe, layouts)
        best, fits = _best(evaluation)
        step, memory = evaluation.at(best), evaluation.memory.at(best)
    if not (math.isfinite(step.total) and step.total > 0 and math.isfinite(memory.total)):
        raise UnreadableError("no finite step time follows from these numbers")
    if not fits:
        remarks.append(f"needs {memory.total / 1e9:.0f} GB by our count, has {memory.capacity / 1e9:.0f}")
    return Prediction(
        step_time_s=step.total,
        tokens_per_s=recipe.tokens / step.total / count,
        mfu=step.model_flops / (step.total * count * on.machine.peak),
        memory=memory.total,
        flops_per_token=model.flops_per_token(recipe.sequence),
        causal_flops_per_token=model.flops_per_token(recipe.sequence, causal=True),
        peak=on.machine.peak,
        accelerators=count,
        accelerator=on.accelerator.name,
        family=on.kin,
        precision=on.precision,
        experts=bool(model.experts),
        hybrid=hybrid(inputs.model),
        inferred=tuple(dict.fromkeys(filled)),
        layout=str(layouts[best]),
        remarks=tuple(remarks),
    )


def _not_understood(inputs: Inputs) -> list[str]:
    """Free text that names no setting known, so that the setting was filled as if there were none."""
    said = (("zero_stage_or_fsdp", inputs.zero_stage_or_fsdp, zero), ("recompute", inputs.recompute, recompute))
    return [f"{column}: {text[:40]!r} is not understood"
            for column, text, setting in said if text.casefold() not in UNSAID and setting(text) is None]  # fmt: skip


def _best(evaluation: Evaluation) -> tuple[int, bool]:
    """The fastest that fits, or nearly so; where none does, the fastest of the lean ones, for the row did run."""
    needed = evaluation.memory.total.max(axis=0)
    best = int(np.argmin(np.where(needed <= _room(evaluation.memory) * (1 + 1e-9), evaluation.total, np.inf)))
    return best, bool(needed[best] <= evaluation.memory.capacity)


def _room(memory: Footprint) -> float:
    """Memory by our count within which a setting may have run."""
    return max(memory.capacity, float(memory.total.max(axis=0).min())) * _MISCOUNT


def _recipe(inputs: Inputs, on: Found, model: Transformer, usual: Habits, count: int, filled: list[str]) -> Recipe:
    sequence = inputs.seq_len
    if sequence is None:
        filled.append("seq_len")
        entry = known(inputs.model)
        sequence = entry.context if entry else 2048 if (inputs.year or MODERN) < MODERN else 4096
    batch = inputs.global_batch_seqs
    if batch is None:
        filled.append("global_batch_seqs")
        together = (inputs.dp or max(count // _held(inputs), 1)) * (inputs.micro_batch or 1)
        batch = math.ceil(max(_USUAL_BATCH / sequence, 1) / together) * together
    return Recipe(
        batch=batch,
        sequence=sequence,
        precision=on.precision,
        overlap=usual.overlap,
        fused_attention=usual.fused_attention,
        dropout=usual.dropout,
        sharding=usual.sharding,
        software=Software.load(usual.software),
        gradient_bytes=2.0 if on.precision == "fp16" or usual.narrow_gradients else 4.0,
        repeats=usual.repeats,
        stops=usual.stops,
        split_experts=usual.splits_experts and model.experts > 0 and model.expert_width > model.hidden,
        dropless=usual.dropless,
        dispatch=usual.dispatch,
    )


def _shard(inputs: Inputs, on: Found, held: int) -> int:
    """Replicas that share one copy: as the row says, or what the other degrees leave of a node (HSDP) or a slice.

    0: all of them.
    """
    named = sharded(inputs.zero_stage_or_fsdp)
    if named is not None:
        return named
    together = on.box if re.search(r"hsdp|hybrid.?shard", inputs.zero_stage_or_fsdp.casefold()) else on.slice
    return max(together // held, 1) if together else 0


def _held(inputs: Inputs) -> int:
    """Accelerators that hold one replica, as far as stated."""
    return (inputs.tp or 1) * (inputs.pp or 1) * (inputs.cp or 1)


def _powers(limit: int) -> list[int]:
    return [2**i for i in range(limit.bit_length()) if 2**i <= limit]


def _enough(number: float) -> int:
    """The smallest power of two that is not less, at least 1."""
    return 1 << max(math.ceil(math.log2(number)), 0)


def _microbatches(share: int, usual: Habits) -> list[int]:
    """Powers of two up to a replica's share, and all of it at once; only that where gradients are not accumulated."""
    most = min(share, _LARGEST_MICROBATCH)
    return [most] if usual.sharding == "program" else sorted({*_powers(most), most})


def _divisors(number: int, limit: int) -> list[int]:
    return [d for d in range(1, min(number, limit) + 1) if number % d == 0]


def _layouts(
    inputs: Inputs, on: Found, model: Transformer, recipe: Recipe, usual: Habits, count: int, filled: list[str]
) -> Layouts:
    """Every layout the row leaves open."""
    stage = zero(inputs.zero_stage_or_fsdp)
    if stage is None:
        stage = usual.zero
        filled.append("zero_stage_or_fsdp")
    kind = recompute(inputs.recompute)
    if kind is None:
        filled.append("recompute")
        kind = "full" if usual.recomputes else None
    kinds: Iterable[str] = [kind] if kind else RECOMPUTE
    if kind == "selective" and not usual.selects_attention:
        filled.append("recompute")
        kind, kinds = None, ("selective", "full")
    if inputs.micro_batch is None:
        filled.append("micro_batch")
    if on.machine.execution != "gpu":
        asked = LayoutRequest(data=count, tensor=1, microbatch=inputs.micro_batch, recompute=kind)
        return _searched(candidates(on.machine, model, recipe, count, asked), "microbatch")
    tensor, pipeline = inputs.tp, inputs.pp
    if stage == 3:  # the weights are sharded over the replicas instead
        filled += [name for name, degree in (("tp", tensor), ("pp", pipeline)) if degree is None and count > 1]
        pipeline = pipeline or 1
        tensor = tensor or _enough(count / (pipeline * (inputs.cp or 1) * recipe.batch))
    together = usual.sequence_parallel if inputs.sequence_parallel is None else inputs.sequence_parallel
    if tensor is None or pipeline is None:
        filled += [name for name, degree in (("tp", tensor), ("pp", pipeline)) if degree is None]
        asked = LayoutRequest(
            tensor=tensor, pipeline=pipeline, context=inputs.cp or 1, context_by="ring",
            microbatch=inputs.micro_batch, zero=stage,
            interleave=inputs.vpp or (None if usual.interleaves else 1), expert=inputs.ep, recompute=kind,
            sequence_parallel=together, shard=_shard(inputs, on, _held(inputs)) or None,
            schedule=None if usual.schedule == "1f1b" else "any",
        )  # fmt: skip
        found = candidates(on.machine, model, recipe, count, asked)
        usual_stages = (model.layers % found.pipeline == 0) | (np.mod(np.log2(found.pipeline), 1) == 0)
        return _searched(found.where(usual_stages | (pipeline is not None)), "tp, pp")
    context = inputs.cp or 1
    data = _replicas(inputs, count, tensor * pipeline * context, filled)
    if pipeline > model.layers:
        raise UnreadableError(f"pp {pipeline} is more than the {model.layers} layers")
    if tensor > 1 and inputs.sequence_parallel is None:
        filled.append("sequence_parallel")
    share = -(-recipe.batch // data)
    microbatches = [min(inputs.micro_batch, share)] if inputs.micro_batch else _microbatches(share, usual)
    chunks = _chunks(inputs, model, usual, pipeline, filled)
    rows = product(chunks, microbatches, kinds,
                   _experts(inputs, model, stage, on.accelerator.family, tensor * context * data, filled))  # fmt: skip
    v, b, k, e = np.array([(v, b, RECOMPUTE.index(k), e) for v, b, k, e in rows], dtype=float).T
    same = np.ones_like(v)
    schedule = _schedule(usual, pipeline, share // (inputs.micro_batch or 1))
    return Layouts(
        same * tensor, same * pipeline, v, same * context, same * data, e, b, k, same * stage, same * float(together),
        same * schedule, same * _shard(inputs, on, tensor * pipeline * context), 0 * same, 0 * same, 0 * same, 0 * same,
    )  # fmt: skip


def _staged(layouts: Layouts, layers: int) -> Layouts:
    """The layouts with stages as frameworks fill them unless told otherwise: evenly where the layers divide."""
    p = layouts.pipeline
    even = np.where((p > 1) & (layers % p == 0), layers // p, 0)
    return replace(layouts, first_layers=even, last_layers=even)


def _searched(layouts: Layouts, blank: str) -> Layouts:
    if not len(layouts):
        raise UnreadableError(f"{blank}: not stated, and no layout is possible with the rest")
    return layouts


def _replicas(inputs: Inputs, count: int, held: int, filled: list[str]) -> int:
    """dp; refused when the other degrees do not divide the accelerators."""
    arithmetic = f"tp × pp × cp = {inputs.tp or 1} × {inputs.pp or 1} × {inputs.cp or 1} = {held}"
    if count % held:
        raise UnreadableError(f"{arithmetic} does not divide {count} accelerators")
    if inputs.dp is not None and inputs.dp * held != count:
        if inputs.global_batch_seqs is not None and count // held > inputs.global_batch_seqs:
            raise UnreadableError(
                f"{arithmetic} times dp {inputs.dp} is {held * inputs.dp}, not {count} accelerators, and "
                f"{count // held} replicas would be more than the {inputs.global_batch_seqs} sequences of a batch"
            )
        filled.append("dp")
    return count // held


def _chunks(inputs: Inputs, model: Transformer, usual: Habits, pipeline: int, filled: list[str]) -> list[int]:
    if pipeline == 1:
        return [1]
    if inputs.vpp is not None:
        return [inputs.vpp]
    if not usual.interleaves or usual.schedule != "1f1b":
        return [1]
    filled.append("vpp")
    return _divisors(-(-model.layers // pipeline), _LARGEST_CHUNKS)


def _schedule(usual: Habits, pipeline: int, count: int) -> int:
    """The framework's own schedule where so many stages and microbatches allow it; index into ``SCHEDULES``."""
    paired = pipeline % 2 == 0 and count >= 2 * pipeline
    return SCHEDULES.index("1f1b" if usual.schedule == "dualpipe" and not paired else usual.schedule)


def _experts(inputs: Inputs, model: Transformer, stage: int, family: str, room: int, filled: list[str]) -> list[int]:
    """Degrees of expert parallelism: what is stated, or every divisor that has room."""
    if not model.experts:
        return [1]
    if inputs.ep is not None:
        if inputs.ep > room or inputs.ep > model.experts:
            raise UnreadableError(f"ep {inputs.ep}: expected at most {model.experts} experts and tp × cp × dp = {room}")
        return [inputs.ep]
    filled.append("ep")
    return [1] if stage == 3 and family.startswith("tpu") else _divisors(model.experts, min(room, 256))
