"""Accelerators, nodes, fabrics, storage, and the cluster a scenario makes of them."""

from simulator.hardware.accelerator import Accelerator, Efficiency, NumberFormat, Range
from simulator.hardware.cluster import Cluster, Pool
from simulator.hardware.fabric import Fabric, Tier
from simulator.hardware.node import Node
from simulator.hardware.storage import Storage

__all__ = ["Accelerator", "Cluster", "Efficiency", "Fabric", "Node", "NumberFormat", "Pool", "Range", "Storage", "Tier"]
