"""Transformers: their shape, parameters and arithmetic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from simulator.catalogue import CatalogueEntry
from simulator.units import Flop, Tokens

__all__ = ["Transformer"]


class Transformer(CatalogueEntry):
    """A decoder-only transformer, dense or with experts, as its configuration file gives it.

    Letters in the methods: ``l`` layers, ``h`` hidden, ``f`` feed-forward width, ``a`` heads, ``g`` key-value heads,
    ``d`` head dimension, ``V`` vocabulary, ``s`` sequence length.
    """

    shelf = "models"

    organisation: str = ""
    year: int = 0
    layers: int = Field(ge=1, le=100_000)
    hidden: int = Field(ge=1, le=10_000_000)
    ffn: int = Field(ge=1, description="width of the dense feed-forward part")
    heads: int = Field(ge=1)
    kv_heads: int | None = Field(default=None, ge=1, description="fewer than heads: grouped-query attention")
    head_dim: int | None = Field(default=None, ge=1)
    vocabulary: int = Field(ge=1)
    context: int = Field(default=2048, ge=1, description="training sequence length [tokens]")
    gated: bool = Field(default=True, description="three matrices in the feed-forward part instead of two")
    tied_embeddings: bool = Field(default=False, description="input and output embedding share their weights")
    attention: Literal["standard", "mla"] = "standard"
    query_rank: int | None = Field(default=None, ge=1, description="MLA: compressed query")
    kv_rank: int | None = Field(default=None, ge=1, description="MLA: compressed key and value")
    rope_dim: int = Field(default=0, ge=0, description="MLA: decoupled rotary part of a head")
    value_dim: int | None = Field(default=None, ge=1, description="MLA: value part of a head, if not head_dim")
    window: int | None = Field(default=None, ge=1, description="sliding-window length of the windowed layers")
    window_every: int = Field(default=1, ge=1, description="one layer in this many is windowed")
    scan_layers: int = Field(default=0, ge=0, description="layers with a state-space scan (Mamba-2) for attention")
    scan_heads: int | None = Field(default=None, ge=1)
    scan_head_dim: int = Field(default=64, ge=1)
    scan_states: int = Field(default=128, ge=1, description="states of a head")
    scan_groups: int = Field(default=8, ge=1, description="groups of heads that share what enters and leaves states")
    ffn_layers: int | None = Field(default=None, ge=1, description="layers with a feed-forward part, if not all")
    experts: int = Field(default=0, ge=0)
    experts_per_token: int = Field(default=0, ge=0)
    shared_experts: int = Field(default=0, ge=0)
    expert_ffn: int | None = Field(default=None, ge=1)
    expert_latent: int | None = Field(default=None, ge=1, description="width of what routed experts get, if not hidden")
    expert_biases: bool = Field(default=False, description="experts add a bias after each of their products")
    expert_bounds: bool = Field(default=False, description="experts bound what their activation function gets")
    rotary_scale: bool = Field(default=False, description="rotary embeddings scale queries and keys too (YaRN)")
    dense_layers: int = Field(default=0, ge=0, description="leading layers without experts")
    expert_every: int = Field(default=1, ge=1, description="one layer in this many has experts")
    routing_limit: int | None = Field(
        default=None, ge=1, description="domains among which a token's experts are chosen"
    )
    residual_ffn: bool = Field(default=False, description="dense feed-forward beside the experts of a layer")
    trained_in: str = Field(default="", description="format of its products where not 16 bit, as its makers say")
    next_tokens: int = Field(
        default=0, ge=0, le=100, description="further tokens predicted at once, each by a layer and logits of its own"
    )
    trained_tokens: Tokens | None = None
    trained_flop: Flop | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Transformer:
        if self.head_dim is None and self.hidden % self.heads:
            raise ValueError(f"expected heads that divide hidden, or head_dim; got {self.heads} for {self.hidden}")
        if self.heads % self.key_value_heads:
            raise ValueError(f"expected kv_heads that divide heads; got {self.key_value_heads} for {self.heads}")
        if self.experts and not 1 <= self.experts_per_token <= self.experts:
            raise ValueError(f"expected experts_per_token from 1 to {self.experts}; got {self.experts_per_token}")
        if self.scan_layers and (self.scan_heads is None or self.scan_layers > self.layers):
            raise ValueError(f"expected scan_heads, and at most {self.layers} scan_layers; got {self.scan_layers}")
        if self.ffn_layers is not None and self.ffn_layers > self.layers:
            raise ValueError(f"expected at most {self.layers} ffn_layers; got {self.ffn_layers}")
        if self.attention == "mla" and self.kv_rank is None:
            raise ValueError("expected kv_rank for mla attention; got none")
        return self

    @property
    def head(self) -> int:
        """Dimension of one head, d."""
        return self.head_dim or self.hidden // self.heads

    @property
    def value_head(self) -> int:
        """Dimension of the value part of one head."""
        return self.value_dim or self.head

    @property
    def key_value_heads(self) -> int:
        """Key-value heads, g."""
        return self.kv_heads or self.heads

    @property
    def depth(self) -> int:
        """Layers a training step computes: with those that predict further tokens."""
        return self.layers + self.next_tokens

    @property
    def attending(self) -> float:
        """Share of the layers that have attention, not a scan."""
        return 1 - self.scan_layers / self.layers

    @property
    def fed(self) -> int:
        """Layers with a feed-forward part."""
        return self.ffn_layers or self.layers

    @property
    def expert_layers(self) -> int:
        """Layers whose feed-forward part is made of experts."""
        return (self.fed - self.dense_layers) // self.expert_every if self.experts else 0

    @property
    def expert_input(self) -> int:
        """Width of what a routed expert gets and gives."""
        return self.expert_latent or self.hidden

    @property
    def scan_width(self) -> int:
        """Width of the values that a scan mixes, w."""
        return (self.scan_heads or 0) * self.scan_head_dim

    @property
    def scan_parameters(self) -> int:
        """Weights of one scan: h (2 w + 2 g n + a) into it, w h out of it, its convolution 4 (w + 2 g n), 3 a + w."""
        w, inputs, a = self.scan_width, 2 * self.scan_groups * self.scan_states, self.scan_heads or 0
        return self.hidden * (3 * w + inputs + a) + 4 * (w + inputs) + 3 * a + w

    @property
    def leading_layers(self) -> int:
        """First layers without experts in a model that has experts in the others."""
        return min(self.dense_layers, self.layers) if self.experts else 0

    @property
    def leading(self) -> Transformer:
        """The model if all its layers were as those: of a dense feed-forward part."""
        return self.model_copy(update={"experts": 0, "dense_layers": 0, "shared_experts": 0, "residual_ffn": False})

    @property
    def expert_width(self) -> int:
        """Feed-forward width of one expert."""
        return self.expert_ffn or self.ffn

    @property
    def attention_parameters(self) -> int:
        """Weights of one layer's attention.

        Standard: ``h·a·d`` for queries, ``2·h·g·d`` for keys and values, ``a·d·h`` for the output.
        MLA (DeepSeek-V2, arXiv:2405.04434, section 2.1): queries through rank r_q, keys and values through rank r_kv,
        with a rotary part of its own.
        """
        h, a, g, d = self.hidden, self.heads, self.key_value_heads, self.head
        if self.attention == "standard":
            return 2 * h * a * d + 2 * h * g * d
        v, rope, kv = self.value_head, self.rope_dim, self.kv_rank or 0
        query = h * self.query_rank + self.query_rank * a * (d + rope) if self.query_rank else h * a * (d + rope)
        return query + h * (kv + rope) + kv * a * (d + v) + a * v * h

    @property
    def dense_ffn_parameters(self) -> int:
        """Weights of one dense feed-forward part: 3hf gated, 2hf plain."""
        return (3 if self.gated else 2) * self.hidden * self.ffn

    @property
    def expert_parameters(self) -> int:
        """Weights of one routed expert."""
        return (3 if self.gated else 2) * self.expert_input * self.expert_width

    @property
    def embedding_parameters(self) -> int:
        """Input and output embedding: 2Vh, or Vh when tied."""
        return (1 if self.tied_embeddings else 2) * self.vocabulary * self.hidden

    @property
    def routed_parameters(self) -> int:
        """Weights of all routed experts: what expert parallelism spreads."""
        return self.expert_layers * self.experts * self.expert_parameters

    @property
    def leading_parameters(self) -> int:
        """Weights of one of the first layers, which have no experts."""
        return self.attention_parameters + self.dense_ffn_parameters + 2 * self.hidden

    @property
    def shared_parameters(self) -> int:
        """All weights but routed experts and embeddings."""
        h, m = self.hidden, self.expert_layers
        dense = (self.fed - m + (m if self.residual_ffn else 0)) * self.dense_ffn_parameters
        shared = (3 if self.gated else 2) * h * self.shared_experts * self.expert_width
        beside = m * (shared + h * self.experts + 2 * h * (self.expert_latent or 0))  # with the router
        mixing = (self.layers - self.scan_layers) * self.attention_parameters
        if self.scan_layers:
            mixing += self.scan_layers * self.scan_parameters
        return mixing + dense + beside + h * (self.layers + self.fed)  # with the norms, one before each part of a layer

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.shared_parameters + self.routed_parameters + self.embedding_parameters

    @property
    def active_parameters(self) -> int:
        """Weights one token meets, embeddings included."""
        routed = self.expert_layers * self.experts_per_token * self.expert_parameters
        return self.shared_parameters + routed + self.embedding_parameters

    def attended(self, sequence: int) -> float:
        """Mean number of keys a query meets under a causal mask, over full and windowed layers. [tokens]

        Full causal attention meets s/2 on average; a window of w meets ``w − w²/2s``.
        """
        full = sequence / 2
        if self.window is None or self.window >= sequence:
            return full
        windowed = self.window - self.window**2 / (2 * sequence)
        return full + (windowed - full) / self.window_every

    def flops_per_token(self, sequence: int, *, causal: bool = False) -> float:
        """Model FLOPs of one trained token: forward and backward, without recomputation.

            F = 6 (N_active − N_input) + 6 l a (d + d_v + rope) k̄ + 21 l_s w n

        with k̄ the keys a causal query really meets, or twice as many (s without a window) in the convention of
        Megatron-LM and most papers, which counts the masked half too.  The input embedding is a lookup and costs
        nothing; the output embedding counts.  l layers have attention; each of the l_s scans counts 7 w n forward
        (Megatron Bridge 0.3.1).  Each further token predicted (DeepSeek-V3, arXiv:2412.19437, section 2.2)
        is one more average layer and the logits again; its projection of 2 h to h is left out.

        Source
        ------
        Narayanan et al., SC21, arXiv:2104.04473, section 5.1, equation 3, without the recomputation.
        """
        matmul = self.active_parameters - self.hidden * (self.layers + self.fed)
        matmul -= 0 if self.tied_embeddings else self.vocabulary * self.hidden
        logits = self.vocabulary * self.hidden
        keys = self.attended(sequence) * (1 if causal else 2)
        width = self.head + self.value_head + self.rope_dim
        layers = 6 * (matmul - logits) + 6 * (self.layers - self.scan_layers) * self.heads * width * keys
        layers += 21 * self.scan_layers * self.scan_width * self.scan_states
        return layers * self.depth / self.layers + 6 * logits * (1 + self.next_tokens)
