"""The shelves: YAML entries by name, and the sources they rest on.  No domain knowledge lives here.

Every shelf is one file ``<shelf>.yaml`` beside this module; every top-level key of it is an entry.  An entry carries
its provenance: ``source`` (one key of ``sources.yaml`` or a list) holds for all its values, ``sources: {field: key}``
overrides it for one field, and ``estimates: {field: why}`` marks a value that nobody published.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from simulator.errors import CatalogueError, did_you_mean

__all__ = ["SHELVES", "CatalogueEntry", "canonical", "digest", "entry", "leaves", "names", "references", "source"]

SHELVES = (
    "accelerators", "efficiencies", "failures", "fabrics", "models", "nodes", "prices", "runs", "sites", "software",
    "sources", "spreads", "storage", "systems",
)  # fmt: skip
_FOLDER = Path(__file__).parent
PROVENANCE = ("source", "sources", "estimates", "status", "notes", "aliases")


class CatalogueEntry(BaseModel):
    """What every entry carries beside its own values: where they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str | tuple[str, ...] = Field(default=(), description="source keys that hold for all values")
    sources: dict[str, str | tuple[str, ...]] = Field(default={}, description="source keys for single fields")
    estimates: dict[str, str] = Field(default={}, description="fields nobody published, and the reasoning")
    status: str = Field(default="verified", pattern="^(verified|estimate)$")
    notes: str = ""
    aliases: tuple[str, ...] = ()

    shelf: ClassVar[str]  # on which entries of this kind stand

    @classmethod
    def load(cls, name: str) -> Self:
        """The catalogue's entry of this name or alias."""
        loaded: Self = _loaded(cls, name)
        return loaded

    def __hash__(self) -> int:
        """By kind and name: the mappings an entry holds have no hash of their own."""
        return hash((type(self), self.name))


@cache
def _loaded(kind: type[CatalogueEntry], name: str) -> Any:
    """Entries are frozen and shelves never change, so each is read and checked once."""
    return kind.model_validate(entry(kind.shelf, name))


@cache
def digest() -> str:
    """SHA-256 of all shelves: numbers of two catalogues are not comparable."""
    found = hashlib.sha256()
    for shelf in SHELVES:
        found.update((_FOLDER / f"{shelf}.yaml").read_bytes())
    return found.hexdigest()


@cache
def _blocks(shelf: str) -> dict[str, str]:
    """Text of each entry.  Entries begin at column 0, so the one asked for is parsed and the others are not."""
    if shelf not in SHELVES:
        raise CatalogueError(f"unknown shelf {shelf!r}; shelves are {', '.join(SHELVES)}{did_you_mean(shelf, SHELVES)}")
    text = (_FOLDER / f"{shelf}.yaml").read_text(encoding="utf-8")
    starts = list(re.finditer(r"^(?!#)([^\s:][^:\n]*?):(?=\s|$)", text, flags=re.MULTILINE))
    ends = [m.start() for m in starts[1:]] + [len(text)]
    return {m[1].strip("'\""): text[m.start() : end] for m, end in zip(starts, ends, strict=True)}


@cache
def _aliases(shelf: str) -> dict[str, str]:
    found = {}
    for name, block in _blocks(shelf).items():
        match = re.search(r"^  aliases: \[(.*?)\]", block, flags=re.MULTILINE | re.DOTALL)
        for alias in match[1].split(",") if match else ():
            found[alias.strip().strip("'\"").casefold()] = name
        found.setdefault(name.casefold(), name)
    return found


def names(shelf: str) -> tuple[str, ...]:
    """Names of the entries of a shelf, in the order of the file."""
    return tuple(_blocks(shelf))


def canonical(shelf: str, name: str) -> str:
    """The entry's own name for ``name``, which may be an alias or differ in case.

    Raises
    ------
    CatalogueError
        No such entry; says the nearest name and, on a short shelf, all of them.
    """
    known = _aliases(shelf)
    if name.casefold() in known:
        return known[name.casefold()]
    hint = did_you_mean(name, names(shelf))
    listing = f"; {shelf} are {', '.join(names(shelf))}" if len(names(shelf)) <= 12 and not hint else hint
    raise CatalogueError(f"expected a name from the catalogue's {shelf}; got {name!r}{listing}")


@cache
def _entry(shelf: str, name: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    loaded = YAML(typ="safe", pure=True).load(_blocks(shelf)[name])
    return {"name": name, **next(iter(loaded.values()))}


def entry(shelf: str, name: str) -> dict[str, Any]:
    """The entry as written, with its ``name``; aliases are followed."""
    return dict(_entry(shelf, canonical(shelf, name)))


def source(key: str) -> dict[str, Any]:
    """Title, address and date of a source."""
    return entry("sources", key)


def _as_tuple(keys: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


def leaves(written: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything written in an entry, provenance left out."""
    if isinstance(written, Mapping):
        for key, value in written.items():
            if path or key not in (*PROVENANCE, "name"):
                yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(written, list | tuple):
        for index, value in enumerate(written):
            yield from leaves(value, f"{path}.{index}")
    else:
        yield path, written


def references(written: Mapping[str, Any], path: str) -> tuple[tuple[str, ...], str]:
    """Source keys of the value at ``path`` and, if it is an estimate, why.

    The most specific statement wins: ``peak.fp8`` before ``peak`` before the entry's own ``source``.
    """
    keys, why = None, ""
    parts = path.split(".")
    for depth in range(len(parts), 0, -1):
        prefix = ".".join(parts[:depth])
        why = why or written.get("estimates", {}).get(prefix, "")
        if keys is None and prefix in written.get("sources", {}):
            keys = _as_tuple(written["sources"][prefix])
    return (keys if keys is not None else _as_tuple(written.get("source", ()))), why
