"""A scenario file, its parent and changes, into one checked :class:`Scenario`; every mistake at once."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from simulator.errors import Fault, ScenarioError
from simulator.hardware import Cluster
from simulator.reliability import Failures
from simulator.scenario.change import apply
from simulator.scenario.check import (
    calendar_faults,
    evidence_faults,
    failure_faults,
    name_faults,
    queue_faults,
    size_faults,
    trace_faults,
)
from simulator.scenario.document import Document, Path, merged, parse
from simulator.scenario.faults import translated
from simulator.scenario.locate import find
from simulator.scenario.schema import SHORT, TRACED, Scenario
from simulator.scenario.shape import bent
from simulator.workload import TrainingJob

__all__ = ["checked", "load", "read", "resolve", "unchecked"]

_LARGEST = 256_000  # bytes; the scenarios that came with the package are a hundredth of it
_JOBS = TypeAdapter(tuple[TrainingJob, ...])


def read(path: str | os.PathLike[str], *, changes: Sequence[str] = ()) -> Scenario:
    """The scenario of a file or packaged name, with ``changes`` (``"jobs.pretrain.tokens=2 Ttoken"``) applied.

    Raises
    ------
    ScenarioError
        Every fault that was found, each with file and line, or with the change that brought it in.
    """
    document, faults = apply(unchecked(path), changes)
    return checked(document, faults)


def unchecked(path: str | os.PathLike[str]) -> Document:
    """What the file and its parents say, each value with its place; changes may be applied before it is checked."""
    return _with_parents(find(os.fspath(path)), ())


def resolve(path: str | os.PathLike[str], *, changes: Sequence[str] = ()) -> dict[str, Any]:
    """What the file says, as written, with its parent's values and the changes merged in; not yet validated."""
    document, faults = apply(unchecked(path), changes)
    if faults:
        raise ScenarioError(faults)
    data: dict[str, Any] = document.data
    return data


def _with_parents(path: pathlib.Path, children: tuple[pathlib.Path, ...]) -> Document:
    """The document of ``path`` over that of its parent; ``children`` are the files that led here."""
    document = load(path, keys="name, start, cluster …")
    if {"base", "factors"} <= document.data.keys():
        raise ScenarioError([document.fault((), f"expected a scenario; got a study, which simgpu sweep {path} runs")])
    _put_beside(document.data, path.parent)
    if "extends" not in document.data:
        return document
    place = document.place(("extends",))
    named = document.data["extends"]
    if not isinstance(named, str):
        message = f"expected the file or name of one scenario; got {named!r}"
        raise ScenarioError([Fault(place.file, place.line, "extends", message[:200])])
    try:
        parent = find(named, beside=path.parent)
    except ScenarioError as absent:
        raise ScenarioError([Fault(place.file, place.line, "extends", f.message) for f in absent.faults]) from absent
    chain = (*children, path)
    if any(parent.samefile(file) for file in chain):
        shown = " → ".join(file.name for file in (*chain, parent))
        raise ScenarioError([Fault(place.file, place.line, "extends", f"expected a parent; got a loop: {shown}")])
    own = Document(
        {key: value for key, value in document.data.items() if key != "extends"},
        {where: at for where, at in document.places.items() if where[:1] != ("extends",)},
    )
    return merged(_with_parents(parent, chain), own, SHORT)


def load(path: pathlib.Path, *, keys: str) -> Document:
    """The mapping in a YAML file, or the fault of one that holds something else; ``keys`` says what it should hold.

    Raises
    ------
    ScenarioError
        The file cannot be read, is no YAML or no mapping.
    """
    file = str(path)
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise ScenarioError(
                [Fault(file, None, "", f"expected at most {_LARGEST / 1e3:.0f} kB; got {size / 1e3:,.0f} kB")]
            )
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as foreign:
        line = foreign.object.count(b"\n", 0, foreign.start) + 1
        raise ScenarioError([Fault(file, line, "", "expected UTF-8 text; got other bytes")]) from foreign
    except OSError as unreadable:
        message = f"expected a readable file; got {unreadable.strerror}"
        raise ScenarioError([Fault(file, None, "", message)]) from unreadable
    document = parse(text, file)
    if document.data is None:
        raise ScenarioError([Fault(file, 1, "", f"expected {keys}; got an empty file")])
    if not isinstance(document.data, dict):
        kind = "a list" if isinstance(document.data, list) else f"the single value {str(document.data)[:60]!r}"
        raise ScenarioError([Fault(file, 1, "", f"expected a mapping with {keys}; got {kind}")])
    return document


def _put_beside(data: dict[str, Any], folder: pathlib.Path) -> None:
    """Let the traces a file names begin in its folder, not in the one the user happens to be in."""
    for name in TRACED:
        section = data.get(name)
        if isinstance(section, dict) and isinstance(section.get("trace"), str) and section["trace"].strip():
            section["trace"] = str(folder / section["trace"])


def checked(document: Document, earlier: Sequence[Fault] = ()) -> Scenario:
    """The document as a scenario, or all of its faults after the ``earlier`` ones."""
    found = bent(document.data)
    scenario = None
    try:
        scenario = Scenario.model_validate(document.data)
    except ValidationError as invalid:
        for path, message in translated(invalid.errors(include_url=False, include_input=False), document.data):
            found.setdefault(path, message)
    raw = document.data
    for path, message in (*name_faults(raw), *evidence_faults(raw), *trace_faults(raw)):
        found.setdefault(path, message)
    for path, message in tuple(_between(scenario, document.data, found)):
        found.setdefault(path, message)
    if found or earlier or scenario is None:
        faults = [*earlier, *(document.fault(path, message) for path, message in found.items())]
        raise ScenarioError(sorted(faults, key=lambda fault: (fault.file, fault.line or 0)))
    return scenario


def _between(scenario: Scenario | None, data: dict[str, Any], faulty: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Faults between sections that are themselves sound, even where others are not."""
    broken = {path[0] for path in faulty if path}
    cluster: Cluster | None
    failures: Failures | None
    if scenario is not None and not broken:
        cluster, jobs, failures = scenario.cluster, scenario.jobs, scenario.failures
    else:
        cluster = None if "cluster" in broken else Cluster.model_validate(data["cluster"])
        jobs = () if "jobs" in broken else _JOBS.validate_python(data["jobs"])
        failures = None if "failures" in broken else Failures.model_validate(data["failures"])
    yield from calendar_faults(scenario.start if scenario else None, cluster)
    if cluster is not None:
        yield from size_faults(cluster, jobs)
    if failures is not None:
        yield from failure_faults(failures)
    if scenario is not None and scenario.queue is not None:
        yield from queue_faults(scenario.cluster, scenario.queue, scenario.horizon)
