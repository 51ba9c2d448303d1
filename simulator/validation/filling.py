"""What a row leaves open: one rule for all rows.

What the framework of that year does by default, else the fastest setting that fits into memory: by our count within
5 % of what is usable, or, where none does, within 5 % of the leanest, for the row did run.  Every blank that is filled
is named in the row's ``inferred``.

====================== =================================================================================================
blank                  filled with
====================== =================================================================================================
attention              unfused before 2023, under Megatron-DeepSpeed, on Trainium before 2024 (optimum-neuron 0.0.14 of
                       late 2023 makes it of two products and a softmax, later ones call a fused kernel) and where
                       the framework says so; else fused
overlap, dropout       no overlap and dropout before 2023 and under Megatron-DeepSpeed; else overlap and none
sharding               ZeRO-3 gathers each tensor by itself under DeepSpeed, each as a compiled program needs it under
                       JAX and on TPUs, else a layer at once (FSDP)
gradients              in 16 bit with fp16, where XLA compiles (JAX, MaxText, Pax, TPUs) and in NeMo and
                       Megatron-Bridge, most of whose recipes set grad_reduce_in_fp32 to false (71 of 119 in 0.3.1),
                       else in fp32
zero_stage_or_fsdp     3 on TPUs and under FSDP frameworks; on others 1 since 2023, else 0 (Megatron-DeepSpeed: 0)
sharding group         what the text names (``FSDP over 64 chips``), a node under HSDP, a slice or pod of TPUs; else all
recomputing            XLA leaves out the last product of a block, which nothing reads, and so does PyTorch since 2024
                       (its checkpoints stop early from release 2.1 on; recalled); others repeat all of it
sequence_parallel      on since 2023, off before and under Megatron-DeepSpeed
tp, pp                 1 where weights are sharded over the replicas (stage 3), or the tp that leaves no replica without
                       a sequence; else the fastest that fits, pp a divisor of the layers or a power of two
cp                     1
dp                     what tp, pp and cp leave of the accelerators; also where the stated dp contradicts them
ep                     1 on TPUs where weights are sharded over the replicas (stage 3); else the fastest divisor of the
                       experts
experts                split over the tensor ranks under Megatron and NeMo where an expert is wider than the model,
                       as is their default; finer ones are set to be whole, as they are everywhere else
routing                dropless and balanced, unless the model is marked "tokendrop"; a token crosses the fabric once a
                       node under Megatron-Bridge, NeMo AutoModel, HAI-LLM and since 2025 Megatron-LM if dropless, else
                       once for each of its experts; from NeMo 26.06 on Blackwells of one domain route without the host
                       (inferred from three rows each of two models)
further tokens         predicted, where the catalogue's model does, under Megatron, NeMo and HAI-LLM, but not AutoModel
                       or "w/o MTP" (the FLOPs they print count them); not in a model cut short
schedule               the one the framework names (DualPipe, zero bubble) where its stages allow, the fastest of all
                       where these are open; else 1F1B
layers of a stage      as many on each where they divide; else dealt out so that the slowest stage is quickest
vpp                    the fastest divisor of a stage's layers; none before 2023, under DeepSpeed or Neuron, and under
                       Megatron-Bridge, whose tables print it where it is set
micro_batch            a replica's whole share under JAX, MaxText and Pax, which do not accumulate unless told to; else
                       the fastest that fits of the powers of two and that share, up to 32
recompute              full before 2023 and under Pax (recalled: its default saves nothing); else the fastest of none,
                       selective and of full for as many layers as it takes to fit; "selective" outside Megatron and
                       NeMo is a policy of the user's: the same of selective and full; torchtitan's repeats every other
                       product (recalled)
precision              bf16, or fp16 where there is none; a format the accelerator lacks: fp8 where there is one, else
                       bf16
seq_len                the context of the catalogue's model of that name, else 2048 before 2023 and 4096 since
global_batch_seqs      4 million tokens, rounded up to whole microbatches of all replicas
accelerators_per_node  the catalogue's node of that accelerator, else of its family
interconnect_intra     the accelerator's scale-up links
interconnect_inter     that node's network interfaces
layers, hidden         the catalogue's model of that name; else of the usual aspect ratio, hidden about 128 layers, in
                       multiples of eight layers, and of params_b parameters
heads                  the catalogue's; else hidden / 128; where hidden was filled too, in a number that tensors divide
experts of a size      the catalogue's; else 8 of E a token, each a third as wide as a usual model of the active weights
params_b               of rows without a shape: the size in the model's name, 80 and 3 billion of "80B-A3B"
a Mamba hybrid         a transformer of its parameters, where the catalogue has no model of that name
ffn_hidden, gated_mlp  the catalogue's; else gated 8/3 hidden since 2023, plain 4 hidden before
kv_heads               the catalogue's; else as many as heads
vocab                  the catalogue's; else 50304 before 2023 and 128256 since
====================== =================================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from simulator.validation.rows import Inputs, UnreadableError

__all__ = ["DECIDING", "MODERN", "Habits", "habits", "precision", "recompute", "sharded", "zero"]

MODERN = 2023  # from this year on frameworks had fused attention, overlap and no dropout
_NOW = 2024  # for a row without a year
_EARLY = 2024  # first full year of PyTorch 2.1
_NEURON = 2024  # first year that Trainium's software had a fused attention (its kernel language, recalled)
_ONCE = 2025  # from this year on Megatron-Core can send a token once for each domain (recalled)
_DEVICE = (26, 6)  # from this release of NeMo on the device routes tokens alone inside a domain of Blackwells
_ALONE = re.compile(r"automodel|(?:w/o|without|no) mtp")

DECIDING = frozenset({
    "layers", "hidden", "heads", "seq_len", "global_batch_seqs", "tp", "pp", "ep", "vpp", "micro_batch", "recompute",
    "precision",
})  # fmt: skip
"""A row counts as *inferred* when one of these was filled; the rest follows from framework, model or node by name."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a framework of a year does unless told otherwise."""

    fused_attention: bool
    overlap: bool
    dropout: bool
    interleaves: bool
    sequence_parallel: bool
    zero: int
    sharding: Literal["layer", "tensor", "program"]
    software: str  # entry of the software shelf
    splits_experts: bool  # wide ones, over the tensor ranks
    dropless: bool  # experts take every token
    dispatch: Literal["each", "once", "device"]  # how tokens reach their experts
    next_tokens: bool  # trains the layers that predict further tokens, where the model has them
    schedule: Literal["1f1b", "zero-bubble", "dualpipe"]
    selects_attention: bool  # what it calls selective recomputation is Megatron's, not any policy in between
    recomputes: bool  # everything
    repeats: float  # share of the products that selective recomputation repeats
    stops: bool  # recomputing a block before its last product
    narrow_gradients: bool  # summed in 16 bit


def habits(inputs: Inputs, family: str) -> Habits:
    """The first rows of the table above."""
    said = inputs.framework.casefold()
    year = inputs.year or _NOW
    old = year < MODERN or "megatron-deepspeed" in said
    single = old or "no flash" in said or (family == "trainium" and year < _NEURON)  # operators instead of one kernel
    model = inputs.model.casefold()
    dropped = bool(re.search(r"token-?\s?drop|capacity", model))
    compiles = bool(re.search(r"maxtext|axlearn|jax|pax", said)) or family.startswith("tpu")
    shards = compiles or bool(re.search(r"fsdp|torchtitan", said))
    software = _software(said, year, family)
    return Habits(
        fused_attention=bool(re.search(r"(?<!no )flash", said)) or not single,
        overlap=not old,
        dropout=old,
        interleaves=not (old or re.search(r"deepspeed|neuron|bridge", said)),
        sequence_parallel=not old,
        zero=3 if shards else 1 if not old else 0,
        sharding="tensor" if "deepspeed" in said else "program" if compiles else "layer",
        software=software,
        splits_experts=bool(re.search(r"megatron|nemo", said)),
        dropless=not dropped,
        dispatch=_dispatch(said, year, dropped, family),
        next_tokens=bool(re.search(r"nemo|bridge|megatron|hai-llm", said)) and not _ALONE.search(f"{said} {model}"),
        schedule=_schedule(said),
        selects_attention=bool(re.search(r"megatron|nemo", said)),
        recomputes=year < MODERN or "pax" in said,
        repeats=0.5 if "torchtitan" in said else 0.0,
        stops=compiles or (year >= _EARLY and software in ("pytorch", "compiled")),
        narrow_gradients=compiles or bool(re.search(r"nemo|bridge", said)),
    )


def _dispatch(said: str, year: int, dropped: bool, family: str) -> Literal["each", "once", "device"]:
    recent = year >= _ONCE and "megatron" in said
    if dropped or not (recent or re.search(r"bridge|automodel|hai-llm|deepep", said)):
        return "each"
    return "device" if _release(said) >= _DEVICE and family.startswith("blackwell") else "once"


def _schedule(said: str) -> Literal["1f1b", "zero-bubble", "dualpipe"]:
    if "dualpipe" in said:
        return "dualpipe"
    return "zero-bubble" if re.search(r"zero-?\s?bubble|\bzb", said) else "1f1b"


def _release(said: str) -> tuple[int, int]:
    """Year and month of a NeMo release as in ``Megatron-Bridge / NeMo 26.02.01``; (0, 0) where none is named."""
    found = re.search(r"nemo v?(\d{2})\.(\d{2})\b", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _software(said: str, year: int, family: str) -> str:
    """Entry of the software shelf for a framework."""
    compiled_ahead = family.startswith("tpu") or family in ("trainium", "gaudi")
    if compiled_ahead or re.search(r"maxtext|axlearn|jax|pax|t5x|pathways", said):
        return "neuron" if family == "trainium" else "xla"
    if year < MODERN:
        return "megatron-2021"
    if "megatron-deepspeed" in said:
        return "megatron-deepspeed"
    if re.search(r"nemo|bridge|nvidia|megascale|hai-llm", said):
        return "nemo"
    if not said or re.search(r"megatron|primus|internal", said):
        return "megatron"
    return "compiled" if re.search(r"torchtitan|fms|compile|flashattention", said) else "pytorch"


def zero(text: str) -> int | None:
    """Stage from words such as ``FSDP FULL_SHARD (ZeRO-3)``, ``zero1(dp2)+tp2``, ``DP``; ``None`` when they name none.

    FSDP that keeps the weights after forward is stage 2; ``ZeRO 1.5`` shards as 1 does, ``ZeRO++`` as 3.
    """
    said = text.casefold().replace("_", " ")
    if re.search(r"shard grad|not resharded|reshard after forward\s*=\s*(?:false|0)", said):
        return 2
    named = re.search(r"(?:zero|stage)(?:[\s-]*(?:optimizer|stage|level))?[\s:=-]*([0-3])(?!\d)", said)
    if named:
        return int(named[1])
    if re.search(r"[fh]sdp|full(?:y)?[\s-]*shard|hybrid shard|zero\+\+|zero-?infinity|gemini|weight parallel", said):
        return 3
    if re.search(r"distributed optimi[sz]er|dist.?opt|sharded optimi[sz]er", said):
        return 1
    return 0 if re.fullmatch(r"dp|ddp|none|no|false|off", said.strip()) else None


def sharded(text: str) -> int | None:
    """Replicas one sharded copy is spread over: ``FSDP over 64 chips in slice, DP over 2 slices``, ``FSDP 64``."""
    found = re.search(r"\bfsdp\s+(?:over\s+)?(\d{1,6})\b", text.casefold())
    return int(found[1]) if found and int(found[1]) else None


def recompute(text: str) -> str | None:
    """``none``, ``selective`` or ``full`` from free text; ``None`` when it says none of them."""
    said = text.casefold().replace("_", " ")
    for pattern, kind in (
        (r"select|every other|partial", "selective"),
        (r"\bno\b|none|\boff\b|false|disabled|without|^0(?:\.0)?$", "none"),
        (r"full|uniform|block|all layers|everything|yes|true|enabled|\bon\b|^1(?:\.0)?$", "full"),
        (r"core|minimal|\bsave|attn|attention|dots|mlp|norm|remat policy|custom|proj|offload|moe act", "selective"),
        (r"checkpoint|ckpt|recomput|remat", "full"),
    ):
        if re.search(pattern, said):
            return kind
    return None


def precision(text: str, peaks: frozenset[str]) -> tuple[str, bool]:
    """Number format of the matrix products, and whether it was filled or is only the nearest that is modelled.

    Raises
    ------
    UnreadableError
        A format whose rate no modelled one comes near.
    """
    said = text.casefold()
    wide = "bf16" if "bf16" in peaks else "fp16"
    eight = "fp8" if "fp8" in peaks else wide
    if not said:
        return wide, "fp8" in peaks
    for pattern, peak, recipe, nearest in (
        (r"fp4", "fp4", "nvfp4", eight),
        (r"int8", "int8", "int8", eight),
        (r"mx[ _-]?fp8|fp8[ _-]?mx", "fp8", "mxfp8", wide),
        (r"fp8|float8|e4m3|e5m2", "fp8", "fp8", wide),
        (r"int4", "", "", eight),
    ):
        if re.search(pattern, said):
            return (recipe, False) if peak in peaks else (nearest, True)
    if re.search(r"(?<!c)bf(?:loat)?16", said):
        return "bf16", False
    if re.search(r"fp16|float16|bfloat16|half|mixed", said):
        return "fp16", False
    raise UnreadableError(f"precision: expected bf16, fp16, fp8, nvfp4, int8 or a variant of them; got {text[:40]!r}")
