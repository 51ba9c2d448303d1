"""Which layers are on which stage of a pipeline.

The last stage has the logits beside its layers, so it gets fewer of them where that makes the slowest stage quicker.
What the stages could hold beyond what there is, is missing on the first, which has the embedding and most microbatches
in flight, and on some of those in between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step.layout import Layout, Layouts
from simulator.step.roofline import Numbers
from simulator.workload import Recipe, Transformer

__all__ = ["Placement", "chunked", "deal", "dealt", "ending", "spread"]

_ROUNDING = 1e-9  # a whole number of layers may come out a little below


class Placement(NamedTuple):
    """Layers on the first stage, on the fullest of those in between, and on the last. Shape of both: 3 × layouts.

    Those in between hold what the other two do not, the emptiest one layer fewer than the fullest.  Where there are
    none they count as many as the first, and a layout without pipeline has all layers on its last stage.
    """

    layers: Numbers
    leading: Numbers  # of them without experts, where only the model's first ones have none

    @property
    def fullest(self) -> Numbers:
        """Layers on the stage that has most."""
        most: Numbers = self.layers.max(axis=0)
        return most

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Placement:
        """The same of the layouts for which ``chosen`` is true, or of those at its indices."""
        return Placement(self.layers[:, chosen], self.leading[:, chosen])


def ending(model: Transformer, recipe: Recipe) -> float:
    """What the last stage computes beside its layers, in layers: logits, and what predicts further tokens.

        x = n + (1 + n) · 6 h V / F_layer

    with n further tokens and F_layer the arithmetic of an average layer.  By arithmetic alone, so that memory can be
    counted before any time is: in 16 bit the times of dense models have this ratio within a tenth; layers of fine
    experts take about twice their arithmetic, and layers in 8 bit two thirds of it.
    """
    further, logits = model.next_tokens, 6 * float(model.hidden) * model.vocabulary
    layers = model.flops_per_token(recipe.sequence, causal=recipe.fused_attention) - (1 + further) * logits
    return further + (1 + further) * logits * model.depth / layers


def deal(model: Transformer, recipe: Recipe, L: Layouts) -> Placement:
    """Layers of each layout's stages.  Of those in between the last counts for what has experts: it has most."""
    layers = dealt(model.layers, ending(model, recipe), L)
    leading = np.zeros_like(layers)
    if model.leading_layers:
        leading[1:] = np.maximum(model.layers - layers[2] - [layers[1], np.zeros(len(L))], 0)  # before these
        leading = np.clip(model.leading_layers - leading, 0, layers)
    return Placement(layers, leading)


def dealt(layers: int, ending: float, L: Layouts) -> Numbers:
    """Whole layers dealt out to p stages, the last of which has ``ending`` layers' worth of work beside its own.

    With at most N layers on every other stage, a multiple of its v chunks, the last one has at least g(N), and the
    slowest stage takes as long as

        T(N) = max(N, g(N) + x) layers,    g(N) = max(l − (p − 1) N, 0)

    The first term rises with N and the second falls, so the least is at N = v ⌈(l + x) / p v⌉ or v below.  The last
    stage then gets as many layers as T leaves it, ⌊T − x⌋, unless that leaves none of the others with N; the first gets
    ⌊·⌋ and the fullest of the others ⌈·⌉ of what is left for each.  Where a layout says what its first or last stage
    has, only the rest is dealt out.  Shape: as of :class:`Placement`.

    Megatron-LM sets the number on the first and the last stage, or counts embedding and loss as a layer each, or takes
    any list (``--decoder-first-pipeline-num-layers``, ``--account-for-loss-in-pipeline-split``,
    ``--pipeline-model-parallel-layout``: recalled).  Llama 3 405B ran as this deals: 126 layers on 16 stages, one layer
    fewer on the first and on the last (arXiv:2407.21783, section 3.3.2: recalled, not opened).
    """
    p, v = L.pipeline, L.interleave
    stated = (L.first_layers > 0) & (p > 1)
    others = p - 1 - stated  # stages that share what the last one does not take
    rest = layers - stated * L.first_layers
    most = np.ceil((rest + ending) / ((others + 1) * v)) * v
    less = most - v
    slowest, quicker = np.maximum(most, ending), np.maximum(less, np.maximum(rest - others * less, 0) + ending)
    fewer = (quicker <= slowest) | ((v > 1) & (others * (most - 1) >= rest))  # no chunk smaller than the others
    most, slowest = np.where(fewer, less, most), np.where(fewer, quicker, slowest)
    last = np.minimum(np.floor(slowest - ending + _ROUNDING), rest - np.where(others > 0, others * (most - 1) + 1, 0))
    last = np.where((L.last_layers > 0) & (p > 1), L.last_layers, np.maximum(last, 0))
    each = (rest - last) / np.maximum(others, 1)
    first = np.where(stated, L.first_layers, np.floor(each))
    return np.array([first, np.where(others > 0, np.ceil(each), first), last])


def spread(model: Transformer, recipe: Recipe, layout: Layout) -> tuple[int, ...]:
    """Layers on each stage of one layout, the fuller of those in between first."""
    first, between, last = (int(held[0]) for held in dealt(model.layers, ending(model, recipe), Layouts.of([layout])))
    if layout.pipeline < 3:
        return (first, last)[2 - layout.pipeline :]
    inner = layout.pipeline - 2
    full = model.layers - first - last - inner * (between - 1)
    return (first, *(between - (stage >= full) for stage in range(inner)), last)


def chunked(layers: int, L: Layouts) -> Numbers:
    """Layers on a full stage if they are dealt out as evenly as can be: what whole chunks have to divide into.

    So Megatron-LM demands it of the stages in between (recalled); where there are none, of those with given layers.
    At least 1, also of degrees that leave those in between nothing, which are refused elsewhere.
    """
    stated = 1 * (L.first_layers > 0) + (L.last_layers > 0)
    left = layers - L.first_layers - L.last_layers
    even = np.ceil(left / np.maximum(L.pipeline - stated, 1))
    ends = np.gcd(L.first_layers.astype(int), L.last_layers.astype(int))
    return np.maximum(np.where(L.pipeline > stated, even, ends), 1)
