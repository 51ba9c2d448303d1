"""Bytes on one accelerator."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Memory"]


@dataclass(frozen=True, slots=True)
class Memory:
    """What the fullest accelerator holds. [B]"""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    buffers: float
    capacity: float

    @property
    def total(self) -> float:
        """Bytes needed."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.buffers

    @property
    def margin(self) -> float:
        """Bytes left; negative when it does not fit."""
        return self.capacity - self.total
