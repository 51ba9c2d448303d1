"""One node: the unit that is delivered, fails and is repaired."""

from __future__ import annotations

from pydantic import Field

from simulator.catalogue import CatalogueEntry
from simulator.hardware.accelerator import Range
from simulator.units import DataRate, DollarsPerSecond, Watts

__all__ = ["Node"]


class Node(CatalogueEntry):
    """A server, a tray of a rack-scale system or a wafer-scale system."""

    shelf = "nodes"

    accelerator: str
    accelerators: int = Field(ge=1, description="accelerators in one node")
    scaleup_domain: int | None = Field(default=None, ge=1, description="if not the accelerator's, e.g. 72")
    scaleout_bandwidth: DataRate = Field(description="network interfaces of one accelerator, one direction")
    network: str = ""
    host: str = ""
    power: Watts = Field(description="rated maximum of the whole node")
    training_power: Watts | None = Field(default=None, description="mean measured in training")
    idle_power: Watts | None = Field(default=None, description="powered, no job")
    price: Range | None = Field(default=None, description="whole node with its accelerators")
    rent: DollarsPerSecond | None = Field(default=None, description="whole node, rented")
