"""The ``cluster:`` section of a scenario: pools of nodes that arrive on dates, one fabric, one store."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field, field_validator

from simulator.units import Fraction, Seconds

__all__ = ["Cluster", "Pool"]


class Acceptance(BaseModel):
    """What delivered nodes go through before they serve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    burn_in: Seconds = Field(description="tests of every node before it is put into service")
    rejects: Fraction = Field(default=0.0, lt=1, description="share of the nodes that fail them and go back")
    rework: Seconds = Field(default=0.0, description="time until a rejected node, or its replacement, has passed")


class Pool(BaseModel):
    """One kind of node, delivered in batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="what results call the pool")
    node: str = Field(description="entry of the nodes shelf")
    arrivals: dict[dt.date, int] = Field(min_length=1, description="date: nodes installed by then, cumulative")
    acceptance: Acceptance | None = Field(
        default=None, description="tests on arrival; default: none, or before the date"
    )

    @field_validator("arrivals")
    @classmethod
    def _cumulative(cls, arrivals: dict[dt.date, int]) -> dict[dt.date, int]:
        ordered = dict(sorted(arrivals.items()))
        counts = list(ordered.values())
        if counts[0] < 1:
            raise ValueError(f"expected at least one node in the first batch; got {counts[0]}")
        for (date, count), before in zip(list(ordered.items())[1:], counts, strict=False):
            if count < before:
                raise ValueError(f"expected cumulative nodes that never fall; got {count} on {date} after {before}")
        if counts[-1] > 10_000_000:
            raise ValueError(f"expected at most 10 million nodes; got {counts[-1]}")
        return ordered


class Cluster(BaseModel):
    """Machines and the network between them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pools: tuple[Pool, ...] = Field(min_length=1, description="kinds of node, each with the dates it arrives on")
    fabric: str = Field(description="entry of the fabrics shelf")
    storage: str = Field(default="parallel-filesystem", description="entry of the storage shelf; takes the checkpoints")
    spares: Fraction = Field(default=0.02, lt=1, description="share of the nodes of each pool that waits for failures")

    @field_validator("pools")
    @classmethod
    def _distinct(cls, pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
        seen = [pool.name for pool in pools]
        twice = sorted({name for name in seen if seen.count(name) > 1})
        if twice:
            raise ValueError(f"expected a different name for each pool; got {', '.join(twice)} more than once")
        return pools
