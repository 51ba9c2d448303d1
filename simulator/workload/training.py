"""The ``jobs:`` section of a scenario: what is trained, on how much data, in which layout."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from simulator.units import Fraction, Tokens, Unit

__all__ = ["BatchSize", "LayoutRequest", "TrainingJob"]


def _batch(written: Any) -> float:
    """Global batch in tokens as a positive, in sequences as a negative number: the sequence length is not known here."""
    if isinstance(written, str) and re.search(r"sequences?\s*$", written):
        return -Unit("sequence", "batch size", "4 Mtoken or 2048 sequences", zero=False).parse(written)
    return Unit("token", "batch size", "4 Mtoken' or '2048 sequence", zero=False).parse(written)


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

    tensor: _Degree | None = None
    pipeline: _Degree | None = None
    interleave: _Degree | None = Field(default=None, description="model chunks per pipeline stage")
    data: _Degree | None = None
    context: _Degree | None = None
    expert: _Degree | None = None
    microbatch: _Degree | None = Field(default=None, description="sequences per microbatch")
    recompute: Literal["none", "selective", "full"] | None = None
    zero: Annotated[int, Field(ge=0, le=3)] | None = Field(default=None, description="ZeRO stage; 3 is FSDP")
    sequence_parallel: bool | None = None


class TrainingJob(BaseModel):
    """One training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    model: str = Field(description="entry of the models shelf")
    tokens: Tokens = Field(description="tokens to train on")
    batch: BatchSize = Field(description="global batch, in tokens or sequences")
    sequence: int | None = Field(default=None, ge=1, le=100_000_000, description="tokens; default: the model's context")
    precision: Literal["bf16", "fp16", "fp8"] = "bf16"
    layout: Literal["fastest"] | LayoutRequest = "fastest"
    accelerators: int | None = Field(default=None, ge=1, description="how many the job wants; default: all but spares")
    minimum: int | None = Field(default=None, ge=1, description="fewest it starts or goes on with")
    overlap: Fraction = Field(default=0.9, le=1, description="share of data-parallel traffic hidden where it can be")

    @model_validator(mode="after")
    def _ordered(self) -> TrainingJob:
        if self.accelerators and self.minimum and self.minimum > self.accelerators:
            raise ValueError(f"expected a minimum of at most {self.accelerators} accelerators; got {self.minimum}")
        return self

    def batch_sequences(self, sequence: int) -> int:
        """Sequences in one global batch, at least one."""
        return max(1, round(-self.batch if self.batch < 0 else self.batch / sequence))
