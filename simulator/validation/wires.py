"""What ``interconnect_intra`` and ``interconnect_inter`` say in words, as bytes per second."""

from __future__ import annotations

import re

__all__ = ["bandwidth", "fabric", "inside", "slices"]

_SCALE = {"G": 1e9, "T": 1e12}
_RATE = re.compile(r"(\d{1,5}(?:\.\d{1,5})?)\s*(?:([GT])(?:(b|B)(?:it)?(?:/[sS]|ps)|(b)(?![a-z/])|(b)?E\b))", re.ASCII)
_GENERATION = re.compile(r"(edr|hdr|ndr|xdr)[ -]?(\d{3})\b")
_BARE = re.compile(r"(?<![\w.])(25|40|50|100|200|400|800)(?![\d.])(?!\s*(?:node|gpu|chip))", re.IGNORECASE)
_MANY = re.compile(r"(?<![A-Za-z\d])(\d{1,4})\s*[x×]\s*(.*)", re.IGNORECASE)
_TIMES = re.compile(r"(.*\S)\s*[x×]\s*(\d{1,2})\s*$", re.IGNORECASE)
_PORTS = {"omni path": 100, "edr": 100, "hdr": 200, "slingshot 11": 200, "ndr": 400, "xdr": 800}  # Gbit/s
_OWN_SLINGSHOT = ("cdna2", "ponte-vecchio")  # dies and tiles share its ports, so its groups hold more of them
_ASIDE = re.compile(r"(?:storage|management)[^,;]*[,;]?", re.IGNORECASE)
_EACH = re.compile(r"(?:per|a|each|/)\s*(?:GPU|accelerator|chip|card|device|die|tile|GCD)\b", re.IGNORECASE)


def bandwidth(text: str, per_node: int) -> float | None:
    """Network interfaces of one accelerator, one direction; ``None`` when the text names no rate.  [B/s]

    ``8x400Gb/s NDR IB``, ``NDR200 x4`` and ``4x Omni-Path (100Gb/s each)`` multiply, as do ``8x400GbE`` and
    ``Omni-Path 4x100``; ``800 Gb/s IB a node`` and a rate that says nothing else are the whole node's;
    ``400Gb/s per GPU`` is one accelerator's.  Interfaces for storage and management do not carry gradients and are left
    out; of several others the most numerous count.
    """
    compute = _ASIDE.sub("", text)
    many = [found for clause in re.split("[,;]", compute) if (found := _multiplied(clause))]
    if many:
        number, what = max(many)
        rate = _port(what) or (_port(compute) if "each" in compute else None)
        return number * (rate or 0.0) / (1 if _EACH.search(what) else per_node) or None
    one = _RATE.search(compute)
    return _bytes(one) / (1 if _EACH.search(compute) else per_node) or None if one else None


def _multiplied(clause: str) -> tuple[int, str] | None:
    """How many interfaces a clause counts, and what it says of one."""
    if found := _MANY.search(clause):
        return int(found[1]), found[2]
    if found := _TIMES.search(clause):
        return int(found[2]), found[1]
    found = re.search(r"\b(\d{1,2})\s*(?:NICs?|HCAs?|rails)\b", clause)
    return (int(found[1]), clause) if found and not _RATE.search(clause) else None


def _port(text: str) -> float | None:
    """What one interface carries: the rate written, that of its generation, or a bare number of Gbit/s.  [B/s]"""
    if rate := _RATE.search(text):
        return _bytes(rate)
    said = text.casefold().replace("-", " ")
    if generation := _GENERATION.search(said):
        return float(generation[2]) * 1e9 / 8
    named = [gbit for name, gbit in _PORTS.items() if name in said]
    bare = _BARE.search(text)
    return (named[0] if named else float(bare[1]) if bare else 0.0) * 1e9 / 8 or None


def inside(text: str, link: float) -> float | None:
    """Scale-up links of one accelerator, one direction; ``None`` when the text names no rate.  [B/s]

    ``NVLink4 900GB/s`` counts both directions together, as vendors print it; ``NVLink (4 GPU interconnects)`` counts
    links of ``link`` bytes per second each.
    """
    if not re.search(r"nvlink|nvswitch", text, re.IGNORECASE):
        return None
    links = re.search(r"\((\d{1,2}) GPU interconnects\)", text)
    if links:
        return int(links[1]) * link
    rate = re.search(r"(\d{1,4}(?:\.\d{1,3})?) ?([GT])B/s(?!-class)", text)
    return float(rate[1]) * _SCALE[rate[2]] / 2 if rate else None


def _bytes(rate: re.Match[str]) -> float:
    return float(rate[1]) * _SCALE[rate[2]] / (1 if rate[3] == "B" else 8)


def fabric(text: str, accelerator: str, family: str) -> str:
    """The catalogue's fabric: the one the text names, else the one the accelerator is usually sold with."""
    said = _ASIDE.sub("", text).casefold()
    named = {"slingshot": "slingshot-11", "efa": "aws-efa-v2", "dcn": "tpu-dcn", "roce": "meta-roce-24k",
             "ethernet": "ethernet-400g", "gbe": "ethernet-400g"}  # fmt: skip
    usual = {
        "volta": "infiniband-hdr-200g", "ampere": "infiniband-hdr-200g", "cdna2": "slingshot-11-frontier",
        "trainium": "aws-efa-v2", "gaudi": "ethernet-400g", "ponte-vecchio": "slingshot-11-aurora", "wafer": "swarmx",
        "dojo": "dojo-mesh", "rubin": "infiniband-xdr-800g", "ascend": "ethernet-400g",
    }  # fmt: skip
    if "ib" not in re.findall(r"[a-z]+", said) and "infiniband" not in said:
        for word, name in named.items():
            if word in said:
                return usual[family] if word == "slingshot" and family in _OWN_SLINGSHOT else name
    if accelerator in ("B300-SXM", "GB300"):
        return "infiniband-xdr-800g"
    if accelerator in ("MI300A", "GH200"):
        return "slingshot-11"
    if family.startswith("tpu"):
        return "tpu-ici"
    return usual.get(family, "infiniband-ndr-400g")


def slices(sharding: str, text: str) -> int:
    """TPU slices joined by the data-centre network: ``FSDP in slice, DP over 4 slices``, ``DCN between 2 slices``."""
    found = re.search(r"(?:over|between)\s+(\d{1,4})\s+slices", f"{sharding} {text}")
    return max(int(found[1]), 1) if found else 1
