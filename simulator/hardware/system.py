"""Machines that exist or were announced: the facts scenarios are built from and checked against."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.catalogue import CatalogueEntry
from simulator.hardware.accelerator import Accelerator, NumberFormat
from simulator.units import Count, DataRate, Dollars, FlopRate, Watts

__all__ = ["Capital", "System"]


class Capital(BaseModel):
    """What a system cost, as far as sources say; a missing end was not estimated by anybody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Dollars | None = None
    mid: Dollars | None = None
    high: Dollars | None = None
    basis: str = ""


class System(CatalogueEntry):
    """A rack, cluster or supercomputer at one date, a job on one, or the power plant beside one.

    Everything is optional: an entry holds what was published about that machine and nothing else.
    """

    shelf = "systems"

    kind: Literal["rack", "cluster", "supercomputer", "cloud", "job", "power", "service"]
    owner: str = ""
    location: str = ""
    date: str = Field(default="", description="when it stood like this: a day, a month, a year or several")
    accelerators: dict[str, int] = Field(default={}, description="entry of the accelerators shelf: how many")
    node: str = Field(default="", description="entry of the nodes shelf")
    nodes: int | None = Field(default=None, ge=1)
    racks: int | None = Field(default=None, ge=1)
    scaleout_bandwidth: DataRate | None = Field(default=None, description="per accelerator, one direction")
    network: str = ""
    topology: str = ""
    peak: FlopRate | None = Field(default=None, description="dense, 16 bit, as the accelerators' peaks add up")
    hpl: FlopRate | None = Field(default=None, description="Rmax of the TOP500, FP64")
    hpl_peak: FlopRate | None = Field(default=None, description="Rpeak of the TOP500, FP64")
    power: Watts | None = Field(default=None, description="machines, rated maximum or under HPL")
    facility_power: Watts | None = Field(default=None, description="everything behind the meter")
    capital: Capital | None = None
    h100_equivalent: Count | None = None

    @property
    def size(self) -> int:
        """Accelerators of all kinds together."""
        return sum(self.accelerators.values())

    def dense_peak(self, number_format: NumberFormat) -> float:
        """Dense peaks of all accelerators added up.  [FLOP/s]

        Raises
        ------
        KeyError
            One of the accelerators has no peak in this number format.
        """
        return sum(count * Accelerator.load(name).peak[number_format] for name, count in self.accelerators.items())
