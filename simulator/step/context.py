"""Context parallelism: ranks that share a sequence, each with the queries of its part, and how these meet all keys.

``ring``: keys and values go around, and each block's attention hides the next block's journey.  ``all-gather``: every
rank collects all keys and values of a layer first.  ``all-to-all``: ranks change parts of the sequence for heads,
attend to whole sequences and change back; there have to be as many heads.

Source
------
Liu et al., "Ring Attention", arXiv:2310.01889; Llama Team, "The Llama 3 Herd of Models", arXiv:2407.21783, section
3.3.2 (all-gather); Jacobs et al., "DeepSpeed Ulysses", arXiv:2309.14509 (all-to-all): recalled, not opened.
"""

from __future__ import annotations

import numpy as np

from simulator.step.collectives import all_gather, all_to_all, group
from simulator.step.layout import CONTEXTS, Layouts
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers
from simulator.workload import Recipe, Transformer

__all__ = ["exposed", "gathered", "keys_met"]

_RING, _GATHER, _SWAP = (float(CONTEXTS.index(name)) for name in ("ring", "all-gather", "all-to-all"))


def keys_met(keys: float, L: Layouts) -> Numbers:
    """Keys a query meets in one kernel: around a ring, each block of them is a kernel of its own."""
    return np.where(L.context_by == _RING, keys / L.context, keys)


def _carried(model: Transformer, recipe: Recipe, L: Layouts) -> tuple[Numbers, Numbers, Numbers]:
    """Bytes of a rank's own queries, keys with values, and outputs. [B]"""
    m, t = L.microbatch * recipe.sequence / L.context, L.tensor
    queries, outputs = (2 * m * model.heads / t * width for width in (model.head + model.rope_dim, model.value_head))
    kv = 2 * 2 * m * np.maximum(model.key_value_heads / t, 1) * model.head
    if model.attention == "mla":
        kv = queries + outputs
    return queries, kv, outputs


def exposed(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, attention: tuple[Numbers, Numbers]
) -> tuple[Numbers, Numbers]:
    """Seconds a layer waits forward and backward, with what it computes of ``attention`` in each.

        ring        max(G(c kv) − attention, 0), backward 2 G: keys with their gradients
        all-gather  G(c kv), backward 2 G: gathered again, gradients scattered
        all-to-all  A(q + kv) + A(o), as much backward

    with G an all-gather and A an all-to-all among c ranks; keys with fewer heads than ranks are sent to several.
    """
    none = np.zeros_like(L.tensor)
    if not (L.context > 1).any():
        return none, none
    who = group(machine, L.context, L.tensor)
    queries, kv, outputs = _carried(model, recipe, L)
    gather = all_gather(who, kv * L.context)
    heads = model.heads if model.attention == "mla" else model.key_value_heads
    copies = np.maximum(L.context * L.tensor / np.maximum(heads, L.tensor), 1)
    swap = all_to_all(who, queries + kv * copies) + all_to_all(who, outputs)
    waits = []
    for times, computed in zip((1, 2), attention, strict=True):
        ring = np.maximum(times * gather - computed, 0)
        waits.append(np.where(L.context_by == _RING, ring, np.where(L.context_by == _GATHER, times * gather, swap)))
    return waits[0], waits[1]


def gathered(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Bytes of keys and values that a rank has collected for the layer at work. [B]"""
    collects = (L.context_by == _GATHER) & (L.context > 1)
    if not collects.any():
        return np.zeros_like(L.context)
    _, kv, _ = _carried(model, recipe, L)
    return np.where(collects, (L.context - 1) * kv, 0.0)
