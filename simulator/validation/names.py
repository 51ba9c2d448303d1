"""The catalogue's model of the name a row uses, where the match is safe."""

from __future__ import annotations

import re
from functools import cache

from simulator import catalogue
from simulator.workload import Transformer

__all__ = ["HYBRID", "accelerator_named", "hybrid", "kind", "known", "sizes"]

_SIZE = re.compile(r"(\d{1,6}(?:p\d{1,4})?)([mbt])(?:a\d+(?:p\d+)?b)?")
_SCALE = {"m": 1e6, "b": 1e9, "t": 1e12}
_NEAR = 0.1
_TRAINER = re.compile(r"^(?:meta|nvidia|google|ibm|microsoft|allenai|eleutherai|tiiuae)(?=[a-z])|(?<=\db)(?:hf|base)$")


def _plain(name: str) -> str:
    """Letters and digits of a name; what stands in brackets or after ``truncated`` says how it was run."""
    name = re.sub(r"\(.*?\)|truncated.*|proxy.*", "", name.casefold())
    name = re.sub(r"(\d)\.(\d+ ?[mbt]\b)", r"\1p\2", name)  # 1.3B is no 13B
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
    asked = _TRAINER.sub("", _plain(name))
    if not asked:
        return None
    if asked in _shelf():
        return Transformer.load(_shelf()[asked])
    for spelling, entry in _shelf().items():
        size = _SIZE.fullmatch(asked.removeprefix(spelling)) if asked.startswith(spelling) else None
        if size:
            model = Transformer.load(entry)
            if abs(float(size[1].replace("p", ".")) * _SCALE[size[2]] / model.parameters - 1) < _NEAR:
                return model
    return None


_TOTAL = re.compile(r"(?<![A-Za-z0-9.])(\d{1,5}(?:\.\d{1,4})?) ?([MBT])(?![A-Za-z0-9])", re.IGNORECASE)
_ACTIVE = re.compile(r"(?<![A-Za-z])A(\d{1,4}(?:\.\d{1,4})?) ?B(?![A-Za-z0-9])", re.IGNORECASE)


def sizes(name: str) -> tuple[float | None, float | None]:
    """All and active parameters as a name says them: ``Qwen3-Next 80B-A3B`` 80 and 3 billion; the first of several.

    ``8x7B`` says neither, since experts share what is between them.
    """
    total, active = _TOTAL.search(name), _ACTIVE.search(name)
    return (
        (float(total[1]) * _SCALE[total[2].casefold()] or None) if total else None,
        (float(active[1]) * _SCALE["b"] or None) if active else None,
    )


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


_NOISE = re.compile(
    "nvidia|amd|instinct|intel|habana|google|cloud|aws|tesla|cerebras|huawei|gpu|oam|hgx|dgx|ac|nvl8|nvl72|"
    "hbm[23]e?|data|center|hopper|ampere|blackwell|superchip|chip"
)
_TELLING = re.compile(r"\d\s*gb|pcie|sxm|\b(?:nvl|gcd|tile|core)\b|\d\s*w\b", re.IGNORECASE)


def _words(name: str) -> frozenset[str]:
    """What a name says, whatever the order: ``H100 80GB SXM5`` and ``NVIDIA H100-SXM-80GB HBM3`` are one."""
    name = re.sub(r"(\d)\s+gb\b", r"\1gb", name.casefold())
    name = re.sub(r"tensor[ -]?cores?\b", "", name)  # of a GPU; one of the cores of a chip is another part
    words = (re.sub(r"^sxm\d$", "sxm", word) for word in re.findall(r"[a-z0-9]+", name))
    return frozenset(word for word in words if not _NOISE.fullmatch(word))


@cache
def _accelerators_by_words() -> dict[frozenset[str], str]:
    return {_words(spelling): name for name in catalogue.names("accelerators")
            for spelling in (name, *catalogue.entry("accelerators", name).get("aliases", ()))}  # fmt: skip


def accelerator_named(name: str) -> str | None:
    """The accelerator's entry whose name or alias is this up to order, spaces, dashes, maker and kind of memory.

    ``NVIDIA H100 80GB SXM5`` is H100-SXM, ``A100 40GB`` the SXM one, ``Cerebras WSE-3 (CS-3)`` WSE-3.  What stands in
    brackets may be left out unless it says which variant it is.
    """
    aside = "".join(re.findall(r"\(.*?\)", name))
    for spelling in [name] if _TELLING.search(aside) else [name, re.sub(r"\(.*?\)", "", name)]:
        words = _words(spelling)
        found = (
            _accelerators().get(_bare(spelling))
            or _accelerators_by_words().get(words)
            or _accelerators_by_words().get(words | {"sxm"})
        )
        if found:
            return found
    return None


HYBRID = "a Mamba hybrid"
_OTHER = {
    HYBRID: re.compile(
        r"mamba|jamba|zamba|bamba|hybrid|falcon-?h1\b|qwen3-next|kimi-linear|"
        r"nemotron[- ]?v?3(?:\.\d+)?(?![\d.]|[- ]?\d+b\b)|nemotron-?h\b",
        re.IGNORECASE,
    ),  # state-space or linear layers beside those of attention
    "an adapter beside a model that does not train": re.compile(r"\bq?lora\b|\bpeft\b", re.I),
    "an encoder-decoder model": re.compile(r"seq2seq|encoder-decoder|alexatm|\bm?t5\b|\bul2\b|\bbart\b", re.I),
    "an encoder": re.compile(r"\bbert\b|\broberta\b", re.I),
    "a model that grows while it trains": re.compile(r"\(growth\)", re.I),
    "no language model": re.compile(r"diffusion|\bsdxl\b|\bflux\b|resnet|\bvit\b|dlrm|whisper|llama vision", re.I),
}


def kind(name: str) -> str:
    """Why a model of this name is no decoder-only transformer; empty when nothing says so."""
    return next((what for what, pattern in _OTHER.items() if pattern.search(name)), "")


def hybrid(name: str) -> bool:
    """Whether a model of this name mixes attention with state-space layers."""
    return kind(name) == HYBRID
