"""As little recomputation as memory demands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.step.layout import FULL, Layouts
from simulator.step.machine import Machine
from simulator.step.memory import Footprint, Holdings, footprint, holdings
from simulator.step.roofline import Numbers
from simulator.workload import Recipe, Transformer

__all__ = ["eased"]


def eased(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, room: Numbers | float,
    held: Holdings | None = None,
) -> tuple[Layouts, Footprint]:  # fmt: skip
    """The layouts, those that need more than ``room`` bytes recomputing whole layers of a stage, and their memory.

    Memory falls linearly from one such layer to all l of a stage, so that

        n = 1 + (M(1) − room) / (M(1) − M(l)) · (l − 1)

    rounded up, on the stage where that is most.  Where it takes all of them it does not fit: that is full
    recomputation, another layout.

    Source
    ------
    Megatron-LM's block method of recomputation, which names the number of layers (NVIDIA, repository's arguments).
    """
    held = held or holdings(model, recipe, L)
    flying = held.activations.flying(recipe, L)
    now = footprint(machine, model, recipe, L, held, flying)
    tight = (now.total > room).any(axis=0) & (L.recompute != FULL)
    if not tight.any():
        return L, now
    stage, flying = held.placed.fullest[tight], flying.where(tight)
    one, least = flying.needed(1 / stage), flying.needed(1.0)
    each = np.maximum(one - least, 1.0) / np.maximum(stage - 1, 1)
    over = now.where(tight).total - now.activations[:, tight] + one - room
    number = np.ceil(1 + np.maximum(over, 0) / each).max(axis=0)
    partly = number < stage
    layers, kept = L.recompute_layers.copy(), now.activations.copy()
    layers[tight] = np.where(partly, number, 0)
    kept[:, tight] = np.where(partly, one - each * (number - 1), now.activations[:, tight])
    return replace(L, recompute_layers=layers), replace(now, activations=kept)
