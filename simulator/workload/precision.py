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
    operand_bytes: float = 2.0  # read for each element of an operand of a matrix product, with its share of a scale
    weight_bytes: float = 2.0  # held for each weight beside the optimizer's master copy
    moved_bytes: float = 2.0  # of a weight that is gathered from where it is sharded
    input_bytes: float = 2.0  # kept of each input of a matrix product for its weight gradient
    optimizer_bytes: float = 12.0

    @property
    def narrow(self) -> bool:
        """Whether operands of matrix products are cast."""
        return self.operand_bytes < 2.0


PRECISIONS = {
    one.name: one
    for one in (
        Precision("bf16", "bf16"),
        Precision("fp16", "fp16"),
        # one scale a tensor; weights held in 8 bit as they are and transposed
        Precision("fp8", "fp8", operand_bytes=1.0, moved_bytes=1.0, input_bytes=1.0),
        # one 8-bit scale for 32 elements along the summed dimension, hence two quantised forms
        Precision(
            "mxfp8", "fp8", operand_bytes=33 / 32, weight_bytes=33 / 16, moved_bytes=33 / 32, input_bytes=33 / 32
        ),
        # one 8-bit scale for 16 elements; weights stay in 16 bit beside two quantised forms
        Precision("nvfp4", "fp4", operand_bytes=9 / 16, weight_bytes=2 + 9 / 8, input_bytes=9 / 16),
        # quantised where they are used; weights and saved inputs stay in 16 bit (AQT)
        Precision("int8", "int8", operand_bytes=1.0),
    )
}
