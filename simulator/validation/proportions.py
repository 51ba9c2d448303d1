"""The shape of a model of which only a size is known: rules of thumb, each named in a row's ``inferred``."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from simulator.validation.names import hybrid, known, sizes
from simulator.validation.rows import Inputs, UnreadableError

__all__ = ["HEAD", "heads", "sized", "usual"]

_ASPECT = 128  # hidden over layers of GPT-3 (128), Llama-2 (128) and Llama-3 (102 to 130)
HEAD = 128
_ROUND = 8  # deep models have layers in multiples of it, so that pipelines divide them
_PER_TOKEN = 8
_EXPERT_VOCABULARY = 129280  # DeepSeek-V3's
_SPARSE = re.compile(r"moe\b|mixture|sparse|switch|\d+x\d+(?:\.\d+)?b", re.IGNORECASE)
_CUT = re.compile(r"proxy|truncated", re.IGNORECASE)


def usual(parameters: float) -> tuple[int, int]:
    """Layers and width of a dense model of the usual aspect ratio, N = 12 l h² with h about 128 l, in round numbers."""
    layers = max(math.cbrt(parameters / (12 * _ASPECT**2)), 2)
    layers = round(layers / _ROUND) * _ROUND if layers > _ROUND else round(layers)
    return layers, max(round(math.sqrt(parameters / 12 / layers) / HEAD), 1) * HEAD


def heads(hidden: int) -> int:
    """Heads of about 128 for a width that was filled: a multiple of eight, else the nearest power of two.

    So that tensor parallelism can divide them, as the makers of a model see to.
    """
    number = max(hidden // HEAD, 1)
    even = 2 ** round(math.log2(number))
    return number if number % 8 == 0 or hidden % even else even


def sized(inputs: Inputs) -> tuple[Inputs, list[str]]:
    """The row with the shape that its size implies, where neither it nor the catalogue gives one; and what was filled.

    - **Sizes** come from the model's name where the columns are blank: ``LLaMA2-7B``, ``Qwen3-Next 80B-A3B``.
    - **Experts** of unknown number: eight of E a token, each a third as wide as a usual dense model of the active
      parameters, E the power of two that gives the total.  Of known number: as wide as gives the total.
    - **A Mamba hybrid** the catalogue lacks is taken as a transformer of its parameters: scans, whose kernels reach
      a small share of the peak, cost about what attention over some thousand tokens does.  Its own layers count another
      structure.

    Raises
    ------
    UnreadableError
        A mixture of experts, or a hybrid, of unknown size; more active parameters than there are.
    """
    mixed = hybrid(inputs.model)
    shaped = inputs.layers is not None and inputs.hidden is not None
    if inputs.n_experts is None and (inputs.active_params_b or math.inf) < (inputs.params_b or 0.0):
        shaped = False  # experts that the shape does not tell
    entry = known(inputs.model)
    if mixed:
        shaped = entry is not None and entry.scan_layers > 0 and inputs.hidden in (None, entry.hidden)
    if shaped or (entry is not None and not mixed):
        return inputs, []
    filled: list[str] = []
    if not _CUT.search(inputs.model):
        inputs = _named(inputs, filled)
    if mixed and inputs.params_b is None:
        raise UnreadableError("params_b: not stated for a Mamba hybrid, which is taken as a transformer of its size")
    total, active = inputs.params_b, inputs.active_params_b
    if total is not None and active is not None and active > total:
        raise UnreadableError(f"active_params_b: expected at most params_b = {total:g}; got {active:g}")
    if total is not None and active is not None and active < total:
        return _sparse(inputs, total * 1e9, active * 1e9, filled), filled
    if inputs.n_experts is None and _SPARSE.search(inputs.model):
        raise UnreadableError("active_params_b: not stated for a mixture of experts, and the catalogue has no model "
                              "of that name")  # fmt: skip
    return (_dense_stand_in(inputs, filled) if mixed else inputs), filled


def _named(inputs: Inputs, filled: list[str]) -> Inputs:
    """Blank sizes from the model's name."""
    total, active = sizes(inputs.model)
    if inputs.params_b is None and total is not None:
        filled.append("params_b")
        inputs = replace(inputs, params_b=total / 1e9)
    if inputs.active_params_b is None and active is not None:
        filled.append("active_params_b")
        inputs = replace(inputs, active_params_b=active / 1e9)
    return inputs


def _dense_stand_in(inputs: Inputs, filled: list[str]) -> Inputs:
    parameters = (inputs.params_b or 0.0) * 1e9
    layers, hidden = usual(parameters)
    if inputs.hidden is not None:
        hidden, layers = inputs.hidden, max(round(parameters / 12 / inputs.hidden**2), 1)
    filled += ["layers", "hidden", "heads", "kv_heads", "ffn_hidden"]
    number = heads(hidden)
    return replace(inputs, layers=layers, hidden=hidden, heads=number, kv_heads=number, ffn_hidden=4 * hidden,
                   gated_mlp=False, n_experts=None, experts_topk=None)  # fmt: skip


def _sparse(inputs: Inputs, total: float, active: float, filled: list[str]) -> Inputs:
    """Experts of 3 h f weights beside 4 h² of attention in each layer."""
    layers, hidden = usual(active)
    layers, hidden = inputs.layers or layers, inputs.hidden or hidden
    number, width = inputs.n_experts, inputs.ffn_hidden
    routed = max(total / layers - 4 * hidden**2, hidden**2)
    if number is None:
        width = width or max(hidden // 3 // 64 * 64, 64)
        number = 2 ** round(math.log2(max(routed / (3 * hidden * width), _PER_TOKEN)))
    width = width or max(round(routed / (3 * hidden * number) / 64), 1) * 64
    queries = inputs.heads or heads(hidden)
    filled += [name for name, stated in (
        ("layers", inputs.layers), ("hidden", inputs.hidden), ("heads", inputs.heads), ("n_experts", inputs.n_experts),
        ("experts_topk", inputs.experts_topk), ("ffn_hidden", inputs.ffn_hidden),
    ) if stated is None]  # fmt: skip
    return replace(
        inputs, params_b=None, layers=layers, hidden=hidden, heads=queries, kv_heads=inputs.kv_heads or queries,
        vocab=inputs.vocab or _EXPERT_VOCABULARY, n_experts=number, ffn_hidden=width, gated_mlp=True,
        experts_topk=inputs.experts_topk or min(_PER_TOKEN, number),
    )  # fmt: skip
