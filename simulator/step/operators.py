"""One layer, one microbatch, one accelerator: arithmetic, memory traffic and the collectives inside the layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.step import experts
from simulator.step.collectives import all_gather, all_reduce, group
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers, attention_time, gemm_time, stream_time
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["Pass", "ends", "layer"]


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one microbatch through something, forward and backward. Shape: layouts."""

    matmul: Numbers
    attention: Numbers
    memory: Numbers
    tensor: Numbers
    context: Numbers
    expert: Numbers

    def __add__(self, other: Pass) -> Pass:
        return Pass(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def scaled(self, factor: Numbers | float) -> Pass:
        """Every part times ``factor``."""
        return Pass(*(getattr(self, name) * factor for name in self.__slots__))

    @property
    def total(self) -> Numbers:
        """All parts together."""
        return sum((getattr(self, name) for name in self.__slots__), np.zeros_like(self.matmul))


def _products(
    machine: Machine,
    m: Numbers,
    shapes: list[tuple[Numbers, Numbers]],
    *,
    backward: float,
    sixteen: bool = False,
) -> Numbers:
    """Forward products (m × k)·(k × n) of ``shapes`` (n, k), or the two each needs backward: input and weights.

    The gradient of a weight, of ``backward`` bytes, is read, added to and written for every microbatch; 0 is forward.
    """
    total = np.zeros_like(m)
    for n, k in shapes:
        if backward:
            inputs = gemm_time(machine, m, k, n, sixteen=sixteen)
            total = total + inputs + gemm_time(machine, n, k, m, sixteen=sixteen, moved=2 * backward)
        else:
            total = total + gemm_time(machine, m, n, k, sixteen=sixteen)
    return total


def _attention_shapes(model: Transformer, t: Numbers) -> list[tuple[Numbers, Numbers]]:
    """(n, k) of the projections of one layer's attention, split over ``t``; latent attention's up-projections last."""
    h, a, g, d = model.hidden, model.heads, model.key_value_heads, model.head
    if model.attention == "standard":
        kv = np.maximum(g / t, 1)  # fewer key-value heads than ranks: each rank holds a copy of one
        return [(a * d / t + 2 * kv * d, h * np.ones_like(t)), (h * np.ones_like(t), a * d / t)]
    r, v, rope, ones = model.kv_rank or 1, model.value_head, model.rope_dim, np.ones_like(t)
    ranked = (a * (d + rope) / t, (model.query_rank or h) * ones)
    down = [(model.query_rank * ones, h * ones)] if model.query_rank else []
    return [*down, ((r + rope) * ones, h * ones), (h * ones, a * v / t), ranked, (a * (d + v) / t, r * ones)]


def _core(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers]:
    """Forward and backward of softmax(QKᵀ)V.

    Fused: 2 (d + d_v) b s k̄ a / t FLOPs forward on the keys a causal query meets, 2.5 times as many backward
    (FlashAttention-2, arXiv:2307.08691, section 4.1: five products instead of two).
    Unfused: two batched products over all s² scores, whose scale, mask, softmax and dropout stream 11 bytes a score
    forward and twice that backward (reading and writing what Korthikanti et al., arXiv:2205.05198, section 4.1, count).
    """
    b, s, t = L.microbatch, recipe.sequence / L.context, L.tensor
    heads = np.maximum(model.heads / t, 1)
    width = model.head + model.rope_dim + model.value_head
    if recipe.fused_attention:
        keys = model.attended(recipe.sequence)
        flops = 2 * b * s * keys * width * heads
        moved = 2.0 * b * s * heads * 2 * width
        # a ring passes blocks of keys, each a kernel of its own
        share = recipe.software.attention * (1.0 if recipe.software.native else machine.portable)

        def kernel(flops: Numbers, moved: Numbers) -> Numbers:
            met, head = keys / L.context, model.head + model.rope_dim
            return attention_time(machine, flops, moved, keys=met, head=head, share=share)

        return kernel(flops, moved), kernel(2.5 * flops, 3 * moved)
    scores = b * heads * s * recipe.sequence
    ones = np.ones_like(s)
    pairs = b * heads
    forward = gemm_time(machine, s, recipe.sequence * ones, model.head * ones, batch=pairs, sixteen=True)
    forward = forward + gemm_time(
        machine, s, model.value_head * ones, recipe.sequence * ones, batch=pairs, sixteen=True
    )
    softmax = stream_time(machine, 11 * scores, kernels=3)
    return forward + softmax, 2 * (forward + softmax)


def layer(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Pass, Pass, Pass]:
    """Forward, backward and recomputation of one average layer: expert layers weigh as many as the model has.

    Memory traffic: :func:`_streamed`.

    Tensor parallelism moves 2 b s h bytes four times forward (two all-reduces, or all-gather + reduce-scatter with
    sequence parallelism) and as often backward, where sequence parallelism gathers the inputs of the column-parallel
    products twice more, since it kept only parts of them; layers of routed experts alone half as often.

    Source
    ------
    Shoeybi et al., arXiv:1909.08053, section 3; Korthikanti et al., arXiv:2205.05198, sections 4.2.1–4.2.2.
    """
    t, b, c = L.tensor, L.microbatch, L.context
    h, m = float(model.hidden), b * recipe.sequence / c
    matrices = 2 if model.gated else 1
    share = model.expert_layers / model.layers  # of the layers have experts

    attention_gemms = _attention_shapes(model, t)
    dense = [(matrices * model.ffn / t, h * np.ones_like(t)), (h * np.ones_like(t), model.ffn / t)]
    dense_share = 1 - share + (share if model.residual_ffn else 0)
    core_forward, core_backward = _core(machine, model, recipe, L)

    def matmuls(*, backward: float) -> Numbers:
        total = _products(machine, m, attention_gemms, backward=backward)
        if dense_share:
            total = total + dense_share * _products(machine, m, dense, backward=backward)
        if share:
            total = total + share * _experts(machine, model, recipe, L, m, backward=backward)
        return total

    width = dense_share * model.ffn / t
    if share:
        width = width + share * (model.experts_per_token + model.shared_experts) * model.expert_width / t
    activation = m * (6 if model.gated else 4) * width
    memory, memory_back = _streamed(machine, model, recipe, L, m, width)
    if share:
        permuted = share * experts.permuted(model, recipe, L, m) / (machine.stream * machine.permute)
        memory, memory_back = memory + permuted, memory_back + 2 * permuted
    cast_forward, cast_backward = _casts(machine, model, recipe, L, width)

    tp = group(machine, t, np.ones_like(t))
    volume = 2 * m * h
    hidden = recipe.software.exposed if recipe.overlap else 1.0
    # around the attention always; around the feed-forward part unless its tokens are split for the experts anyhow
    split = 1 + dense_share + (share if model.shared_experts and not model.residual_ffn else 0)
    # inputs of narrow products travel in their format, what comes out of them in 16 bit
    inputs = volume * min(1.0, PRECISIONS[recipe.precision].operand_bytes / 2)
    gathered, scattered = hidden * all_gather(tp, inputs), hidden * all_gather(tp, volume)
    tensor, tensor_back = (
        split * np.where(L.sequence_parallel > 0, times * gathered + scattered, all_reduce(tp, volume))
        for times in (1, 2)
    )

    kv = 2 * 2 * m * np.maximum(model.key_value_heads / t, 1) * model.head  # keys and values of this rank's tokens
    if model.attention == "mla":
        kv = 2 * m * (model.heads / t) * (model.head + model.rope_dim + model.value_head)
    cp = group(machine, c, t)
    ring = all_gather(cp, kv * c)  # every rank's keys pass every other once
    context = np.maximum(ring - core_forward, 0)  # hidden behind the attention of the block at hand
    context_back = np.maximum(2 * ring - core_backward, 0)

    expert = share * experts.exchange(machine, model, recipe, L, m) if share else np.zeros_like(t)

    zero = np.zeros_like(t)
    memory, memory_back = memory + cast_forward, memory_back + cast_backward
    forward = Pass(matmuls(backward=0.0), core_forward, memory, tensor, np.where(c > 1, context, zero), expert)
    context_back = np.where(c > 1, context_back, zero)
    products_back = matmuls(backward=recipe.gradient_bytes)
    backward = Pass(products_back, core_backward, memory_back, tensor_back, context_back, expert)
    full, selective = L.recompute == 2, L.recompute == 1
    spared = activation / machine.stream if model.gated else 0.0
    # nothing in the backward pass reads what the block's last product puts out, and some software sees that
    unread = dense_share * gemm_time(machine, m, dense[1][0], dense[1][1]) if recipe.stops else 0.0
    again = np.where(selective & (not recipe.fused_attention), core_forward, 0.0)
    # latent attention keeps its compressed forms and expands them again
    expanded = _products(machine, m, attention_gemms[-2:], backward=0.0) if model.attention == "mla" else 0.0
    redone = Pass(
        np.where(full, forward.matmul - unread, np.where(selective, recipe.repeats * forward.matmul + expanded, 0.0)),
        np.where(full, core_forward, again),
        np.where(full, memory, np.where(selective, np.maximum(recipe.repeats * memory, spared), 0.0)),
        np.where(full, tensor, 0.0),
        np.where(full, forward.context, 0.0),
        np.where(full, expert, 0.0),
    )
    return forward, backward, redone


def _streamed(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, m: Numbers, width: Numbers
) -> tuple[Numbers, Numbers]:
    """Forward and backward time of what only moves 2-byte activations: norms, residuals, activation functions.

    Forward, of a token: two norms 8 h bytes, two residual sums 12 h (14 h with dropout and its mask), split over the
    tensor ranks only with sequence parallelism; the activation function 4 or, gated, 6 bytes of the ``width`` at hand.
    Backward: norms 12 h (they read x and dy and write dx), the sums of what two branches return 12 h, dropout 10 h, the
    activation function 6 or 10.
    """
    h = float(model.hidden) / np.where(L.sequence_parallel > 0, L.tensor, 1)
    moved = m * ((22 if recipe.dropout else 20) * h + (6 if model.gated else 4) * width)
    back = m * ((34 if recipe.dropout else 24) * h + (10 if model.gated else 6) * width)
    more = recipe.software.elementwise
    return stream_time(machine, more * moved, kernels=6), stream_time(machine, more * back, kernels=12)


def _casts(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, width: Numbers) -> tuple[Numbers, Numbers]:
    """Forward and backward time in which a layer quantises operands that no fused kernel hands over in a narrow format.

    Each element is read in 16 bit and written in two orientations.  Forward: outputs of attention and activation, while
    norms write the narrow format themselves.  Backward: the gradients of what the four products give.
    """
    formats = PRECISIONS[recipe.precision]
    tokens = L.microbatch * recipe.sequence / L.context
    each = (2 + 2 * formats.operand_bytes) * tokens / machine.stream if formats.narrow else 0.0 * tokens
    each = recipe.software.casts * each
    heads = model.heads * model.value_head / L.tensor
    kv = 2 * np.maximum(model.key_value_heads / L.tensor, 1) * model.head
    gradients = heads + kv + 2 * model.hidden + (2 if model.gated else 1) * width
    return each * (heads + width), each * gradients


def _experts(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, m: Numbers, *, backward: float
) -> Numbers:
    """Router, shared and routed experts of one layer."""
    t, h = L.tensor, model.hidden * np.ones_like(L.tensor)
    total = experts.products(machine, model, recipe, L, m, backward=backward > 0)
    if model.shared_experts:
        wide = float(model.shared_experts * model.expert_width)
        shapes = [((2 if model.gated else 1) * wide / t, h), (h, wide / t)]
        total = total + _products(machine, m, shapes, backward=backward)
    scores = [(model.experts * np.ones_like(t), h)]
    return total + _products(machine, m / t, scores, backward=backward, sixteen=True)


def ends(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Pass, Pass]:
    """Forward and backward of logits and loss, on the stage that has them.

    Both ends of the model are split over the tensor ranks too: forward the embedding's sum and the gathering of what the
    logits read, backward the same the other way round, or all-reduces without sequence parallelism; nothing hides them.
    The fp32 logits pass through memory several times (cast, maximum, exponent, sum, gradient), more often unfused.
    """
    t, m = L.tensor, L.microbatch * recipe.sequence / L.context
    shapes = [(model.vocabulary / t, model.hidden * np.ones_like(t))]
    zero = np.zeros_like(t)
    loss = stream_time(machine, recipe.software.logits * m * model.vocabulary / t, kernels=5)
    tp, volume = group(machine, t, np.ones_like(t)), 2 * m * float(model.hidden)
    tensor = np.where(L.sequence_parallel > 0, 2 * all_gather(tp, volume), all_reduce(tp, volume))
    once, back = (_products(machine, m, shapes, backward=g, sixteen=True) for g in (0.0, recipe.gradient_bytes))
    forward, backward = (Pass(products, zero, loss / 2, tensor, zero, zero) for products in (once, back))
    return forward, backward
