"""Layers that mix tokens by a state-space scan (Mamba-2) instead of attention."""

from __future__ import annotations

import numpy as np

from simulator.step.machine import Machine
from simulator.step.roofline import Numbers, Product, attention_time, stream_time
from simulator.workload import Transformer

__all__ = ["kept", "products", "times"]

_CHUNK = 128
"""Tokens of a chunk, inside which a scan is products of matrices (``MambaMixer`` of Megatron-Core 0.16.1)."""


def _widths(model: Transformer, t: Numbers) -> tuple[Numbers, Numbers]:
    """Of values and gates, w = heads · head / t, and of the inputs and outputs of states, g n / t."""
    return model.scan_width / t, model.scan_groups * model.scan_states / t


def products(model: Transformer, m: Numbers, t: Numbers) -> list[Product]:
    """The projections into gates, values, inputs and outputs of states and steps, and back, split over ``t``."""
    width, states = _widths(model, t)
    share = model.scan_layers / model.layers
    heads = (model.scan_heads or 0) / t
    return [
        Product(m, 2 * width + 2 * states + heads, float(model.hidden), share=share),
        Product(m, float(model.hidden), width, share=share),
    ]


def times(machine: Machine, model: Transformer, t: Numbers, tokens: Numbers) -> tuple[Numbers, Numbers]:
    """Forward and backward of convolution, scan and gated norm of an average layer.

    In chunks of Q tokens, of a token

        2 Q (g n + w) + 4 n w FLOPs:  inside the chunk; into its state and out of it
        (20 + 16 n / Q) w + 16 g n + 8 Q g bytes

    The bytes are those of the convolution, 4 w + 8 g n; into states 2 w + 2 g n; states 16 n w / Q, written, passed on
    and read in fp32; inside the chunk 4 g n and twice 4 Q g; out of it 8 w + 2 g n; of the gated norm 6 w.  Both add
    up, for these are kernels of their own.  They are written in Triton, and a chunk is attention over Q keys: its
    products lose what portable attention loses on sequences that short and heads that narrow.
    Backward 2.5 times as much, as attention: two products for one, and what the forward pass did not keep once more.

    Source
    ------
    ``MambaMixer`` of Megatron-Core 0.16.1 for the parts; the steps inside its scan are recalled, their bytes ours.
    """
    width, states = _widths(model, t)
    n, groups = model.scan_states, model.scan_groups / t
    flops = tokens * (2 * _CHUNK * (states + width) + 4 * n * width)
    moved = tokens * ((20 + 16 * n / _CHUNK) * width + 16 * states + 8 * _CHUNK * groups)
    keys, head, share = np.full_like(t, _CHUNK), model.scan_head_dim, model.scan_layers / model.layers
    computed = attention_time(machine, flops, 0 * moved, keys=keys, head=head, share=machine.portable)
    once: Numbers = share * (computed + stream_time(machine, moved, kernels=6))
    return once, 2.5 * once


def kept(model: Transformer, t: Numbers, input_bytes: float) -> Numbers:
    """Bytes a token leaves behind in an average layer: what projection, scan and norm gave."""
    width, states = _widths(model, t)
    result: Numbers = model.scan_layers / model.layers * (2 * (2 * width + 2 * states) + (2 + input_bytes) * width)
    return np.asarray(result)
