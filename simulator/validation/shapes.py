"""The transformer of a row: its own numbers first, then the catalogue's model of that name, then the stated rule."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from simulator.validation.filling import MODERN
from simulator.validation.names import HYBRID, kind, known
from simulator.validation.proportions import HEAD, sized, usual
from simulator.validation.proportions import heads as usual_heads
from simulator.validation.rows import Inputs, UnreadableError
from simulator.workload import Transformer

__all__ = ["shape"]

_SAME = 0.05  # totals this near are of one model


def shape(inputs: Inputs) -> tuple[Transformer, list[str]]:
    """The model, and the columns that were filled.

    A row's model may be the catalogue's cut to fewer layers, with the same structure: latent attention, shared
    experts, windows.  The entry counts only when its width is the row's.

    Raises
    ------
    UnreadableError
        No decoder-only transformer, or a shape that neither the row nor the catalogue gives.
    """
    other = kind(inputs.model)
    if other not in ("", HYBRID):
        raise UnreadableError(f"model: {other}; only decoder-only transformers are modelled")
    entry = known(inputs.model)
    if entry is not None and inputs.hidden not in (None, entry.hidden):
        entry = None
    inputs, filled = sized(inputs)
    if entry is not None and entry.scan_layers and inputs.layers == entry.layers + entry.fed:
        inputs = replace(inputs, layers=entry.layers)  # its maker counts mixing and feed-forward parts as layers

    def take(column: str, stated: int | None, of_entry: int | None, rule: int | None) -> int:
        if stated is not None:
            return stated
        filled.append(column)
        value = of_entry if of_entry is not None else rule
        if value is None:
            raise UnreadableError(f"{column}: not stated, and the catalogue has no model of that name and width")
        return value

    experts = inputs.n_experts or (entry.experts if entry else 0)
    experts = 0 if experts == 1 else experts
    modern = (inputs.year or MODERN) >= MODERN
    depth, width = (None, None) if experts or inputs.params_b is None else usual(inputs.params_b * 1e9)
    layers = take("layers", inputs.layers, entry.layers if entry else None, depth)
    hidden = take("hidden", inputs.hidden, entry.hidden if entry else None, width)
    regular = max(hidden // HEAD, 1) if inputs.hidden is not None else usual_heads(hidden)
    queries = take("heads", inputs.heads, entry.heads if entry else None, regular)
    kv_heads = take("kv_heads", inputs.kv_heads, entry.key_value_heads if entry else None, queries)
    vocabulary = take("vocab", inputs.vocab, entry.vocabulary if entry else None, 128256 if modern else 50304)
    gated = inputs.gated_mlp if inputs.gated_mlp is not None else entry.gated if entry else modern
    if inputs.gated_mlp is None:
        filled.append("gated_mlp")
    ffn = take(
        "ffn_hidden", inputs.ffn_hidden, (entry.expert_width if experts else entry.ffn) if entry else None,
        round(8 / 3 * hidden / 128) * 128 or 128 if gated else 4 * hidden,
    )  # fmt: skip
    values: dict[str, Any] = {
        "name": inputs.model or "model", "layers": layers, "hidden": hidden, "ffn": ffn, "heads": queries,
        "kv_heads": kv_heads, "vocabulary": vocabulary, "gated": gated,
        "tied_embeddings": entry.tied_embeddings if entry else not gated,
    }  # fmt: skip
    if entry is not None:
        same_heads = entry.heads == queries
        values |= {"head_dim": entry.head_dim if same_heads else None, "window": entry.window,
                   "window_every": entry.window_every, "rotary_scale": entry.rotary_scale}  # fmt: skip
        if entry.scan_layers:
            scans, fed = (max(of * layers // entry.layers, 1) for of in (entry.scan_layers, entry.fed))
            scan = ("scan_heads", "scan_head_dim", "scan_states", "scan_groups")
            values |= {name: getattr(entry, name) for name in scan} | {"scan_layers": scans, "ffn_layers": fed}
        if entry.attention == "mla":
            fields = ("attention", "query_rank", "kv_rank", "rope_dim", "value_dim")
            values |= {name: getattr(entry, name) for name in fields} | {"kv_heads": queries}
    if experts:
        per_token = take("experts_topk", inputs.experts_topk, entry.experts_per_token if entry else None, None)
        values |= {"experts": experts, "experts_per_token": per_token, "expert_ffn": ffn}
        if entry is not None and entry.experts:
            # the leading dense layers stay the same share of a model that is cut short
            dense = entry.dense_layers if layers == entry.layers else entry.dense_layers * layers // entry.layers
            values |= {"ffn": entry.ffn, "shared_experts": entry.shared_experts, "dense_layers": dense,
                       "expert_every": min(entry.expert_every, layers), "residual_ffn": entry.residual_ffn,
                       "routing_limit": entry.routing_limit, "expert_biases": entry.expert_biases,
                       "expert_bounds": entry.expert_bounds, "expert_latent": entry.expert_latent,
                       "next_tokens": entry.next_tokens if layers == entry.layers else 0}  # fmt: skip
    return _made(inputs, values, settled=entry is not None), filled


def _made(inputs: Inputs, values: dict[str, Any], *, settled: bool) -> Transformer:
    """The transformer; a head is hidden / heads wide, or 128 where only that gives the parameters of params_b.

    Learned positions, which are not modelled, may leave the first short by some: it is kept unless the second is near.
    """
    tried: list[Transformer] = []
    fault = ""
    heads = [values.get("head_dim")] if settled and values.get("head_dim") else [None, HEAD]
    for head in heads:
        try:
            tried.append(Transformer(**(values | {"head_dim": head})))
        except ValidationError as wrong:
            fault = "; ".join(str(e["msg"]).removeprefix("Value error, ") for e in wrong.errors())
    if not tried:
        raise UnreadableError(f"{inputs.model}: {fault}")
    if inputs.params_b is None or len(tried) == 1:
        return tried[0]
    first, second = (abs(math.log(model.parameters / (inputs.params_b * 1e9))) for model in tried)
    return tried[1] if second < min(first, _SAME) else tried[0]
