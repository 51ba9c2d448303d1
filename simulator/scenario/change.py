"""Changes by dotted path: ``--set jobs.pretrain.tokens=2 Ttoken`` and the same from Python."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from simulator.errors import Fault, ScenarioError, did_you_mean
from simulator.scenario.document import Document, Path, Place, at, parse
from simulator.scenario.schema import SHORT, Scenario
from simulator.scenario.shape import inner, is_free, is_list, is_whole, keys

__all__ = ["apply", "counts", "put"]


def apply(document: Document, changes: Sequence[str]) -> tuple[Document, list[Fault]]:
    """The document with every ``path=value`` in it, the value read as YAML, and the faults of those that cannot be."""
    faults: list[Fault] = []
    for change in changes:
        label = f"--set {change}"
        path, equals, text = change.partition("=")
        if not equals or not path.strip():
            faults.append(Fault(label, None, "", "expected path=value, e.g. cluster.spares=3 %"))
            continue
        try:
            document = put(document, path.strip(), _value(text, label), label)
        except ScenarioError as wrong:
            faults.extend(wrong.faults)
    return document, faults


@lru_cache(maxsize=4096)  # a study has the same values at many points
def _value(text: str, label: str) -> Any:
    """The value of a change; a bare ``>`` begins folded text in YAML, here it can only be a comparison."""
    return text.strip() if text.lstrip().startswith(">") else parse(text, label, numbered=False).data


def counts(document: Document, written: str) -> bool:
    """Whether what stands at a dotted path is a whole number; False of a path that nothing has."""
    try:
        path = _path(document.data, written, "")
    except ScenarioError:
        return False
    annotation: Any = Scenario
    for key in path:
        annotation = inner(annotation, key)
    return is_whole(annotation)


def put(document: Document, written: str, value: Any, label: str) -> Document:
    """The document with ``value`` at the dotted path ``written``; faults and places name ``label``."""
    path = _path(document.data, written, label)
    places = {at: place for at, place in document.places.items() if at[: len(path)] != path}
    section = str(path[0])
    if len(path) > 1 and section in SHORT and isinstance(document.data.get(section), str):
        places[section, SHORT[section]] = document.place((section,))
    for depth in range(1, len(path)):
        places.setdefault(path[:depth], Place(label, None))
    places[path] = Place(label, None)
    return Document(_replaced(document.data, path, value), places)


def _path(data: Any, written: str, label: str) -> Path:
    """The keys and indices a dotted path stands for."""
    path: list[str | int] = []
    annotation: Any = Scenario
    parts = written.split(".")
    while parts:
        part = parts.pop(0)
        if isinstance(data, list) and is_list(annotation):
            key: str | int = _item(data, part, ".".join(map(str, path)), label)
        elif is_free(annotation) and keys(inner(annotation, part)):
            key = part  # a name of one's own, with known keys below it
        elif is_free(annotation) and not keys(annotation):
            key, parts = ".".join([part, *parts]), []  # dates and paths are keys; a path has dots of its own
        elif part in keys(annotation):
            key = part
        else:
            raise ScenarioError([Fault(label, None, written, _unknown(annotation, part, path))])
        path.append(key)
        annotation = inner(annotation, key)
        data = at(data, (key,))
    return tuple(path)


def _item(items: list[Any], part: str, path: str, label: str) -> int:
    """Index of the list item that goes by a name or an index."""
    names: dict[str, int] = {}
    for index, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            names.setdefault(item["name"], index)
    if part in names:
        return names[part]
    if part.isascii() and part.isdigit() and len(part) < 6 and int(part) < len(items):
        return int(part)
    known = [*names, *(str(index) for index in range(len(items)))]
    message = f"expected one of {', '.join(known)}; got {part!r}{did_you_mean(part, names)}"
    raise ScenarioError([Fault(label, None, path, message[:400])])


def _unknown(annotation: Any, part: str, path: list[str | int]) -> str:
    known = keys(annotation)
    if known:
        return f"unknown key {part!r}{did_you_mean(part, known) or '; known keys are ' + ', '.join(known)}"
    if is_list(annotation):
        return f"expected the path of something that is there; got {part!r} in an empty list"
    return f"expected a path that ends at {'.'.join(map(str, path))!r}; got {part!r} below it"


def _replaced(data: Any, path: Path, value: Any) -> Any:
    """A copy of ``data`` with ``value`` at ``path``; mappings on the way are made where there are none."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(key, int):
        return [_replaced(item, rest, value) if index == key else item for index, item in enumerate(data)]
    here = data if isinstance(data, dict) else {}
    below = here.get(key)
    if rest and isinstance(below, str) and key in SHORT:
        below = {SHORT[str(key)]: below}
    return here | {key: _replaced(below, rest, value)}
