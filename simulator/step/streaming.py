"""Machines whose weights live outside: wafers fed by a weight store, and tiles fed through their edge.

Activations stay in on-chip memory; weights stream in layer by layer, twice for each microbatch (forward and backward),
and gradients stream out once.  There is no tensor parallelism across wafers: systems are data-parallel.  Tiles of a
mesh form groups that hold one replica's activations together and share its arithmetic.
"""

from __future__ import annotations

import numpy as np

from simulator.step.collectives import all_gather, all_reduce, group
from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.memory import Footprint
from simulator.step.pipeline import microbatches
from simulator.step.timing import Evaluation
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["evaluate", "hiding_batch"]

_BUFFERS = 0.1  # of the on-chip memory: programs, and weights and gradients on their way through


def hiding_batch(machine: Machine, model: Transformer, recipe: Recipe, *, tiles: int = 1) -> float:
    """Sequences in a microbatch from which arithmetic hides the weights. [sequences]

        2 N w / B_edge = F s b / (tiles · P e)    solved for b

    with N weights of w bytes, F FLOPs a token: independent of the model's size as long as F ∝ N.
    """
    stream = 2 * model.parameters * PRECISIONS[recipe.precision].weight_bytes / (tiles * machine.edge_bandwidth)
    each = recipe.sequence * model.flops_per_token(recipe.sequence) / (tiles * _rate(machine, model))
    return stream / each


def _rate(machine: Machine, model: Transformer) -> float:
    """What one part sustains, P e / (1 + k½ / h): a narrow layer leaves its cores little to do at once. [FLOP/s]"""
    return machine.peak * machine.gemm * machine.narrow / (1 + machine.half_depth / model.hidden)


def evaluate(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Evaluation:
    """Step time and memory of each layout; ``tensor`` counts the tiles of a group, 1 on a wafer.

        T = m · max(arithmetic, N max(2 w, g) / (tiles · B_edge)) + reduction + exchange

    with m microbatches a group computes.  For each of them the weights (w bytes each) stream in twice and the gradients
    (g bytes each) stream out once, layer by layer, on links that carry both directions at once; nothing stays inside
    that could sum them.  Groups of a wafer cluster are reduced by the tree on the way out; groups of tiles by an
    all-reduce over the mesh, once a step.

    Source
    ------
    Execution after Cerebras' published description of weight streaming (weights in MemoryX, reduction in SwarmX, no
    activations off the wafer); edge rates are the catalogue's.  Scaling beyond two systems has no public measurement.
    """
    formats = PRECISIONS[recipe.precision]
    tiles, count = L.tensor, microbatches(recipe.batch, L)
    accelerators = tiles * L.data
    flops = recipe.tokens * model.flops_per_token(recipe.sequence)
    ideal = flops / (accelerators * machine.rated)
    worked = L.microbatch * L.data * count * recipe.sequence / recipe.tokens  # the last microbatch may be short
    arithmetic = flops * worked / (accelerators * _rate(machine, model))
    again = np.where(L.recompute == 2, arithmetic / 3, 0.0)
    traffic = model.parameters * max(2 * formats.weight_bytes, recipe.gradient_bytes)
    streaming = count * (traffic / (tiles * machine.edge_bandwidth) + machine.latency * model.layers * 2)
    exposed = np.maximum(streaming - arithmetic - again, 0)
    who = group(machine, tiles, np.ones_like(tiles))
    tokens = L.microbatch * recipe.sequence
    passes = np.where(L.recompute == 2, 12, 8)  # four exchanges a layer forward, backward and once more recomputed
    exchanged = count * model.layers * passes * all_gather(who, 2 * tokens * model.hidden)
    gradients = model.parameters * recipe.gradient_bytes
    replicas = group(machine, L.data, tiles)
    reduced = np.zeros_like(tiles) if machine.execution == "wafer" else all_reduce(replicas, gradients / tiles)
    parts = {
        "model arithmetic at peak": ideal,
        "arithmetic below peak": arithmetic - ideal,
        "recomputation": again,
        "weight streaming": exposed,
        "tensor parallel": exchanged,
        "data parallel": reduced,
    }
    return Evaluation(
        layouts=L,
        parts=parts,
        memory=_footprint(machine, model, recipe, L),
        tokens=recipe.tokens,
        model_flops=flops,
        peak=accelerators * machine.rated,
    )


def _footprint(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Footprint:
    """On-chip memory: the activations of one microbatch, spread over the group; weights pass through and do not stay.

    Weights, gradients and optimizer live outside and have to fit there; what does not is charged on chip, where it
    cannot fit either.
    """
    formats = PRECISIONS[recipe.precision]
    tokens = L.microbatch * recipe.sequence / L.tensor
    per_layer = 8 * model.hidden + 4 * model.heads * model.head + 4 * model.key_value_heads * model.head
    width = model.experts_per_token * model.expert_width if model.experts else model.ffn
    per_layer += (6 if model.gated else 4) * width
    kept = np.where(L.recompute == 2, 2.0 * model.hidden, per_layer)
    state = formats.weight_bytes + recipe.gradient_bytes + formats.optimizer_bytes
    # a wafer cluster shares one store; every tile brings its own edge memory
    outside = machine.edge_memory * (1 if machine.execution == "wafer" else L.tensor * L.data)
    zero = np.zeros_like(tokens)
    overflow = zero + np.maximum(model.parameters * state - outside, 0)
    return Footprint(  # all parts of the machine hold the same
        weights=zero[None],
        gradients=zero[None],
        optimizer=overflow[None],
        activations=(tokens * (kept * model.layers + np.where(L.recompute == 2, per_layer, 0)))[None],
        buffers=(zero + _BUFFERS * machine.memory)[None],
        capacity=machine.memory,
    )
