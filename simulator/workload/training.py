"""The ``jobs:`` section of a scenario: what is trained, on how much data, in which layout."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from simulator.errors import PlanError
from simulator.units import Seconds, Tokens, Unit, show
from simulator.workload.software import Software

__all__ = ["BatchSize", "LayoutRequest", "Recipe", "TrainingJob"]

_MOST_TOKENS = 1e18  # a million times what the largest runs of 2025 read; beyond it calendars and money lose meaning


def _batch(written: Any) -> float:
    """Global batch in tokens, or negative in sequences: the sequence length is not known here."""
    if isinstance(written, str) and re.search(r"sequences?\s*$", written):
        sequences = Unit("sequence", "batch size in tokens or sequences", "2048 sequences", zero=False).parse(written)
        if sequences < 1:
            raise ValueError(f"expected at least one sequence; got {written!r}")
        return -sequences
    return Unit("token", "batch size in tokens or sequences", "4 Mtoken", zero=False).parse(written)


BatchSize = Annotated[
    float,
    PlainValidator(_batch),
    PlainSerializer(lambda b: f"{b!r} token" if b > 0 else f"{-b!r} sequence"),
    WithJsonSchema({"type": "string", "examples": ["4 Mtoken", "2048 sequence"], "pattern": r"(token|sequence)s?\s*$"}),
]
_Degree = Annotated[int, Field(ge=1, le=10_000_000)]


class LayoutRequest(BaseModel):
    """A layout, or the parts of it that are fixed; what is left out is searched for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tensor: _Degree | None = Field(default=None, description="accelerators that share each matrix product")
    pipeline: _Degree | None = Field(default=None, description="stages the layers are cut into")
    interleave: _Degree | None = Field(default=None, description="model chunks per pipeline stage")
    data: _Degree | None = Field(default=None, description="replicas that see different sequences")
    context: _Degree | None = Field(default=None, description="accelerators that share each sequence")
    context_by: Literal["ring", "all-gather", "all-to-all"] | None = Field(
        default=None, description="how these get at each other's keys; default: the fastest"
    )
    expert: _Degree | None = Field(default=None, description="accelerators the experts are spread over")
    microbatch: _Degree | None = Field(default=None, description="sequences per microbatch")
    recompute: Literal["none", "selective", "full"] | None = Field(
        default=None, description="activations computed again in the backward pass instead of kept"
    )
    recompute_layers: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="layers of a stage recomputed in full beside that; default: as few as fit"
    )
    first_layers: _Degree | None = Field(
        default=None, description="layers on the first stage; default: dealt so that the slowest stage is quickest"
    )
    last_layers: _Degree | None = Field(
        default=None, description="layers on the last stage, which has the logits; default: dealt likewise"
    )
    zero: Annotated[int, Field(ge=0, le=3)] | None = Field(default=None, description="ZeRO stage; 3 is FSDP")
    sequence_parallel: bool | None = Field(
        default=None, description="spread what lies between matrix products over the tensor group"
    )
    schedule: Literal["1f1b", "zero-bubble", "dualpipe", "any"] | None = Field(
        default=None, description="order of a pipeline's passes; any: the fastest; default: 1f1b, interleaved or not"
    )
    shard: _Degree | None = Field(
        default=None, description="replicas that share what ZeRO spreads, copied by the others (HSDP); default: all"
    )


class TrainingJob(BaseModel):
    """One training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="what results call the job")
    model: str = Field(description="entry of the models shelf")
    tokens: Tokens = Field(description="tokens to train on")
    batch: BatchSize = Field(description="global batch, in tokens or sequences")
    sequence: int | None = Field(default=None, ge=1, le=100_000_000, description="tokens; default: the model's context")
    precision: Literal["bf16", "fp16", "fp8", "mxfp8", "nvfp4", "int8"] = Field(
        default="bf16",
        description="number format of the layers' matrix products; attention, routing and logits: 16 bit",
    )
    layout: Literal["fastest"] | LayoutRequest = Field(
        default="fastest", description="fastest that fits, or the degrees that are fixed"
    )
    accelerators: int | None = Field(default=None, ge=1, description="how many the job wants; default: all but spares")
    minimum: int | None = Field(default=None, ge=1, description="fewest it starts or goes on with")
    overlap: bool = Field(default=True, description="hide data-parallel traffic behind arithmetic where there is some")
    fused_attention: bool = Field(default=True, description="attention in one kernel that never stores the scores")
    cuda_graphs: bool = Field(
        default=False, description="replay recorded kernels, so that the host never holds them up"
    )
    dropout: bool = Field(default=False, description="dropout between blocks, as models before 2022 had")
    offload: Literal["none", "optimizer", "activations", "both"] = Field(
        default="none", description="what stays in the host's memory and crosses its link in every step"
    )
    gradients: Literal["fp32", "16 bit"] = Field(
        default="fp32", description="number format in which gradients are summed over microbatches and replicas"
    )
    sharding: Literal["layer", "tensor", "program"] = Field(
        default="layer",
        description="ZeRO-3 gathers a layer at once (FSDP), each tensor by itself (early DeepSpeed), or each when a "
        "compiled program needs it (XLA)",
    )
    software: str = Field(default="megatron", description="entry of the software shelf: how well a framework fuses")
    dispatch: Literal["each", "once", "device"] = Field(
        default="once",
        description="how tokens reach their experts: a copy for each of them, one for each domain (DeepEP), or that "
        "counted and sorted by the device alone inside a domain (HybridEP)",
    )
    imbalance: float = Field(
        default=1.0, ge=1, le=1e6, description="tokens of the busiest of the ranks that share the experts over the mean"
    )
    elastic: Seconds | None = Field(
        default=None,
        description="stall of all replicas when one fails and the others go on without it; default: all restart",
    )

    @field_validator("tokens")
    @classmethod
    def _readable(cls, tokens: float) -> float:
        if tokens > _MOST_TOKENS:
            raise ValueError(f"expected at most {_MOST_TOKENS:g} tokens; got {tokens:g}")
        return tokens

    @field_validator("batch")
    @classmethod
    def _at_least_one_step(cls, batch: float, info: ValidationInfo) -> float:
        tokens = info.data.get("tokens", _MOST_TOKENS)  # of sequences, each has a token at least
        if abs(batch) > tokens:
            got = show(batch, "token") if batch > 0 else f"{-batch:,.0f} sequences"
            raise ValueError(f"expected a batch of at most the job's {show(tokens, 'token')}; got {got}")
        return batch

    @model_validator(mode="after")
    def _ordered(self) -> TrainingJob:
        if self.accelerators and self.minimum and self.minimum > self.accelerators:
            raise ValueError(f"expected a minimum of at most {self.accelerators} accelerators; got {self.minimum}")
        return self

    def batch_sequences(self, sequence: int) -> int:
        """Sequences in one global batch.

        Raises
        ------
        PlanError
            The batch is smaller than one sequence, or larger than all that the job is to read.
        """
        if 0 < self.batch < sequence:
            raise PlanError(
                f"job {self.name}: expected a batch of at least one sequence of {sequence:,} tokens; "
                f"got {show(self.batch, 'token')}; a larger batch or a shorter sequence would do"
            )
        if -self.batch * sequence > self.tokens:
            raise PlanError(
                f"job {self.name}: expected a batch of at most the job's {show(self.tokens, 'token')}; got "
                f"{-self.batch:,.6g} sequences of {sequence:,} tokens, {show(-self.batch * sequence, 'token')} in all"
            )
        return round(-self.batch if self.batch < 0 else self.batch / sequence)

    def recipe(self, context: int) -> Recipe:
        """What the step model needs, with the model's ``context`` where the job names no sequence length.

        Raises
        ------
        PlanError
            As of :meth:`batch_sequences`.
        """
        sequence = self.sequence or context
        return Recipe(
            batch=self.batch_sequences(sequence),
            sequence=sequence,
            precision=self.precision,
            overlap=self.overlap,
            fused_attention=self.fused_attention,
            cuda_graphs=self.cuda_graphs,
            dropout=self.dropout,
            sharding=self.sharding,
            software=Software.load(self.software),
            offload=self.offload,
            dispatch=self.dispatch,
            imbalance=self.imbalance,
            gradient_bytes=4.0 if self.gradients == "fp32" else 2.0,
            stops=Software.load(self.software).stops,
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one step is computed, apart from model, machine and layout."""

    batch: int  # sequences in the global batch
    sequence: int  # tokens in one
    precision: str = "bf16"
    overlap: bool = True
    fused_attention: bool = True
    cuda_graphs: bool = False
    dropout: bool = False
    sharding: str = "layer"
    software: Software = field(default_factory=lambda: Software.load("megatron"), hash=False)
    offload: str = "none"
    gradient_bytes: float = 4.0  # of a gradient as it is summed over microbatches and replicas
    repeats: float = 0.0  # share of the products that selective recomputation repeats; Megatron's repeats none
    stops: bool = False  # recomputation of a block ends before the last product, whose result nothing reads
    split_experts: bool = False  # over the tensor ranks, like everything else, where their groups fit
    dropless: bool = True  # experts take all tokens that come, so the host waits for their number
    dispatch: str = "once"  # how tokens reach their experts, as the job's field says
    imbalance: float = 1.0  # tokens of the busiest expert rank over the mean

    @property
    def optimizer_outside(self) -> bool:
        """Whether the optimizer's state stays in the host's memory."""
        return self.offload in ("optimizer", "both")

    @property
    def activations_outside(self) -> bool:
        """Whether activations wait for the backward pass in the host's memory."""
        return self.offload in ("activations", "both")

    @property
    def tokens(self) -> int:
        """Tokens in one step."""
        return self.batch * self.sequence
