"""Accelerators, nodes, fabrics, storage, the machines that exist, and the cluster a scenario makes of the parts."""

from simulator.hardware.accelerator import Accelerator, Efficiency, NumberFormat, Range
from simulator.hardware.cluster import Cluster, Pool
from simulator.hardware.fabric import Fabric, Tier
from simulator.hardware.node import Node
from simulator.hardware.storage import Storage
from simulator.hardware.system import System

__all__ = [
    "Accelerator", "Cluster", "Efficiency", "Fabric", "Node", "NumberFormat", "Pool", "Range", "Storage", "System",
    "Tier",
]  # fmt: skip
