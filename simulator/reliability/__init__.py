"""Failures, repair and checkpoints: rates with their sources and the closed forms of goodput."""

from simulator.reliability.checkpoint import Checkpoint, daly_interval, optimal_interval, young_interval
from simulator.reliability.failures import FailureClass, Failures, Fleet, RepairBand

__all__ = [
    "Checkpoint", "FailureClass", "Failures", "Fleet", "RepairBand", "daly_interval", "optimal_interval",
    "young_interval",
]  # fmt: skip
