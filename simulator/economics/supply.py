"""Where a site's power comes from: the grid, generators, and batteries that bridge their failures."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulator.units import CarbonIntensity, Energy, EnergyPrice, Seconds, Watts

__all__ = ["Outages", "Supply"]


class Outages(BaseModel):
    """How often a supply fails, and for how long (both exponential)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Seconds = Field(gt=0, description="mean time between two")
    lasts: Seconds = Field(gt=0, description="mean time until it is back")


class Supply(BaseModel):
    """One source of power.

    The grid and generators that run all along add up to what the facility may draw.  Generators with a ``start`` stand
    by: like batteries they add nothing to that, and step in when another supply fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["grid", "generators", "battery"] = Field(description="what it is")
    power: dict[dt.date, Watts] = Field(min_length=1, description="what it can deliver from each date on")
    energy_price: EnergyPrice | None = Field(default=None, description="default: the site's")
    carbon: CarbonIntensity | None = Field(default=None, description="default: the site's")
    outages: Outages | None = Field(default=None, description="default: it never fails")
    start: Seconds | None = Field(
        default=None, description="of generators that stand by: time until they carry the load; default: they run"
    )
    energy: Energy | None = Field(default=None, gt=0, description="of a full battery")

    @field_validator("power")
    @classmethod
    def _in_order(cls, power: dict[dt.date, float]) -> dict[dt.date, float]:
        return dict(sorted(power.items()))

    @model_validator(mode="after")
    def _of_its_kind(self) -> Supply:
        if (self.energy is not None) is not (self.kind == "battery"):
            raise ValueError(f"expected an energy for a battery, and for nothing else; got kind {self.kind}")
        if self.start is not None and self.kind != "generators":
            raise ValueError(f"expected a start for generators only; got kind {self.kind}")
        if self.outages is not None and self.stands_by:
            raise ValueError("expected outages of a supply that runs; batteries and generators with a start stand by")
        return self

    @property
    def stands_by(self) -> bool:
        """Whether it only steps in for others."""
        return self.kind == "battery" or self.start is not None
