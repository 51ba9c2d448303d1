"""YAML text into plain data that remembers where each value was written.

Keys are kept as text and dates as ISO text, so ``2024-09-02`` and ``'2024-09-02'`` are one key when two files merge.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.errors import Fault, ScenarioError
from simulator.scenario.expectation import METRICS

__all__ = ["Document", "Path", "Place", "at", "dotted", "merged", "parse"]

Path = tuple[str | int, ...]

# A scenario has some hundred values.  The limits stop files that grow without end through aliases.
_MOST_VALUES = 10_000
_DEEPEST = 40
_LONGEST = 5_000  # characters of one value
_WIDEST = 256  # bits of a whole number
_MOST_TAGS = 10  # of the faults worth reading

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# `goodput: > 0.9` reads well and is not YAML: `>` begins folded text.  No folded text begins like that, so quote it.
_GREATER = re.compile(
    rf"^(\s*(?:expect:\s*\{{.*?)?\b(?:{'|'.join(METRICS)})\s*:\s+)(>[^,}}\n#'\"]*[^,}}\n#'\"\s])", re.M
)
_NUMBERS = {"int": "whole number", "float": "number", "bool": "true or false"}
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written: a file with a line, or a change on the command line without one."""

    file: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and the place of everything in it."""

    data: Any
    places: Mapping[Path, Place]

    def place(self, path: Path) -> Place:
        """Where ``path`` was written, or the nearest thing around it that was."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places[path]

    def fault(self, path: Path, message: str) -> Fault:
        """A fault at ``path``, list items shown by their name."""
        place = self.place(path)
        return Fault(place.file, place.line, dotted(path, self.data), message)


def at(data: Any, path: Path) -> Any:
    """What stands at ``path``; None when nothing does."""
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def dotted(path: Path, data: Any) -> str:
    """``jobs.pretrain.tokens``: a list item goes by its name where it has one, else by its index."""
    parts = []
    for depth, part in enumerate(path, start=1):
        item = at(data, path[:depth]) if isinstance(part, int) else None
        name = item.get("name") if isinstance(item, dict) else None
        parts.append(name if isinstance(name, str) and re.fullmatch(r"[\w-]+", name) else str(part))
    return ".".join(parts)


def merged(parent: Document, child: Document, short: Mapping[str, str]) -> Document:
    """The child's values over the parent's: mappings merge, everything else replaces.

    ``short`` names the sections that may be written as one text, and the key that text stands for.
    """
    places = dict(parent.places)

    def merge(base: Any, over: Any, path: Path) -> Any:
        if len(path) == 1 and isinstance(over, dict) and isinstance(base, str) and path[0] in short:
            base = {short[str(path[0])]: base}
            places[*path, short[str(path[0])]] = places[path]
        if isinstance(base, dict) and isinstance(over, dict):
            places[path] = child.places[path]
            inner = {
                key: merge(base[key], value, (*path, key)) if key in base else take(value, (*path, key))
                for key, value in over.items()
            }
            return base | inner
        return take(over, path)

    def take(value: Any, path: Path) -> Any:
        for old in [old for old in places if old[: len(path)] == path]:
            del places[old]
        places.update({new: place for new, place in child.places.items() if new[: len(path)] == path})
        return value

    return Document(merge(parent.data, child.data, ()), places)


def parse(text: str, file: str, *, numbered: bool = True) -> Document:
    """Plain data of a YAML text, with its lines.

    Parameters
    ----------
    numbered
        False for a value from the command line, which has no lines worth naming.

    Raises
    ------
    ScenarioError
        Not YAML, or YAML that no scenario needs: tags, duplicate keys, endless aliases, numbers that are not finite.
    """
    from ruamel.yaml import YAML  # 0.03 s

    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise ScenarioError([Fault(file, line if numbered else None, "", _not_yaml(f"the character {control[0]!r}"))])
    loader = YAML(typ="safe", pure=True)
    loader.composer.warn_double_anchors = False
    quoted = _GREATER.sub(r'\1"\2"', text)
    try:
        # a tag may promise another kind of node than stands there, so none of them reaches the reading below
        events = YAML(typ="safe", pure=True).parse(quoted) if "!" in quoted else ()
        tagged = [event for event in events if getattr(event, "tag", None) is not None]
        node = loader.compose(quoted) if not tagged else None
    except Exception as unreadable:  # ruamel raises YAMLError with a mark, and a dozen other classes on hostile text
        raise ScenarioError([_unreadable(unreadable, file, numbered)]) from unreadable
    if tagged:
        raise ScenarioError([_tagged(event, file, numbered) for event in tagged[:_MOST_TAGS]])
    reading = _Reading(file, numbered, loader.constructor)
    data = reading.value(node, ()) if node is not None else None
    reading.places.setdefault((), Place(file, 1 if numbered else None))
    if reading.faults:
        raise ScenarioError(reading.faults)
    return Document(data, reading.places)


def _not_yaml(found: str) -> str:
    return f"expected YAML; got {found}"


def _unreadable(error: Exception, file: str, numbered: bool) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "")
    if isinstance(error, RecursionError):
        found = f"lists or mappings nested deeper than {_DEEPEST} levels"
    elif "'\\t'" in problem or "'\t'" in problem:
        found = "a tab; indent with spaces"
    elif "another document" in problem:
        found = "a second document after '---'"
    elif "undefined alias" in problem:
        found = f"an alias without an anchor ({problem.removeprefix('found undefined alias ')})"
    else:
        found = f"something unreadable ({problem})" if problem else "something unreadable"
    at = f" at column {mark.column + 1}" if mark is not None else ""
    return Fault(file, mark.line + 1 if mark is not None and numbered else None, "", _not_yaml(found + at))


def _tagged(event: Any, file: str, numbered: bool) -> Fault:
    """Types follow from the values here; YAML's tags, which can name any class, say nothing that is needed."""
    tag = str(event.tag).replace(_TAG, "!!", 1)[:60]
    message = f"expected values without a YAML tag; got the tag {tag!r}: leave it out, or quote what is meant as text"
    return Fault(file, event.start_mark.line + 1 if numbered else None, "", message)


class _Reading:
    """One pass over the nodes of one text, gathering places and faults."""

    def __init__(self, file: str, numbered: bool, constructor: Any) -> None:
        self.places: dict[Path, Place] = {}
        self.faults: list[Fault] = []
        self._file, self._numbered, self._constructor = file, numbered, constructor
        self._values = 0

    def value(self, node: Any, path: Path) -> Any:
        """Plain data of ``node``, whose place is already noted unless it is the root."""
        self._count(node)
        if len(path) > _DEEPEST:
            message = f"expected at most {_DEEPEST} levels; got deeper ones"
            raise ScenarioError([Fault(self._file, self._line(node), "", message)])
        self.places.setdefault(path, Place(self._file, self._line(node)))
        kind = node.tag.removeprefix(_TAG)
        if kind == "map":
            return self._mapping(node, path)
        if kind == "seq":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(kind, node, path)

    def _count(self, node: Any) -> None:
        self._values += 1
        if self._values > _MOST_VALUES:
            message = f"expected at most {_MOST_VALUES:,} keys and values; got more, aliases counted at each use"
            raise ScenarioError([Fault(self._file, self._line(node), "", message)])

    def _line(self, node: Any) -> int | None:
        return node.start_mark.line + 1 if self._numbered else None

    def _refuse(self, node: Any, path: Path, message: str) -> None:
        self.faults.append(Fault(self._file, self._line(node), ".".join(map(str, path)), message))

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            self._count(key)
            if not isinstance(key.value, str) or not _is_text(key.value):
                self._refuse(key, path, "expected a plain word as key; got something else")
                continue
            below = (*path, key.value)
            if key.value in data:
                earlier = self.places[below].line
                self._refuse(key, below, f"expected each key once; got it again (first at line {earlier or 1})")
                continue
            self.places[below] = Place(self._file, self._line(key))
            data[key.value] = self.value(value, below)
        return data

    def _scalar(self, kind: str, node: Any, path: Path) -> Any:
        value, wrong = _plain_value(kind, node, self._constructor)
        if wrong:
            self._refuse(node, path, wrong)
        return value


def _plain_value(kind: str, node: Any, constructor: Any) -> tuple[Any, str]:
    """Value of a scalar node, and what is wrong with it."""
    text, value = node.value, node.value
    if len(text) > _LONGEST:
        return None, f"expected at most {_LONGEST:,} characters; got {len(text):,}"
    if not _is_text(text):
        return None, "expected text; got a broken character (half a surrogate pair)"
    if kind in _NUMBERS:
        try:
            value = constructor.construct_object(node)
        except Exception:  # thousands of digits
            return None, f"expected a {_NUMBERS[kind]}; got {text[:60]!r}"
        finite = math.isfinite(value) if isinstance(value, float) else int(value).bit_length() <= _WIDEST
        return (value, "") if finite else (None, f"expected a finite number; got {text[:60]!r}")
    return (None if kind == "null" else text), ""


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
