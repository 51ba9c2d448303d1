"""Number formats of a training run: what the matrix products use, what stays wide, and what each costs in memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRECISIONS", "Precision"]


@dataclass(frozen=True, slots=True)
class Precision:
    """A mixed-precision recipe.

    The large matrix products of a layer run in ``matmul``.  Attention, router, logits, embedding, norms and the
    residual stream stay in 16 bit, the optimizer (Adam: a master copy and two moments) in fp32.

    Source
    ------
    Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", SC20, arXiv:1910.02054,
    section 3.1 (12 bytes of optimizer state per parameter).  What narrow formats hold is arithmetic on their layout:
    matrix units take both operands along the summed dimension, so a weight and a saved input that are used forward and
    backward are needed in two orientations.
    """

    name: str
    matmul: str
    weight_bytes: float = 2.0  # held for each weight beside the optimizer's master copy
    moved_bytes: float = 2.0  # of a weight that is gathered from where it is sharded
    input_bytes: float = 2.0  # kept of each input of a matrix product for its weight gradient
    optimizer_bytes: float = 12.0

    @property
    def narrow(self) -> bool:
        """Whether inputs of matrix products are cast, and a 16-bit copy may stay for others that use it."""
        return self.input_bytes < 2.0


PRECISIONS = {
    one.name: one
    for one in (
        Precision("bf16", "bf16"),
        Precision("fp16", "fp16"),
        # one scale a tensor; weights held twice, as they are and transposed
        Precision("fp8", "fp8", moved_bytes=1.0, input_bytes=1.0),
        # quantised inside the product from 16 bit, as AQT does
        Precision("int8", "int8"),
    )
}
