"""The ``queue:`` section of a scenario: many jobs that share what the training jobs leave, drawn or recorded."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulator.units import Fraction, Seconds, Unit

__all__ = ["MOST_ACCELERATORS", "ArrivalRequest", "Queue", "Runtime", "TraceColumns"]

MOST_ACCELERATORS = 100_000_000  # of one job; ten times any cluster that a scenario may have
_PRIORITIES = 1000
_Size = Annotated[int, Field(ge=1, le=MOST_ACCELERATORS)]
_Priority = Annotated[int, Field(ge=-_PRIORITIES, le=_PRIORITIES)]
_PositiveRate = Annotated[float, Unit("1/second", "rate", "40 /h", zero=False)]
_PositiveTime = Annotated[float, Unit("second", "time", "30 min", zero=False)]


def _checked(shares: dict[int, float], what: str) -> dict[int, float]:
    total = math.fsum(shares.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise ValueError(f"expected shares of the {what} that add up to 100 %; got {100 * total:.6g} %")
    return dict(sorted((value, share) for value, share in shares.items() if share > 0))


class Runtime(BaseModel):
    """Log-normal runtimes: the median, and how far they scatter about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: _PositiveTime = Field(description="half of the jobs run for less")
    sigma: float = Field(ge=0, le=5, description="standard deviation of the logarithm; 0: all alike, 2: a factor of 7")


class ArrivalRequest(BaseModel):
    """Jobs drawn at random: Poisson arrivals of independent users."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: _PositiveRate = Field(description="jobs submitted per time, on average")
    runtime: Runtime = Field(description="how long jobs run undisturbed")
    sizes: dict[_Size, Fraction] = Field(min_length=1, description="accelerators: share of the jobs")
    priorities: dict[_Priority, Fraction] = Field(
        default={0: 1.0}, min_length=1, description="priority: share of the jobs; higher is served first"
    )

    @field_validator("sizes", "priorities")
    @classmethod
    def _shares(cls, shares: dict[int, float]) -> dict[int, float]:
        return _checked(shares, "jobs")


class TraceColumns(BaseModel):
    """Which column of a CSV trace holds what, where its header does not use one of the names known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submit: str | None = Field(default=None, description="when the job was submitted; seconds, or date and time")
    start: str | None = Field(default=None, description="when it started; empty: it never did")
    end: str | None = Field(default=None, description="when it ended")
    runtime: str | None = Field(default=None, description="how long it ran in seconds, instead of start and end")
    accelerators: str | None = Field(default=None, description="how many it had")
    user: str | None = Field(default=None, description="whose it was; fairness is counted by user")
    priority: str | None = Field(default=None, description="whole number, higher is served first")


class Queue(BaseModel):
    """Jobs of many users on one cluster, and how they are served.  The training jobs come first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arrivals: ArrivalRequest | None = Field(default=None, description="draw the jobs")
    trace: str | None = Field(
        default=None, min_length=1, description="or take them from a file: Standard Workload Format (.swf) or CSV"
    )
    columns: TraceColumns = Field(default=TraceColumns(), description="columns of a CSV trace, where they go by others")
    skip: Seconds = Field(
        default=0.0, description="of a trace: what was submitted in so much time at its start is left out"
    )
    backfill: Literal["easy", "none"] = Field(
        default="easy", description="easy: a job may pass the first one if that is not delayed; none: strictly in order"
    )
    preemption: bool = Field(default=True, description="a job may take accelerators from jobs of lower priority")
    checkpoint: _PositiveTime | None = Field(
        default=None, description="useful time between a job's saves; default: it saves nothing and starts anew"
    )
    restart: Seconds = Field(default=0.0, description="from getting accelerators again to going on with the work")

    @model_validator(mode="after")
    def _one_source(self) -> Queue:
        if (self.arrivals is None) == (self.trace is None):
            raise ValueError(f"expected either arrivals or trace; got {'both' if self.trace else 'neither'}")
        return self
