"""The scale-out network: tiers with their reach, their taper and the distance between them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.catalogue import CatalogueEntry
from simulator.units import DataRate, Fraction, Metres, Ratio, Seconds

__all__ = ["Fabric", "Tier"]


class Tier(BaseModel):
    """One level of switches: whom it joins, and how much narrower the way out of it is than the way in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    span: int = Field(ge=1, description="accelerators that reach each other without leaving this tier")
    oversubscription: Ratio = Field(default=1.0, description="bandwidth into the tier over bandwidth out of it")
    uplink: DataRate | None = Field(
        default=None, description="all links out of the tier together, one direction, where these are fewer"
    )
    distance: Metres = Field(default=0.0, description="fibre to the next such tier beyond what hop_latency covers")


class Fabric(CatalogueEntry):
    """A scale-out network.  Link rates belong to the node's interfaces; the fabric says what survives of them."""

    shelf = "fabrics"

    topology: Literal["fat-tree", "rail-optimised", "dragonfly", "torus", "tree", "mesh"]
    link: DataRate = Field(description="one port, one direction")
    tiers: tuple[Tier, ...] = Field(min_length=1)
    efficiency: Fraction = Field(description="share of the wire rate left for large collectives under load")
    latency: Seconds = Field(description="one message between neighbouring nodes, software included")
    hop_latency: Seconds = Field(description="added by each further tier crossed")
