"""Where checkpoints go."""

from __future__ import annotations

from pydantic import Field

from simulator.catalogue import CatalogueEntry
from simulator.units import Bytes, DataRate

__all__ = ["Storage"]


class Storage(CatalogueEntry):
    """A checkpoint store: what one node can push and what all of them together can."""

    shelf = "storage"

    write_per_node: DataRate = Field(description="one node writing alone")
    read_per_node: DataRate = Field(description="one node reading alone")
    write: DataRate | None = Field(default=None, description="all nodes together; no bound when each has its own")
    read: DataRate | None = Field(default=None, description="all nodes together")
    capacity: Bytes | None = None

    def write_rate(self, nodes: float) -> float:
        """Aggregate write rate of ``nodes`` writing together. [B/s]"""
        return min(self.write_per_node * nodes, self.write or float("inf"))

    def read_rate(self, nodes: float) -> float:
        """Aggregate read rate of ``nodes`` reading together. [B/s]"""
        return min(self.read_per_node * nodes, self.read or float("inf"))
