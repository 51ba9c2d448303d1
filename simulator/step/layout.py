"""Who computes what: the degrees of parallelism of one training step."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RECOMPUTE", "Layout"]

RECOMPUTE = ("none", "selective", "full")


@dataclass(frozen=True, slots=True)
class Layout:
    """Tensor × pipeline × context × data, and what goes with them.

    Experts are spread over ``expert`` accelerators taken from the data-parallel (and context-parallel) ones, as
    Megatron-LM does; expert parallelism therefore multiplies nothing.
    """

    tensor: int = 1
    pipeline: int = 1
    interleave: int = 1
    context: int = 1
    data: int = 1
    expert: int = 1
    microbatch: int = 1
    recompute: str = "none"
    zero: int = 1
    sequence_parallel: bool = True

    @property
    def model_parallel(self) -> int:
        """Accelerators that hold one replica."""
        return self.tensor * self.pipeline * self.context

    @property
    def accelerators(self) -> int:
        """Accelerators the layout uses."""
        return self.model_parallel * self.data

    def __str__(self) -> str:
        parts = [f"TP {self.tensor}", f"PP {self.pipeline}"]
        parts += [f"x{self.interleave}"] if self.interleave > 1 else []
        parts += [f"CP {self.context}"] if self.context > 1 else []
        parts += [f"EP {self.expert}"] if self.expert > 1 else []
        parts += [f"DP {self.data}", f"ZeRO-{self.zero}", f"microbatch {self.microbatch}"]
        parts += [f"recompute {self.recompute}"] if self.recompute != "none" else []
        return " · ".join(parts)
