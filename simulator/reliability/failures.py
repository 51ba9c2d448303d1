"""The ``failures:`` section: a fleet's causes of interruption, with rates, detection, restart and repair."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator import catalogue
from simulator.catalogue import CatalogueEntry
from simulator.units import Fraction, Rate, Ratio, Seconds

__all__ = ["FailureClass", "Failures", "Fleet", "RepairBand"]


class RepairBand(BaseModel):
    """One way a broken node comes back: the share of nodes that take it and its mean time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    share: Fraction
    mean: Seconds


class FailureClass(BaseModel):
    """One cause of interruption."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Rate = Field(description="per node of the fleet and time")
    node_lost: Fraction = Field(description="chance that the node has to leave for repair")
    detection: Seconds = Field(description="from the fault to the job's stop")


class Fleet(CatalogueEntry):
    """What a fleet was seen to suffer, per node of ``accelerators`` accelerators."""

    accelerators: int = Field(ge=1, description="accelerators per node in the fleet the rates come from")
    classes: dict[str, FailureClass] = Field(min_length=1)
    repair: tuple[RepairBand, ...] = Field(min_length=1)
    restart: Seconds = Field(description="stop to first step of a whole job of restart_accelerators")
    restart_per_doubling: Seconds = Field(description="added for each doubling of the job")
    restart_accelerators: int = Field(ge=1)

    @model_validator(mode="after")
    def _shares(self) -> Fleet:
        total = sum(band.share for band in self.repair)
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"expected repair shares that add up to 1; got {total:g}")
        return self

    @classmethod
    def load(cls, name: str) -> Fleet:
        """The catalogue's entry of this name or alias."""
        return cls.model_validate(catalogue.entry("failures", name))

    def restart_time(self, accelerators: float) -> float:
        """Stop to first step: schedule, load, communicators, warm-up. [s]

            R(N) = R₀ + R₂ log₂(N / N₀), never below a quarter of R₀

        Source
        ------
        ByteRobust (arXiv:2509.16293) table 7: requeue times grow by a constant per doubling from 2,048 to 16,384.
        """
        grown = self.restart + self.restart_per_doubling * math.log2(max(accelerators, 1) / self.restart_accelerators)
        return max(grown, self.restart / 4)


class Failures(BaseModel):
    """Which fleet the cluster behaves like, and what differs from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fleet: str = Field(description="entry of the failures shelf")
    trace: str | None = Field(
        default=None, min_length=1, description="file of recorded faults to live through instead of drawn ones"
    )
    servers: int | None = Field(
        default=None, ge=1, le=10_000_000, description="servers the trace watched; default: those that fail in it"
    )
    scale: Ratio = Field(default=1.0, description="factor on all rates")
    restart: Seconds | None = Field(default=None, description="fixed restart time instead of the fleet's")
    standby: Seconds = Field(default=60.0, description="time for a spare to take a lost node's place")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"fleet": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _as_recorded(self) -> Failures:
        if self.trace is not None and self.scale != 1:
            raise ValueError(f"expected no scale beside a trace, which has the faults it has; got {self.scale:g}")
        if self.trace is None and self.servers is not None:
            raise ValueError(f"expected servers beside a trace only; got {self.servers:,} without one")
        return self
