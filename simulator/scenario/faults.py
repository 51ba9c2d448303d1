"""pydantic's complaints in our words: what was expected, what was found, what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simulator.errors import did_you_mean
from simulator.scenario.document import Path, at
from simulator.scenario.schema import SHORT, Scenario
from simulator.scenario.shape import field_at, inner, keys

__all__ = ["translated"]

_LONGEST = 400  # characters of a message

_KINDS = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a whole number", "float_type": "a number", "float_parsing": "a number",
    "string_type": "text", "bool_type": "true or false", "bool_parsing": "true or false",
    "date_type": "a date, e.g. 2024-09-02", "date_parsing": "a date, e.g. 2024-09-02",
    "date_from_datetime_parsing": "a date, e.g. 2024-09-02", "date_from_datetime_inexact": "a date, e.g. 2024-09-02",
    "tuple_type": "a list", "list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "string_too_short": "text",
}  # fmt: skip
_BOUNDS = {
    "greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
}  # fmt: skip


def translated(errors: Iterable[Mapping[str, Any]], data: Any, root: Any = Scenario) -> Iterator[tuple[Path, str]]:
    """Path and message of each of pydantic's errors about ``data``, whose schema is ``root``."""
    for error in errors:
        path, label = _path(error, data)
        found = at(data, path)
        if label and isinstance(found, dict) and error["type"] == "literal_error":
            continue  # the mapping was meant, and its own faults are told
        if error["type"] == "too_short" and len(found) >= error["ctx"]["min_length"]:
            continue  # pydantic counts the sound items only; the others have faults of their own
        if label and not isinstance(found, dict) and error["type"] in ("model_type", "model_attributes_type"):
            continue  # a word was meant, and the words there are are told
        if error["loc"][-1:] == ("[key]",):
            found = path[-1]
        message = _message(error, path, found, root, or_mapping=bool(label))
        yield path, message if len(message) <= _LONGEST else f"{message[: _LONGEST - 2]} …"


def _path(error: Mapping[str, Any], data: Any) -> tuple[Path, bool]:
    """The error's place in ``data``, without the labels pydantic adds for keys and members of a union."""
    path: list[str | int] = []
    label = False
    for part in error["loc"]:
        here = at(data, tuple(path))
        known = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        if known or (error["type"] == "missing" and part == error["loc"][-1]):
            path.append(part)
            label = False
        elif part != "[key]":
            label = True
    return tuple(path), label


def _message(error: Mapping[str, Any], path: Path, found: Any, root: Any, *, or_mapping: bool) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])  # ours already
    if kind == "extra_forbidden":
        return _unknown_key(path, root)
    if kind in ("too_short", "too_long"):
        return f"expected {_size(kind, context)} of them; got {context['actual_length']}"
    hint = ""
    if kind == "literal_error" and isinstance(found, str):
        hint = did_you_mean(found, _choices(context["expected"]))
    expected = _expected(kind, path, context, error["msg"], root, or_mapping=or_mapping)
    return f"expected {expected}; got {_shown(found)}{hint}"


def _expected(kind: str, path: Path, context: Mapping[str, Any], original: str, root: Any, *, or_mapping: bool) -> str:
    if kind == "missing":
        field = field_at(path, root)
        return f"a value ({field.description})" if field is not None and field.description else "a value"
    if kind == "literal_error":
        return f"{context['expected']}{' or a mapping' if or_mapping else ''}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {context[bound]:g}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    name = "a name or " if kind == "model_type" and path and path[-1] in SHORT else ""
    return name + _KINDS.get(kind, f"something else ({original})")


def _size(kind: str, context: Mapping[str, Any]) -> str:
    return f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"


def _choices(expected: str) -> list[str]:
    return [word.strip("' ") for part in expected.split(",") for word in part.split(" or ")]


def _unknown_key(path: Path, root: Any) -> str:
    annotation: Any = root
    for part in path[:-1]:
        annotation = inner(annotation, part)
    known = keys(annotation)
    return f"unknown key{did_you_mean(str(path[-1]), known) or '; known keys are ' + ', '.join(known)}"


def _shown(found: Any) -> str:
    """A value as a message shows it."""
    if found is None:
        return "nothing"
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, dict | list):
        return "a mapping" if isinstance(found, dict) else "a list"
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:78]} …"
