"""The ``site:`` of a scenario: power over time, PUE, tariff and carbon."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulator.catalogue import CatalogueEntry
from simulator.economics.supply import Supply
from simulator.units import CarbonIntensity, EnergyPrice, Fraction, Ratio, Watts

__all__ = ["Site", "SiteRequest"]

Curtailment = Literal["best", "nodes", "clocks"]


class Site(CatalogueEntry):
    """Where the cluster stands."""

    shelf = "sites"

    location: str = ""
    pue: Ratio = Field(ge=1, description="facility power over IT power, all nodes training")
    pue_fixed: Fraction | None = Field(
        default=None, le=1, description="share of the overhead that is there at any load; default: the catalogue's"
    )
    power: dict[dt.date, Watts] = Field(default={}, description="facility power available from each date; none: no cap")
    supplies: dict[str, Supply] = Field(
        default={}, description="grid, generators and batteries by name; default: one supply of the site's power"
    )
    curtailment: Curtailment = Field(
        default="best", description="what gives way to the cap: fewer nodes, lower clocks, or whichever trains more"
    )
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
    pue: Ratio | None = Field(default=None, ge=1, description="facility power over IT power, all nodes training")
    pue_fixed: Fraction | None = Field(
        default=None, le=1, description="share of the overhead that is there at any load; default: the catalogue's"
    )
    power: dict[dt.date, Watts] | None = Field(default=None, description="facility power available from each date")
    supplies: dict[str, Supply] | None = Field(
        default=None, description="grid, generators and batteries by name, instead of the site's power"
    )
    curtailment: Curtailment | None = Field(
        default=None, description="what gives way to the cap: fewer nodes, lower clocks, or whichever trains more"
    )
    energy_price: EnergyPrice | None = Field(default=None, description="price of electricity, e.g. 0.06 USD/kWh")
    carbon: CarbonIntensity | None = Field(default=None, description="of electricity, e.g. 369 gCO2e/kWh")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"name": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _one_of_both(self) -> SiteRequest:
        if self.power is not None and self.supplies is not None:
            raise ValueError("expected power or the supplies that add up to it, not both; got both")
        if self.supplies is not None and all(supply.stands_by for supply in self.supplies.values()):
            raise ValueError("expected a supply that runs; batteries and generators with a start only stand by")
        return self

    def resolve(self) -> Site:
        """The catalogue's site with this request's differences."""
        changes = {key: value for key, value in self if key != "name" and value is not None}
        if self.supplies is not None or self.power is not None:  # one replaces the other
            changes = {"power": {}, "supplies": {}} | changes
        return Site.load(self.name).model_copy(update=changes)
