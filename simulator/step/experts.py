"""Layers of routed experts: their products, the traffic that brings tokens to them, and what they leave in memory.

A token goes to ``k`` of ``E`` experts.  ``e`` ranks hold ``E / e`` experts each; with ``split`` experts each of these
is cut further over the tensor ranks.  Routing is balanced unless the job says otherwise: benchmarks force every expert
to get the same number of tokens, and an auxiliary loss approaches it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.step.collectives import Group, all_gather, all_to_all, group
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers, Product
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["exchange", "kept", "launches", "load", "permuted", "products", "ranks", "refills", "sharing", "unfused"]

_FIXED = 40
"""Kernels a pass launches to route tokens where every expert gets a fixed number of them, or the device alone knows."""

_AFTER = 1 / 3
"""Share of a pass's routing that is launched after the host has read how many tokens each expert gets.

Estimate: scores, choice and counts come before, copying, exchange and sorting after it.
"""


def sharing(recipe: Recipe, L: Layouts) -> Numbers:
    """Ranks that share one expert: the tensor ranks where experts are split and their groups fit among the replicas.

    Megatron-Core splits experts as it does everything else unless told otherwise; a group of more ranks than there are
    replicas needs the tensor ranks too, and then each holds whole experts.
    """
    if not recipe.split_experts:
        return np.ones_like(L.tensor)
    return np.where(np.mod(L.context * L.data, L.expert) != 0, 1.0, L.tensor)


def ranks(recipe: Recipe, L: Layouts) -> Numbers:
    """Ranks over which the routed experts of a stage are spread, whole or in parts."""
    return L.expert * sharing(recipe, L)


def _held(model: Transformer, L: Layouts) -> Numbers:
    return np.maximum(model.experts / L.expert, 1)


def load(recipe: Recipe, L: Layouts) -> Numbers:
    """Tokens of the busiest of the e ranks over the mean, which all others wait for: the job's ``imbalance``.

    It can be no more than e, all tokens on one rank; a rank that holds every expert computes all its own tokens
    whatever they choose.
    """
    return np.minimum(recipe.imbalance, L.expert)


def arriving(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Copies of tokens that the busiest rank's experts get in an average layer, for each token of the tensor ranks."""
    share = model.expert_layers / model.layers
    return share * model.experts_per_token * sharing(recipe, L) / L.tensor * load(recipe, L)


def _on_device(machine: Machine, recipe: Recipe, L: Layouts) -> NDArray[np.bool_]:
    """Whether no host needs to know how many tokens an expert gets: not if the exchange leaves a scale-up domain."""
    if recipe.dispatch != "device":
        return np.zeros(len(L), dtype=bool)
    inside: NDArray[np.bool_] = group(machine, L.expert, sharing(recipe, L)).domains <= 1
    return inside


def products(model: Transformer, recipe: Recipe, L: Layouts, m: Numbers, share: float) -> list[Product]:
    """The routed experts' matrix products for ``m`` tokens of the tensor ranks together, in a ``share`` of the layers.

    One grouped product for each matrix over all experts a rank holds, each of ``m k s / (t · held)`` tokens, with s the
    ranks that share an expert; its weights' gradients have the tokens as inner dimension and accumulate in fp32.
    """
    s, h, f = sharing(recipe, L), float(model.expert_input), float(model.expert_width)
    held = _held(model, L)
    tokens = m * model.experts_per_token * s / L.tensor / held * load(recipe, L)
    shapes = (((2 if model.gated else 1) * f / s, h), (h, f / s))
    return [Product(tokens, n, k, batch=held, share=share) for n, k in shapes]


def permuted(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, m: Numbers) -> Numbers:
    """Bytes a pass moves to gather the tokens of each expert and to put them back.

        (m / t) · 4 (h + k h), and 8 k h m s / t where a rank holds several experts

    Copies for a plain exchange are written and, after it, summed again; one that sends a token once for each domain
    copies and sums on the way.  Those for several experts of one rank are sorted by expert and back, unless the device
    that exchanges them counts them too and puts them where their expert reads them.
    """
    s, h, k = sharing(recipe, L), float(model.expert_input), float(model.experts_per_token)
    copied = 4 * h * (1 + k) if recipe.dispatch == "each" else 0.0
    sort = (_held(model, L) > 1) & ~_on_device(machine, recipe, L)
    return m / L.tensor * (copied + np.where(sort, 8 * k * h * s * load(recipe, L), 0.0))


def unfused(model: Transformer, recipe: Recipe, L: Layouts, m: Numbers) -> tuple[Numbers, Numbers]:
    """Bytes a pass moves for what experts do in single operators, forward and backward.

        biases    28 · k h m s / t forward, 40 backward
        bounds     8 · k w m / t forward, 10 backward,    w = 2 f gated, else f

    The bias of each expert's second product, times the router's weight, which is in fp32, is added to the tokens of
    that expert by itself: product (4 bytes written), sum (6 read, 4 written), joined (4, 4) and cast (4, 2); backward
    casts (6, 6), parts joined (2, 2), product (8) and sum (4) for the bias, the same for the weight.  The first product
    adds its own.  Where what the activation function gets is bounded, its halves are (2, 2) and are joined (2, 2);
    backward masked (4, 2) and joined (2, 2).

    Source
    ------
    ``TEGroupedMLP._apply_bias`` and ``weighted_bias_quick_geglu_impl`` of Megatron-Core 0.16.1.
    """
    copies = m / L.tensor * model.experts_per_token * load(recipe, L)
    biased = copies * model.expert_input * sharing(recipe, L) * model.expert_biases
    bounded = copies * _inner(model) * model.expert_bounds
    return 28 * biased + 8 * bounded, 40 * biased + 10 * bounded


def _inner(model: Transformer) -> float:
    """Numbers that the activation function of an expert gets for a token."""
    return float(model.expert_width * (2 if model.gated else 1))


def _met(model: Transformer, who: Group) -> Numbers:
    """Share of a token's k copies that must travel when copies for one domain travel once.

    A token whose k experts lie anywhere in D domains meets ``D (1 − (1 − 1/D)^k)`` of them; node-limited routing
    chooses among ``limit`` of them only.

    Source
    ------
    DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv:2412.19437, sections 2.1.2 (node-limited routing) and 3.2.2
    (a token crosses the fabric once for each node, and goes on over NVLink).
    """
    k = model.experts_per_token
    domains = np.minimum(who.domains, model.routing_limit or np.inf)
    result: Numbers = domains * (1 - (1 - 1 / domains) ** k) / k
    return result


def exchange(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, m: Numbers) -> Numbers:
    """Seconds to send ``m`` tokens of the tensor ranks to their experts and back: two all-to-alls of 2 k h m / t bytes.

    Where an expert is shared by the tensor ranks these gather all their tokens before it and reduce-scatter after it.
    The exchange ends when the busiest rank has its tokens.
    """
    s = sharing(recipe, L)
    who = group(machine, L.expert, s)
    copies = 2 * m / L.tensor * model.experts_per_token * model.expert_input * load(recipe, L)
    once = np.ones_like(s) if recipe.dispatch == "each" else _met(model, who)
    exchanged: Numbers = 2 * all_to_all(who, copies, once=once)
    if (s > 1).any():
        exchanged = exchanged + 2 * all_gather(group(machine, s, np.ones_like(s)), copies * s)
    return exchanged


def launches(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers]:
    """Kernels of an average layer's experts, forward and backward, beside those of the rest of the layer.

    Grouped products are launched expert by expert: two products forward and four backward for each expert a rank
    holds, and in narrow formats a cast for each; with biases two operators more forward and nine backward, where those
    of :func:`unfused` are followed by adding both to their gradients; five where inputs of activation functions are
    bounded.  Where the device alone knows the sizes one kernel serves all experts.
    """
    share = model.expert_layers / model.layers
    on_device = _on_device(machine, recipe, L)
    calls = np.where(on_device, 1, _held(model, L))
    each = calls * (2 if PRECISIONS[recipe.precision].narrow else 1)
    more = calls if model.expert_biases else 0 * calls
    routing = np.where(on_device | (not recipe.dropless), _FIXED, recipe.software.routing)
    routing = routing + (5 if model.expert_bounds else 0)
    return share * (routing + 2 * each + 2 * more), share * (routing + 4 * each + 9 * more)


def refills(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Launches that an average layer's device waits for after the host has read how many tokens each expert gets.

    Until then the host could not run ahead, so the queue is empty and fills one small kernel at a time.
    """
    waits = ~_on_device(machine, recipe, L) & recipe.dropless
    return model.expert_layers / model.layers * np.where(waits, _AFTER * recipe.software.routing, 0)


def kept(model: Transformer, recipe: Recipe, L: Layouts, drops: NDArray[np.bool_]) -> Numbers:
    """Bytes a token leaves behind in an average layer for the backward pass of its routed experts.

        k [c h s + 2 g f + c f] / t

    with c bytes kept of an input of a product and g the matrices before the activation function, 2 g f more where what
    that gets is bounded first.  The experts' outputs are not kept: scaling by the router's weights is done before the
    second product.  What ``drops`` recomputes the activation function and keeps no result of it.
    """
    c = PRECISIONS[recipe.precision].input_bytes
    f = float(model.expert_width)
    activated = np.where(drops, 0.0, c * f) if model.gated else c * f
    inner = 2 * _inner(model) * (2 if model.expert_bounds and not recipe.software.compiles else 1)
    each = c * model.expert_input * sharing(recipe, L) + inner + activated
    copies = model.experts_per_token * load(recipe, L)
    result: Numbers = model.expert_layers / model.layers * copies * each / L.tensor
    return result
