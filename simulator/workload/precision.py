"""Number formats of a training run: what the matrix products use and what a parameter costs in memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRECISIONS", "Precision"]


@dataclass(frozen=True, slots=True)
class Precision:
    """A mixed-precision recipe.

    Matrix products run in ``matmul``; weights for them are held in ``weight_bytes`` and activations between operators
    in 2 bytes.  Gradients accumulate in ``gradient_bytes``; the optimizer (Adam) keeps a master copy and two moments,
    ``optimizer_bytes`` together.

    Source
    ------
    Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", SC20, arXiv:1910.02054,
    section 3.1 (12 bytes of optimizer state per parameter); gradients in fp32 as Megatron-LM accumulates them.
    """

    name: str
    matmul: str
    weight_bytes: float = 2.0
    gradient_bytes: float = 4.0
    optimizer_bytes: float = 12.0


PRECISIONS = {
    "bf16": Precision("bf16", "bf16"),
    "fp16": Precision("fp16", "fp16"),
    # matrix products in 8 bit; weights kept in 16 bit, attention and everything else in 16 bit
    "fp8": Precision("fp8", "fp8"),
    "int8": Precision("int8", "int8"),
}
