"""The ``money:`` section, and the bill: every dollar in exactly one named row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.units import DAY, Dollars, DollarsPerSecond, Fraction, Seconds

__all__ = ["Bill", "Money", "Tariff", "bill"]


class Money(BaseModel):
    """Who owns the machines and at which end of the price range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accelerators: Literal["bought", "rented"] = Field(default="bought", description="who owns the machines")
    prices: Literal["low", "mid", "high"] = Field(default="mid", description="where in the published price ranges")
    depreciation: Seconds | None = Field(
        default=None, ge=30 * DAY, description="life of the machines; default: the catalogue's"
    )
    rent: DollarsPerSecond | None = Field(default=None, description="per accelerator; default: the catalogue's")
    node_price: dict[str, Dollars] = Field(
        default={}, description="price of a node by its name, where none is published"
    )
    network_share: Fraction | None = Field(default=None, lt=1, description="network over node-and-network capital")


@dataclass(frozen=True, slots=True)
class Tariff:
    """What one node of each pool costs a second while it stands there, and what a joule costs.  [USD/s, USD/J]"""

    capital: tuple[float, ...]
    network: tuple[float, ...]
    facility: tuple[float, ...]
    people: tuple[float, ...]
    rent: tuple[float, ...]
    energy: float
    price: tuple[float, ...]  # of a node with its share of the network, to buy [USD]; zero when rented
    life: float  # over which that is written off [s]


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars by row; the rows add up to the total."""

    capital: float
    network: float
    facility: float
    people: float
    rent: float
    energy: float

    @property
    def total(self) -> float:
        """All rows together. [USD]"""
        return sum(self.rows().values())

    def rows(self) -> dict[str, float]:
        """Row name to dollars."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def bill(
    tariff: Tariff, node_seconds: Sequence[float], energy: float = 0.0, *, energy_cost: float | None = None
) -> Bill:
    """Dollars for nodes that stood ``node_seconds`` in each pool and drew ``energy`` together.

    Parameters
    ----------
    node_seconds
        Time between arrival and the end, summed over the nodes of each pool; spares and broken nodes included. [s]
    energy
        At the facility's meter. [J]
    energy_cost
        What it cost, where not all of it has the tariff's price. [USD]
    """

    def row(rates: Sequence[float]) -> float:
        return sum(rate * seconds for rate, seconds in zip(rates, node_seconds, strict=True))

    return Bill(
        capital=row(tariff.capital),
        network=row(tariff.network),
        facility=row(tariff.facility),
        people=row(tariff.people),
        rent=row(tariff.rent),
        energy=tariff.energy * energy if energy_cost is None else energy_cost,
    )
