"""What the schema allows at a path: keys to suggest, and values that pydantic would bend into shape unasked."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from inspect import isclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from simulator.scenario.document import Path
from simulator.scenario.schema import Scenario

__all__ = ["bent", "field_at", "inner", "is_free", "is_list", "is_whole", "keys"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@cache
def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The plain types an annotation is made of."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(found for part in get_args(annotation) for found in _alternatives(part))
    return (annotation,)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    yield from (part for part in _alternatives(annotation) if isclass(part) and issubclass(part, BaseModel))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the key a file writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


@cache
def keys(annotation: Any) -> tuple[str, ...]:
    """Known keys of the mapping an annotation allows; empty when it allows none or any."""
    return tuple(name for model in _models(annotation) for name in _fields(model))


@cache
def is_free(annotation: Any) -> bool:
    """Whether the annotation allows a mapping with any keys, e.g. dates."""
    return any(get_origin(part) is dict for part in _alternatives(annotation))


@cache
def is_list(annotation: Any) -> bool:
    """Whether the annotation allows a list."""
    return any(get_origin(part) in (tuple, list) for part in _alternatives(annotation))


def is_whole(annotation: Any) -> bool:
    """Whether numbers there are whole ones."""
    kinds = tuple(_alternatives(annotation))
    return int in kinds and float not in kinds


@lru_cache(maxsize=4096)  # keys may be anyone's
def inner(annotation: Any, key: str | int) -> Any:
    """Annotation of what stands below ``key``; None when nothing may."""
    for part in _alternatives(annotation):
        if isclass(part) and issubclass(part, BaseModel) and key in _fields(part):
            return _fields(part)[str(key)].annotation
        if get_origin(part) is dict and isinstance(key, str):
            return get_args(part)[1]
        if get_origin(part) in (tuple, list) and isinstance(key, int):
            return get_args(part)[0]
    return None


def field_at(path: Path, root: Any = Scenario) -> FieldInfo | None:
    """The schema's field at a path of a scenario, or of another file whose schema is ``root``, with its description."""
    annotation: Any = root
    for key in path[:-1]:
        annotation = inner(annotation, key)
    fields = (_fields(model).get(str(path[-1])) for model in _models(annotation))
    return next((field for field in fields if field is not None), None)


class _Shape:
    """What :func:`bent` asks of an annotation, worked out once: studies read the same scenario ten thousand times."""

    __slots__ = ("_below", "_items", "_others", "date", "dates", "whole")

    def __init__(self, annotation: Any) -> None:
        kinds = _alternatives(annotation)
        self.dates = any(get_origin(part) is dict and get_args(part)[0] is dt.date for part in kinds)
        self.date = dt.date in kinds
        self.whole = int in kinds and bool not in kinds
        self._below = {name: _shape(inner(annotation, name)) for name in keys(annotation)}
        self._others, self._items = (inner(annotation, key) for key in ("", 0))

    def below(self, key: str | int) -> _Shape:
        """Of what stands below a key or an index."""
        found = self._below.get(key) if isinstance(key, str) else None
        return found or _shape(self._others if isinstance(key, str) else self._items)


@cache
def _shape(annotation: Any) -> _Shape:
    return _Shape(annotation)


def bent(data: Any) -> dict[Path, str]:
    """Values of a scenario, by their path, that pydantic would take for something else than was meant.

    It reads a number as a date (20240902 seconds after 1970) and ``true`` as 1.
    """
    found: dict[Path, str] = {}
    _bend(data, _shape(Scenario), (), found)
    return found


def _bend(data: Any, shape: _Shape, path: Path, found: dict[Path, str]) -> None:
    if isinstance(data, dict):
        for key, below in data.items():
            if shape.dates and not _DATE.fullmatch(key):
                found[(*path, key)] = _expected_date(key)
            _bend(below, shape.below(key), (*path, key), found)
    elif isinstance(data, list):
        for index, below in enumerate(data):
            _bend(below, shape.below(index), (*path, index), found)
    elif shape.date and data is not None and not (isinstance(data, str) and _DATE.fullmatch(data)):
        found[path] = _expected_date(data)
    elif shape.whole and isinstance(data, bool):
        found[path] = f"expected a whole number; got {str(data).lower()}"


def _expected_date(found: Any) -> str:
    return f"expected a date, e.g. 2024-09-02; got {str(found)[:60]!r}"
