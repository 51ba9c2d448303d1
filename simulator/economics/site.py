"""The ``site:`` of a scenario: power over time, PUE, tariff and carbon."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulator.catalogue import CatalogueEntry
from simulator.units import CarbonIntensity, EnergyPrice, Fraction, Ratio, Watts

__all__ = ["Site", "SiteRequest"]


class Site(CatalogueEntry):
    """Where the cluster stands."""

    shelf = "sites"

    location: str = ""
    pue: Ratio = Field(ge=1, description="facility power over IT power")
    power: dict[dt.date, Watts] = Field(default={}, description="facility power available from each date; none: no cap")
    energy_price: EnergyPrice
    carbon: CarbonIntensity
    network_power: Fraction = Field(description="power of network and storage over power of the nodes")

    @field_validator("power")
    @classmethod
    def _in_order(cls, power: dict[dt.date, float]) -> dict[dt.date, float]:
        return dict(sorted(power.items()))


class SiteRequest(BaseModel):
    """A site of the catalogue, and what differs from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="entry of the sites shelf")
    pue: Ratio | None = Field(default=None, ge=1, description="facility power over IT power")
    power: dict[dt.date, Watts] | None = Field(default=None, description="facility power available from each date")
    energy_price: EnergyPrice | None = Field(default=None, description="price of electricity, e.g. 0.06 USD/kWh")
    carbon: CarbonIntensity | None = Field(default=None, description="of electricity, e.g. 369 gCO2e/kWh")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"name": written} if isinstance(written, str) else written

    def resolve(self) -> Site:
        """The catalogue's site with this request's differences."""
        changes = {key: value for key, value in self if key != "name" and value is not None}
        return Site.load(self.name).model_copy(update=changes)
