"""Layers of routed experts: their products, the traffic that brings tokens to them, and what they leave in memory.

A token goes to ``k`` of ``E`` experts.  ``e`` ranks hold ``E / e`` experts each; with ``split`` experts each of these
is cut further over the tensor ranks.  Routing is assumed balanced: every expert gets the same number of tokens, which
benchmarks force and an auxiliary loss approaches.
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

__all__ = ["exchange", "kept", "launches", "permuted", "products", "ranks", "sharing"]

_ROUTING = 180
"""Kernels a pass launches to route tokens: scores, choice, counts, permutations, exchanges.

Set by hand, in launches of the host's usual time, on the rows of Qwen3-30B with microbatches of one sequence (Megatron-
Bridge, in seeds/measurements): a layer takes 9 to 10 ms there on H100 and on B200 alike, with 8 experts a rank or 16,
in 16 bit or 8, and hardly more with four sequences.  Part of it is the wait for the number of tokens of each expert,
which the host must read from the device before it can launch the products.
"""
_ROUTING_FIXED = 40
"""The same where every expert gets a fixed number of tokens, so that nothing is read back.  [kernels]"""


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


def products(model: Transformer, recipe: Recipe, L: Layouts, m: Numbers, share: float) -> list[Product]:
    """The routed experts' matrix products for ``m`` tokens of the tensor ranks together, in a ``share`` of the layers.

    One grouped product for each matrix over all experts a rank holds, each of ``m k s / (t · held)`` tokens, with s the
    ranks that share an expert; its weights' gradients have the tokens as inner dimension and accumulate in fp32.
    """
    s, h, f = sharing(recipe, L), float(model.hidden), float(model.expert_width)
    held = _held(model, L)
    tokens = m * model.experts_per_token * s / L.tensor / held
    shapes = (((2 if model.gated else 1) * f / s, h), (h, f / s))
    return [Product(tokens, n, k, batch=held, share=share) for n, k in shapes]


def permuted(model: Transformer, recipe: Recipe, L: Layouts, m: Numbers) -> Numbers:
    """Bytes a pass moves to gather the tokens of each expert and to put them back.

        (m / t) · 4 (h + k h), and 8 k h m s / t where a rank holds several experts

    Copies for a plain exchange are written and, after it, summed again; a node-limited one copies and sums on the way.
    Those for several experts of one rank are sorted by expert and back.
    """
    s, h, k = sharing(recipe, L), float(model.hidden), float(model.experts_per_token)
    copied = 0.0 if recipe.node_limited else 4 * h * (1 + k)
    return m / L.tensor * (copied + np.where(_held(model, L) > 1, 8 * k * h * s, 0.0))


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
    """
    s = sharing(recipe, L)
    who = group(machine, L.expert, s)
    copies = 2 * m / L.tensor * model.experts_per_token * model.hidden
    once = _met(model, who) if recipe.node_limited else np.ones_like(s)
    among = group(machine, s, np.ones_like(s))
    return 2 * all_to_all(who, copies, once=once) + 2 * all_gather(among, copies * s)


def launches(model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers]:
    """Kernels of an average layer's experts, forward and backward, beside those of the rest of the layer.

    Grouped products are launched expert by expert: two products forward and four backward for each expert a rank
    holds, and in narrow formats a cast for each.
    """
    share = model.expert_layers / model.layers
    each = _held(model, L) * (2 if PRECISIONS[recipe.precision].narrow else 1)
    routing = _ROUTING if recipe.dropless else _ROUTING_FIXED
    return share * (routing + 2 * each), share * (routing + 4 * each)


def kept(model: Transformer, recipe: Recipe, L: Layouts, drops: NDArray[np.bool_]) -> Numbers:
    """Bytes a token leaves behind in an average layer for the backward pass of its routed experts.

        k [c h s + 2 g f + c f] / t

    with c bytes kept of an input of a product and g the matrices before the activation function.  The
    experts' outputs are not kept: scaling by the router's weights is done before the second product.  What ``drops``
    recomputes the activation function and keeps no result of it.
    """
    c = PRECISIONS[recipe.precision].input_bytes
    f = float(model.expert_width)
    activated = np.where(drops, 0.0, c * f) if model.gated else c * f
    each = c * model.hidden * sharing(recipe, L) + 2 * (2 if model.gated else 1) * f + activated
    result: Numbers = model.expert_layers / model.layers * model.experts_per_token * each / L.tensor
    return result
