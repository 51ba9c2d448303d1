"""One layer, one microbatch, one accelerator: arithmetic, memory traffic and the collectives inside the layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step import experts, scan
from simulator.step.collectives import all_gather, all_reduce, group
from simulator.step.context import exposed, keys_met
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers, Product, attention_time, gemm_time, product_times, stream_time
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["Layer", "Pass", "ends", "layer"]


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

    def times(self, factor: Numbers | float) -> Pass:
        """Every part times ``factor``."""
        return Pass(*(factor * getattr(self, name) for name in self.__slots__))

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Pass:
        """The same of the layouts for which ``chosen`` is true, or of those at its indices."""
        return Pass(*(getattr(self, name)[chosen] for name in self.__slots__))

    @property
    def total(self) -> Numbers:
        """All parts together."""
        return self.matmul + self.attention + self.memory + self.tensor + self.context + self.expert


def _attention(model: Transformer, m: Numbers, t: Numbers) -> list[Product]:
    """The projections of one layer's attention, split over ``t``; latent attention's up-projections last."""
    h, a, g, d = model.hidden, model.heads, model.key_value_heads, model.head
    if model.attention == "standard":
        kv = np.maximum(g / t, 1)  # fewer key-value heads than ranks: each rank holds a copy of one
        return [Product(m, a * d / t + 2 * kv * d, h), Product(m, h, a * d / t)]
    r, q, v, rope = model.kv_rank or 1, model.query_rank, model.value_head, model.rope_dim
    down = [Product(m, q, h)] if q else []
    out, ranked = Product(m, h, a * v / t), Product(m, a * (d + rope) / t, q or h)
    return [*down, Product(m, r + rope, h), out, ranked, Product(m, a * (d + v) / t, r)]


def _feed_forward(model: Transformer, m: Numbers, width: Numbers, share: float) -> list[Product]:
    """The two products of a feed-forward part of ``width`` in a ``share`` of the layers."""
    matrices = 2 if model.gated else 1
    return [Product(m, matrices * width, model.hidden, share=share), Product(m, model.hidden, width, share=share)]


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
        share = recipe.software.attention * (1.0 if recipe.software.native else machine.portable)

        def kernel(flops: Numbers, moved: Numbers) -> Numbers:
            head = model.head + model.rope_dim
            return attention_time(machine, flops, moved, keys=keys_met(keys, L), head=head, share=share)

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


class Layer(NamedTuple):
    """Forward and backward of one layer, and its recomputation in full and selective."""

    forward: Pass
    backward: Pass
    again: Pass
    light: Pass


def layer(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Layer, Layer | None]:
    """An average layer, and one of the leading ones, where these have no experts but others do and there are stages.

    Average: expert layers weigh as many as the model has.

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
    share = model.expert_layers / model.layers  # of the layers have experts
    dense_share = model.fed / model.layers - share + (share if model.residual_ffn else 0)

    attention = _attention(model, m, t)
    if model.scan_layers:
        attention = [one._replace(share=model.attending) for one in attention] + scan.products(model, m, t)
    dense = _feed_forward(model, m, model.ffn / t, dense_share) if dense_share else []
    products = [*attention, *dense, *(_experts(model, recipe, L, m, share) if share else ())]
    forwards, backwards = product_times(machine, products, gradient=recipe.gradient_bytes)
    core_forward, core_backward = _core(machine, model, recipe, L)
    if model.scan_layers:
        scanned, scanned_back = scan.times(machine, model, t, m)
        core_forward = model.attending * core_forward + scanned
        core_backward = model.attending * core_backward + scanned_back

    width = dense_share * model.ffn / t
    zero = np.zeros_like(t)
    moved, expert = (zero, zero), zero
    if share:
        routed = share * model.experts_per_token * experts.load(recipe, L) / t
        width = width + (routed + share * model.shared_experts / t) * model.expert_width
        routing = share * experts.permuted(machine, model, recipe, L, m) / (machine.stream * machine.permute)
        moved = routing, 2 * routing
        if (model.expert_biases or model.expert_bounds) and not recipe.software.compiles:
            once_more, back_more = (share * more / machine.stream for more in experts.unfused(model, recipe, L, m))
            moved = routing + once_more, 2 * routing + back_more
        expert = share * experts.exchange(machine, model, recipe, L, m)

    # around the attention always; around the feed-forward part unless its tokens are split for the experts anyhow
    split = 1 + dense_share + (share if model.shared_experts and not model.residual_ffn else 0)
    tensor, tensor_back = _tensor_parallel(machine, recipe, L, 2 * m * h)
    context, context_back = exposed(machine, model, recipe, L, (core_forward, core_backward))
    # latent attention keeps its compressed forms and expands them again
    expanded = sum(forwards[len(attention) - 2 : len(attention)]) if model.attention == "mla" else 0.0

    def composed(
        like: Transformer, width: Numbers, split: float, moved: tuple[Numbers, Numbers], expert: Numbers,
        forwards: Numbers, backwards: Numbers,
    ) -> Layer:  # fmt: skip
        """One layer ``like`` the model's, from its products and what is its own."""
        # summed in order, which np.sum need not do: one layout alone gives the same bits as among many
        once, back = (np.add.accumulate(each)[-1] for each in (forwards, backwards))
        memory, memory_back = _streamed(machine, model, recipe, L, m, width)
        cast_forward, cast_backward = _casts(machine, like, recipe, L, width)
        memory, memory_back = memory + moved[0] + cast_forward, memory_back + moved[1] + cast_backward
        forward = Pass(once, core_forward, memory, split * tensor, context, expert)
        backward = Pass(back, core_backward, memory_back, split * tensor_back, context_back, expert)
        # nothing in the backward pass reads what the block's last product puts out, and some software sees that
        unread = forwards[len(attention) + 1] if dense and recipe.stops else 0.0
        again = replace(forward, matmul=once - unread)
        spared = m * (6 if model.gated else 4) * width / machine.stream if model.gated else 0.0
        light = Pass(
            recipe.repeats * once + expanded, zero if recipe.fused_attention else core_forward,
            np.maximum(recipe.repeats * memory, spared), zero, zero, zero,
        )  # fmt: skip
        return Layer(forward, backward, again, light)

    average = composed(model, width, split, moved, expert, forwards, backwards)
    if not model.leading_layers or not (L.pipeline > 1).any():
        return average, None
    ours = np.ones((len(attention) + 2, 1))
    ours[len(attention) :] /= dense_share  # the dense products of every layer that has them
    dense_only = (ours * each[: len(ours)] for each in (forwards, backwards))
    return average, composed(model.leading, model.ffn / t, 2, (zero, zero), zero, *dense_only)


def _tensor_parallel(machine: Machine, recipe: Recipe, L: Layouts, volume: Numbers) -> tuple[Numbers, Numbers]:
    """What the tensor ranks exchange around one part of a layer, forward and backward; ``volume`` in 16 bit. [s]

    Inputs of narrow products travel in their format, what comes out of them in 16 bit.
    """
    tp = group(machine, L.tensor, np.ones_like(L.tensor))
    hidden = recipe.software.exposed if recipe.overlap else 1.0
    inputs = volume * min(1.0, PRECISIONS[recipe.precision].operand_bytes / 2)
    gathered, scattered = hidden * all_gather(tp, inputs), hidden * all_gather(tp, volume)
    whole = all_reduce(tp, volume)
    once, back = (np.where(L.sequence_parallel > 0, times * gathered + scattered, whole) for times in (1, 2))
    return once, back


def _streamed(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, m: Numbers, width: Numbers
) -> tuple[Numbers, Numbers]:
    """Forward and backward time of what only moves 2-byte activations: norms, residuals, activation functions.

    Forward, of a token: two norms 8 h bytes, two residual sums 12 h (14 h with dropout and its mask), split over the
    tensor ranks only with sequence parallelism; the activation function 4 or, gated, 6 bytes of the ``width`` at hand.
    Backward: norms 12 h (they read x and dy and write dx), the sums of what two branches return 12 h, dropout 10 h, the
    activation function 6 or 10.

    A rotary embedding that scales too (YaRN) is no fused kernel but operators on queries and keys: forward two products
    (4 bytes each), half negated (2), joined (4), sum (6), joined with what is not turned (4); backward two products,
    half negated, joined, the sum of both ways and two slices put back (14).

    Source
    ------
    ``apply_rotary_pos_emb`` of Megatron-Core 0.16.1, which refuses its fused kernel where the scale is not 1.
    """
    parts = (1 + model.fed / model.layers) / 2  # of a layer's two, each with a norm and a residual sum
    h = parts * model.hidden / np.where(L.sequence_parallel > 0, L.tensor, 1)
    moved = m * ((22 if recipe.dropout else 20) * h + (6 if model.gated else 4) * width)
    back = m * ((34 if recipe.dropout else 24) * h + (10 if model.gated else 6) * width)
    if model.rotary_scale and not recipe.software.compiles:
        turned = model.attending * m * (model.heads + model.key_value_heads) * model.head / L.tensor
        moved, back = moved + 24 * turned, back + 34 * turned
    more = recipe.software.elementwise
    return stream_time(machine, more * moved, kernels=6), stream_time(machine, more * back, kernels=12)


def _casts(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, width: Numbers) -> tuple[Numbers, Numbers]:
    """Forward and backward time in which a layer quantises operands that no fused kernel hands over in a narrow format.

    Each element is read in 16 bit and written in two orientations.  Forward: outputs of attention and activation, while
    norms write the narrow format themselves.  Backward: the gradients of what the four products give.  Experts cast the
    copies that reach them, and the gradients of what they give, copy by copy.
    """
    formats = PRECISIONS[recipe.precision]
    tokens = L.microbatch * recipe.sequence / L.context
    each = (2 + 2 * formats.operand_bytes) * tokens / machine.stream if formats.narrow else 0.0 * tokens
    each = recipe.software.casts * each
    heads = model.heads * model.value_head / L.tensor
    kv = 2 * np.maximum(model.key_value_heads / L.tensor, 1) * model.head
    if model.scan_layers:
        scanned = model.scan_layers / model.layers * model.scan_width / L.tensor
        heads, kv = model.attending * heads + scanned, model.attending * kv + 2 * scanned
    gradients = heads + kv + 2 * model.hidden + (2 if model.gated else 1) * width
    copies = model.expert_input * experts.arriving(model, recipe, L)
    return each * (heads + width + copies), each * (gradients + copies)


def _experts(model: Transformer, recipe: Recipe, L: Layouts, m: Numbers, share: float) -> list[Product]:
    """Router, shared and routed experts of one layer, in a ``share`` of the layers."""
    shared = float(model.shared_experts * model.expert_width)
    beside = _feed_forward(model, m, shared / L.tensor, share) if shared else []
    own = m / L.tensor
    scores = Product(own, model.experts, model.hidden, share=share, sixteen=True)
    if model.expert_latent:
        narrow, wide = float(model.expert_latent), float(model.hidden)
        beside += [Product(own, narrow, wide, share=share), Product(own, wide, narrow, share=share)]
    return [*experts.products(model, recipe, L, m, share), *beside, scores]


def ends(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Pass, Pass]:
    """Forward and backward of logits and loss, on the stage that has them.

    Both ends of the model are split over the tensor ranks too: forward the embedding's sum and the gathering of what
    the logits read, backward the same the other way round, or all-reduces without sequence parallelism; nothing hides
    them.
    The fp32 logits pass through memory several times (cast, maximum, exponent, sum, gradient), more often unfused.
    """
    t, m = L.tensor, L.microbatch * recipe.sequence / L.context
    logits = Product(m, model.vocabulary / t, model.hidden, sixteen=True)
    (once,), (back,) = product_times(machine, [logits], gradient=recipe.gradient_bytes)
    tp, volume = group(machine, t, np.ones_like(t)), 2 * m * float(model.hidden)
    tensor = np.where(L.sequence_parallel > 0, 2 * all_gather(tp, volume), all_reduce(tp, volume))
    zero = np.zeros_like(t)
    loss = stream_time(machine, recipe.software.logits * m * model.vocabulary / t, kernels=5)
    return Pass(once, zero, loss / 2, tensor, zero, zero), Pass(back, zero, loss / 2, tensor, zero, zero)
