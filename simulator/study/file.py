"""A study file, or a scenario with lists behind ``--set``, into one checked :class:`Study`; every mistake at once."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from simulator.errors import Fault, ScenarioError
from simulator.scenario.change import counts
from simulator.scenario.document import Document, Path, Place, parse
from simulator.scenario.faults import translated
from simulator.scenario.locate import find, packaged
from simulator.scenario.read import checked, load, unchecked
from simulator.study.check import design_faults, evidence_faults, output_faults, path_faults, value_faults
from simulator.study.factor import levels
from simulator.study.schema import DesignRequest, Study

__all__ = ["is_study", "read_study", "study_of"]

_CLOSING = {"[": "]", "{": "}", '"': '"', "'": "'"}
_BY_NAME = ("set", "factors", "evidence")  # sections whose entries are right or wrong one by one
_NAMELESS = {"name": "nameless", "question": "nothing that can be read"}  # for want of those of the file


def read_study(path: str | os.PathLike[str], *, changes: Sequence[str] = (), **asked: Any) -> Study:
    """The study of a file or packaged name.

    Parameters
    ----------
    changes
        ``path=value``: fixed for all points, instead of what the file says of that path; ``path=a,b,c``: a factor.
    asked
        Keys of the file with other values: ``replicas``, ``precision``, ``mode``.

    Raises
    ------
    ScenarioError
        Every fault that was found, each with file and line, or with the change that brought it in.
    """
    file = find(os.fspath(path), kind="study")
    document = load(file, keys="name, question, base, factors …")
    without = ("replicas", "precision") if asked.get("mode") == "plan" else ()
    data = {key: value for key, value in document.data.items() if key not in without}
    places = {where: at for where, at in document.places.items() if where[:1] not in {(key,) for key in asked}}
    document = Document(data | asked, places | {(key,): Place("command line", None) for key in asked})
    return _checked(*_changed(document, changes), folder=file.parent)


def is_study(path: str | os.PathLike[str]) -> bool:
    """Whether a file or name means a study rather than a scenario: it has factors, or only a study is called so."""
    name = os.fspath(path)
    if not pathlib.Path(name).is_file():
        return name.removesuffix(".yaml") in packaged("study") and name.removesuffix(".yaml") not in packaged()
    try:
        data = load(pathlib.Path(name), keys="").data
    except ScenarioError:  # whoever reads it tells
        return False
    return "factors" in data or ("base" in data and "cluster" not in data)


def study_of(
    scenario: str | os.PathLike[str], changes: Sequence[str], *, replicas: int | None = None, **asked: Any
) -> Study:
    """The grid of ``path=a,b,c`` lists on a scenario; a ``path=value`` without a comma is the same at every point.

    Commas inside brackets, braces and quotes belong to a value: ``cluster.pools.h100.arrivals={2024-09-02: 10},
    {2024-09-02: 20}`` are two values, ``question="one, two"`` is one.

    Parameters
    ----------
    asked
        Other keys of a study file: ``mode``, ``precision``, ``outputs`` …
    """
    base = os.fspath(scenario)
    name = re.sub(r"[^a-z0-9]+", "-", pathlib.Path(base).stem.lower()).strip("-") or "sweep"
    data = {"name": name, "question": f"{name}: what do these changes make of it?", "base": base, "factors": {}}
    data |= {key: value for key, value in {"replicas": replicas, **asked}.items() if value is not None}
    document, faults = _changed(Document(data, {(): Place(base, None)}), changes)
    if not document.data["factors"] and not faults:
        expected = "expected a list to sweep over, e.g. --set failures.scale=0.5,1,2"
        faults = [Fault("--set", None, "", f"{expected}; got {'single values only' if changes else 'none'}")]
        raise ScenarioError(faults)
    return _checked(document, faults, folder=None)


def _changed(document: Document, changes: Sequence[str]) -> tuple[Document, list[Fault]]:
    """The document with each change as a fixed value or as a factor."""
    data, places, faults = dict(document.data), dict(document.places), list[Fault]()
    for key in ("set", "factors"):
        if data.get(key) is None and changes:
            data[key] = {}
        elif isinstance(data.get(key), dict):
            data[key] = dict(data[key])
    for change in changes:
        label = f"--set {change}"
        path, equals, text = change.partition("=")
        path = path.strip()
        if not equals or not path:
            faults.append(Fault(label, None, "", "expected path=value or path=a,b,c, e.g. failures.scale=0.5,1,2"))
            continue
        try:
            values = [_value(part, label) for part in _parts(text)]
        except ScenarioError as unreadable:
            faults.extend(unreadable.faults)
            continue
        section, other = ("factors", "set") if len(values) > 1 else ("set", "factors")
        for part in (section, other):
            places = {where: at for where, at in places.items() if where[:2] != (part, path)}
            if isinstance(data[part], dict):
                data[part].pop(path, None)
        if isinstance(data[section], dict):
            data[section][path] = values if len(values) > 1 else values[0]
        places[section, path] = Place(label, None)
    return Document(data, places), faults


def _value(text: str, label: str) -> Any:
    if text.lstrip().startswith(">"):  # as in a scenario's changes
        return text.strip()
    return parse(text, label, numbered=False).data


def _parts(text: str) -> Iterator[str]:
    """The text cut at commas outside of brackets, braces and quotes."""
    open_: list[str] = []
    begin = 0
    for at, character in enumerate(text):
        if open_ and character == open_[-1]:
            open_.pop()
        elif character in "[{" or (character in "\"'" and not text[begin:at].strip() and not open_):
            open_.append(_CLOSING[character])
        elif character == "," and not open_:
            yield text[begin:at].strip()
            begin = at + 1
    yield text[begin:].strip()


def _checked(document: Document, earlier: Sequence[Fault], *, folder: pathlib.Path | None) -> Study:
    """The document as a study, or all of its faults after the ``earlier`` ones."""
    found: dict[Path, str] = {}
    try:
        study: Study | None = Study.model_validate(document.data)
    except ValidationError as invalid:
        for path, message in translated(invalid.errors(include_url=False, include_input=False), document.data, Study):
            found.setdefault(path, message)
        study = _rest(document.data, found)
    faults = [*earlier, *(document.fault(path, message) for path, message in found.items())]
    if study is not None:
        endless = not all(map(levels, study.factors.values()))
        if endless and study.objective is not None and "design" not in document.data:
            study = study.model_copy(update={"design": DesignRequest(kind="search")})
        design = () if any(path[0] == "design" for path in found) else design_faults(study)
        inside = (
            *design,
            *path_faults(study),
            *output_faults(study),
            *evidence_faults(study, document.data.get("factors") or ()),
        )
        faults += [document.fault(path, message) for path, message in inside]
        study, outside = _on_base(study, document, folder)
        faults += outside
    if faults or study is None:
        shown = dict.fromkeys(_as_asked(fault) for fault in faults)
        raise ScenarioError(sorted(shown, key=lambda fault: (fault.file, fault.line or 0)))
    return study


def _rest(data: Any, wrong: Iterable[Path]) -> Study | None:
    """What is right of a study that is not, so that its other faults are told too; None if nothing can be said."""
    rest = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for path in wrong:
        if not path:
            return None
        if path[0] in _BY_NAME and len(path) > 1 and isinstance(rest.get(path[0]), dict):
            rest[path[0]].pop(path[1], None)
        else:
            rest.pop(path[0], None)
    try:
        return Study.model_validate(_NAMELESS | rest)
    except ValidationError:
        return None


def _as_asked(fault: Fault) -> Fault:
    """A fault of a change on the command line under the path that was written there."""
    if not fault.file.startswith("--set "):
        return fault
    path = re.sub(r"^(set|factors)\.", "", fault.path)
    return Fault(fault.file, fault.line, path, fault.message)


def _on_base(study: Study, document: Document, folder: pathlib.Path | None) -> tuple[Study, list[Fault]]:
    """The study with its base found and its counts whole, and what the base scenario says to its values."""
    place = document.place(("base",))
    try:
        file = find(study.base, beside=folder)
        base = unchecked(file)
        checked(base)
    except ScenarioError as absent:
        inside = [fault for fault in absent.faults if fault.line is not None]
        return study, inside or [Fault(place.file, place.line, "base", fault.message) for fault in absent.faults]
    named = pathlib.Path(study.base).stem in packaged() and find(pathlib.Path(study.base).stem).samefile(file)
    whole = {name for name, factor in study.factors.items() if hasattr(factor, "whole") and counts(base, name)}
    factors = {
        name: factor.model_copy(update={"whole": True}) if name in whole else factor
        for name, factor in study.factors.items()
    }
    found = study.model_copy(update={"base": pathlib.Path(study.base).stem if named else str(file), "factors": factors})
    return found, list(value_faults(found, base, document))
