"""Bytes on one accelerator: does it fit, by how much not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.step.layout import Layouts
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["Footprint", "Memory", "copies", "footprint", "local_parameters"]

_BUFFERS = 2.0e9  # communicators 0.35 GB each, runtime and workspaces: what frameworks hold beside tensors
_USABLE = 0.94  # the allocator's share that fragmentation leaves


@dataclass(frozen=True, slots=True)
class Memory:
    """What the fullest accelerator holds. [B]"""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    buffers: float
    capacity: float

    @property
    def total(self) -> float:
        """Bytes needed."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.buffers

    @property
    def margin(self) -> float:
        """Bytes left; negative when it does not fit."""
        return self.capacity - self.total


@dataclass(frozen=True, slots=True)
class Footprint:
    """:class:`Memory` of many layouts as arrays."""

    weights: Numbers
    gradients: Numbers
    optimizer: Numbers
    activations: Numbers
    buffers: Numbers
    capacity: float

    @property
    def margin(self) -> Numbers:
        """Bytes left; negative when a layout does not fit."""
        used: Numbers = self.weights + self.gradients + self.optimizer + self.activations + self.buffers
        return self.capacity - used

    def at(self, index: int) -> Memory:
        """The memory of one layout."""
        return Memory(
            weights=float(self.weights[index]),
            gradients=float(self.gradients[index]),
            optimizer=float(self.optimizer[index]),
            activations=float(self.activations[index]),
            buffers=float(self.buffers[index]),
            capacity=self.capacity,
        )


def copies(recipe: Recipe, L: Layouts) -> Numbers:
    """Sharded copies of the model: 1, or more where hybrid sharding spreads one over a slice or a node only."""
    replicas = L.data * L.context
    return np.maximum(replicas / recipe.shard, 1) if recipe.shard else np.ones_like(replicas)


def local_parameters(model: Transformer, L: Layouts) -> tuple[Numbers, Numbers]:
    """Parameters on the fullest rank of a stage: split by tensor and pipeline, and experts.

    The first stage holds the input embedding beside its layers, the last one the output embedding.
    """
    stage = np.ceil(model.layers / L.pipeline) / model.layers
    embedding = model.embedding_parameters * np.where(L.pipeline > 1, 0.5, 1.0)
    embedding = np.where((L.pipeline > 1) & model.tied_embeddings, float(model.embedding_parameters), embedding)
    shared = (model.shared_parameters * stage + embedding) / L.tensor
    return shared, model.routed_parameters * stage / L.expert


def activation_bytes(model: Transformer, recipe: Recipe, L: Layouts) -> Numbers:
    """Activations one microbatch leaves behind in one layer. [B]

    Per token, 2-byte activations and 1-byte dropout masks:

        replicated over tensor ranks (split with sequence parallelism): norms and block inputs 8 h, dropout masks 2 h
        split: queries and outputs 4 a d / t, keys and values 4 g d / t, feed-forward 4 f / t (6 f / t gated)
        unfused attention: 5 a s / t more

    ``selective`` recomputation drops what is large and cheap: the scores of unfused attention and the product of a
    gated feed-forward part (2 f / t).  ``full`` keeps only the layer's input, 2 h.

    Source
    ------
    Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models", arXiv:2205.05198, section 4,
    equations 1, 2 and 4; regrouped for grouped queries, gated feed-forward and experts.
    """
    t, h = L.tensor, float(model.hidden)
    m = L.microbatch * recipe.sequence / L.context
    spread = np.where(L.sequence_parallel > 0, t, 1.0)
    kv = np.maximum(model.key_value_heads / t, 1) * model.head
    wide = np.where(L.recompute == 0, 6, 4) if model.gated else 4
    share = model.expert_layers / model.layers
    dense = wide * model.ffn / t * (1 - share + (share if model.residual_ffn else 0))
    routed = share * (model.experts_per_token * (wide * model.expert_width + 4 * h) / t
                      + model.shared_experts * wide * model.expert_width / t)  # fmt: skip
    attention = 4 * model.heads * model.head / t + 4 * kv
    if model.attention == "mla":  # queries and keys with their rotary part, values, output, and the compressed forms
        whole = model.heads * (2 * (model.head + model.rope_dim) + 2 * model.value_head)
        attention = 2 * whole / t + 2 * ((model.query_rank or 0) + (model.kv_rank or 0) + model.rope_dim)
    kept = (10 if recipe.dropout else 8) * h / spread + attention + dense + routed
    scores = 0.0 if recipe.fused_attention else 5.0 * model.heads * recipe.sequence / t
    kept = kept + np.where(L.recompute == 0, scores, 0.0)
    result: Numbers = m * np.where(L.recompute == 2, 2 * h / spread, kept)
    return result


def footprint(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> Footprint:
    """Memory of the fullest accelerator of each layout.

    Microbatches in flight on the first stage: p with 1F1B, p + (p − 1)/v interleaved (Narayanan et al.,
    arXiv:2104.04473, section 2.2), never more than there are.  ZeRO 1, 2, 3 spread the optimizer, the gradients and
    the weights over the data-parallel ranks (arXiv:1910.02054, section 5).
    """
    formats = PRECISIONS[recipe.precision]
    shared, routed = local_parameters(model, L)
    replicas = L.data * L.context
    expert_replicas = np.maximum(L.tensor * replicas / L.expert, 1)
    held_whole = copies(recipe, L)

    def spread(each: float, stage: int) -> Numbers:
        over = np.where(L.zero >= stage, replicas / held_whole, 1)
        over_experts = np.where(L.zero >= stage, np.maximum(expert_replicas / held_whole, 1), 1)
        result: Numbers = each * (shared / over + routed / over_experts)
        return result

    layers = np.ceil(model.layers / L.pipeline)
    microbatches = np.ceil(recipe.batch / (L.data * L.microbatch))
    flight = np.where(L.interleave > 1, L.pipeline + (L.pipeline - 1) / L.interleave, L.pipeline)
    flight = np.minimum(flight, microbatches)
    each = activation_bytes(model, recipe, L)
    # while one layer is recomputed its activations stand in full
    full = Layouts(**{name: getattr(L, name) for name in L.__slots__} | {"recompute": np.zeros_like(L.recompute)})
    working = np.where(L.recompute == 2, activation_bytes(model, recipe, full), 0.0)
    logits = 6 * L.microbatch * recipe.sequence / L.context * model.vocabulary / L.tensor
    at_first = each * layers * flight + np.where(L.pipeline == 1, logits, 0.0)
    at_last = each * layers + logits
    gathered = np.where(L.zero >= 3, 2 * formats.weight_bytes * (shared + routed) / layers, 0.0)
    return Footprint(
        weights=spread(formats.weight_bytes, 3) + gathered,
        gradients=spread(formats.gradient_bytes, 2),
        optimizer=spread(formats.optimizer_bytes, 1),
        activations=np.maximum(at_first, at_last) + working,
        buffers=np.full_like(shared, _BUFFERS),
        capacity=machine.memory * _USABLE,
    )
