"""The catalogue's model of the name a row uses, where the match is safe."""

from __future__ import annotations

import re
from functools import cache

from simulator import catalogue
from simulator.workload import Transformer

__all__ = ["accelerator_named", "kind", "known"]

_SIZE = re.compile(r"(\d{1,6})([mbt])(?:a\d+b)?")
_SCALE = {"m": 1e6, "b": 1e9, "t": 1e12}
_NEAR = 0.1


def _plain(name: str) -> str:
    """Letters and digits of a name; what stands in brackets or after ``truncated`` says how it was run."""
    name = re.sub(r"\(.*?\)|truncated.*|proxy.*", "", name.casefold())
    return re.sub(r"[^a-z0-9]", "", name)


@cache
def _shelf() -> dict[str, str]:
    found = {}
    for name in catalogue.names("models"):
        for spelling in (name, *catalogue.entry("models", name).get("aliases", ())):
            found[_plain(spelling)] = name
    return found


@cache
def known(name: str) -> Transformer | None:
    """The entry whose name is the row's up to spelling, or the row's less a size that is the entry's.

    ``LLAMA2-13B`` is Llama-2-13B and ``Grok-1 314B (proxy)`` is Grok-1; ``GPT-3 126M`` is not the GPT-3 of the shelf.
    """
    asked = _plain(name)
    if not asked:
        return None
    if asked in _shelf():
        return Transformer.load(_shelf()[asked])
    for spelling, entry in _shelf().items():
        size = _SIZE.fullmatch(asked.removeprefix(spelling)) if asked.startswith(spelling) else None
        if size:
            model = Transformer.load(entry)
            if abs(int(size[1]) * _SCALE[size[2]] / model.parameters - 1) < _NEAR:
                return model
    return None


_VENDOR = re.compile(r"^(?:nvidia|amd|instinct|intel|habana|google|cloud|aws|tesla|cerebras|huawei)(?=.)")


def _bare(name: str) -> str:
    """Letters and digits of a name, without the makers it begins with."""
    name = re.sub(r"[^a-z0-9]", "", name.casefold())
    while (shorter := _VENDOR.sub("", name)) != name:
        name = shorter
    return name


@cache
def _accelerators() -> dict[str, str]:
    found = {}
    for name in catalogue.names("accelerators"):
        for spelling in (name, *catalogue.entry("accelerators", name).get("aliases", ())):
            found[_bare(spelling)] = name
    return found


def accelerator_named(name: str) -> str | None:
    """The accelerator's entry whose name or alias is this up to spaces, dashes, maker and what stands in brackets.

    ``NVIDIA H100 SXM5 80GB`` is H100-SXM, ``TPU v6e (Trillium)`` TPU-v6e, ``Cerebras WSE-3 (CS-3)`` WSE-3.
    """
    within = re.sub(r"\(.*?\)", "", name)
    return next((_accelerators()[bare] for bare in map(_bare, (name, within)) if bare in _accelerators()), None)


_OTHER = {
    "a Mamba hybrid": re.compile(r"mamba|jamba|zamba|hybrid|nemotron[- ]?v?3(?:\.\d+)?(?!\d)|nemotron-?h\b", re.I),
    "an encoder-decoder model": re.compile(r"seq2seq|encoder-decoder|alexatm|\bm?t5\b|\bul2\b|\bbart\b", re.I),
    "an encoder": re.compile(r"\bbert\b|\broberta\b", re.I),
    "a model that grows while it trains": re.compile(r"\(growth\)", re.I),
    "no language model": re.compile(r"diffusion|resnet|\bvit\b|dlrm|llama vision", re.I),
}


def kind(name: str) -> str:
    """Why a model of this name is no decoder-only transformer; empty when nothing says so."""
    return next((what for what, pattern in _OTHER.items() if pattern.search(name)), "")
