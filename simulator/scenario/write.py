"""Scenarios as YAML text: a resolved one in full, or a commented start for a new one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from simulator.errors import Fault, ScenarioError
from simulator.scenario.document import Path, parse
from simulator.scenario.expectation import METRICS
from simulator.scenario.read import read, resolve
from simulator.scenario.schema import NAME_LIMIT, SLUG, Scenario
from simulator.scenario.shape import field_at

__all__ = ["on_one_line", "starter", "to_yaml"]

_INHERITED = ("name", "evidence")  # a child has a name of its own; evidence follows the values it is about


def to_yaml(scenario: Scenario) -> str:
    """The resolved scenario as a file, quantities in base units; :func:`read` gives an equal scenario back."""
    data = scenario.model_dump(mode="json", exclude_none=True)
    return "\n".join(line for key, value in data.items() for line in _lines(key, value)) + "\n"


def on_one_line(value: Any) -> str:
    """A value in YAML's flow style, as ``--set path=`` reads it back."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inside(key)}: {on_one_line(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(on_one_line(inner) for inner in value) + "]"
    return _inside(value)


def _inside(value: Any) -> str:
    """A scalar within brackets or braces, where a comma or a bracket would end it."""
    text = _scalar(value)
    return _quoted(value) if isinstance(value, str) and any(mark in text for mark in ",[]{}") else text


def starter(name: str, parent: str, *, schema: str = "scenario.schema.json") -> str:
    """Text of a scenario that extends ``parent``, with everything it inherits shown in comments.

    A line that begins with ``# `` is a value: without that mark it stands in the file.  ``## `` is an explanation.

    Parameters
    ----------
    schema
        Path of the JSON Schema from the new file's folder, for editors.

    Raises
    ------
    ScenarioError
        The name is none, or the parent has faults.
    """
    if not SLUG.fullmatch(name) or len(name) > NAME_LIMIT:
        form = f"at most {NAME_LIMIT} lower-case letters, digits and dashes"
        message = f"expected {form}, e.g. 'colossus-200k'; got {name[:NAME_LIMIT]!r}"
        raise ScenarioError([Fault(name[:NAME_LIMIT], None, "name", message)])
    resolved = read(parent)
    written = _overlaid(resolved.model_dump(mode="json", exclude_none=True), resolve(parent))
    head = [
        f"# yaml-language-server: $schema={schema}",
        f"name: {name}",
        f"extends: {_scalar(parent)}",
        "",
        f"## What {resolved.name} says stands below in comments.  Delete '# ' in front of what this scenario changes",
        "## and of the lines it belongs under.  Mappings merge with the parent's; a list replaces the parent's list.",
    ]
    sections = [key for key in Scenario.model_fields if key in written and key not in _INHERITED]
    body = [line for key in sections for line in ("", *_commented(key, written[key]))]
    return "\n".join([*head, *body]) + "\n"


def _overlaid(resolved: Any, written: Any) -> Any:
    """The resolved values, spelt as the files spell them where they do."""
    if isinstance(resolved, dict) and isinstance(written, dict):
        return {key: _overlaid(value, written[key]) if key in written else value for key, value in resolved.items()}
    if isinstance(resolved, list) and isinstance(written, list) and len(resolved) == len(written):
        return [_overlaid(one, other) for one, other in zip(resolved, written, strict=True)]
    return written


def _commented(section: str, value: Any) -> Iterator[str]:
    field = field_at((section,))
    if field is not None and field.description:
        yield f"## {field.description}"
    if section == "expect":
        yield f"## on {', '.join(METRICS)}"
    yield from (f"# {line}" for line in _lines(section, value, path=(section,), explained=True))


def _lines(key: str, value: Any, *, path: Path = (), explained: bool = False) -> Iterator[str]:
    """Lines of ``key: value`` in block style; with ``explained``, the schema's description behind each value."""
    if isinstance(value, dict) and value:
        yield f"{_scalar(key)}:"
        for below, inner in value.items():
            yield from (f"  {line}" for line in _lines(below, inner, path=(*path, below), explained=explained))
    elif isinstance(value, list) and value:
        yield f"{_scalar(key)}:"
        for index, item in enumerate(value):
            yield from (f"  {line}" for line in _item(item, (*path, index), explained))
    else:
        field = field_at(path) if explained and len(path) > 1 else None
        behind = f"  # {field.description}" if field is not None and field.description else ""
        yield f"{_scalar(key)}: {_scalar(value)}{behind}"


def _item(item: Any, path: Path, explained: bool) -> Iterator[str]:
    if not isinstance(item, dict) or not item:
        yield f"- {_scalar(item)}"
        return
    marks = iter(("- ",))
    for key, value in item.items():
        for line in _lines(key, value, path=(*path, key), explained=explained):
            yield f"{next(marks, '  ')}{line}"


def _scalar(value: Any) -> str:
    """One value on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return repr(value) if not isinstance(value, dict | list) else ("{}" if isinstance(value, dict) else "[]")
    return value if _plain(value) else _quoted(value)


@lru_cache(maxsize=4096)  # a study writes the same values at many points
def _plain(text: str) -> bool:
    """Whether the text reads back as itself without quotes, as a value and as a key."""
    if not text.isprintable() or any(mark in text for mark in (": ", " #")) or text != text.strip():
        return False
    if not text or text[0] in "-?:,[]{}#&*!|>'\"%@`<=" or text.endswith(":") or text[0].isspace():
        return False
    try:
        return bool(parse(text, "").data == text)
    except ScenarioError:
        return False


def _quoted(text: str) -> str:
    """Double-quoted YAML, in which any character can be written."""
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(special.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
