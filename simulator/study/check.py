"""What holds between a study's parts, and between its factors and the scenario they change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from simulator.errors import Fault, ScenarioError, SimulatorError, did_you_mean
from simulator.scenario.change import apply
from simulator.scenario.document import Document, Path
from simulator.scenario.read import checked
from simulator.study.factor import levels
from simulator.study.listed import Choice, Values, Variants
from simulator.study.outputs import OUTPUTS, check_outputs
from simulator.study.schema import MEASURES, MOST_POINTS, Study

__all__ = ["design_faults", "evidence_faults", "output_faults", "path_faults", "value_faults"]

_SHARES = (0.001, 0.5, 0.999)  # of a distribution that are tried
_ENDS = (0.0, 0.5, 1.0 - 1e-12)  # of a range, or of one that has ends
_MOST_FAULTS = 20  # worth reading


def design_faults(study: Study) -> Iterator[tuple[Path, str]]:
    """Factors that the design cannot take, and designs that no one could run."""
    counts = {name: levels(factor) for name, factor in study.factors.items()}
    if study.design.kind not in ("grid", "zip"):
        return
    kind = study.design.kind
    endless = [name for name, count in counts.items() if not count]
    for name in endless:
        expected = f"expected a list or a range in steps for a {kind}"
        help_ = "steps: 5 makes it finite, design: {kind: sobol, n: 256} draws from it"
        yield ("factors", name), f"{expected}; got values without number; {help_}"
    if endless:
        return
    if kind == "zip" and len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield ("factors",), f"expected lists of one length for a zip; got {shown}"
    if study.size > MOST_POINTS:
        shown = " × ".join(f"{count:,}" for count in counts.values())
        help_ = "draw from it: design: {kind: sobol, n: 1024}"
        yield ("factors",), f"expected a grid of at most {MOST_POINTS:,} points; got {shown} = {study.size:,}; {help_}"


def path_faults(study: Study) -> Iterator[tuple[Path, str]]:
    """Paths that two parts of the study change, of which only the later would count."""
    taken: dict[str, str] = dict.fromkeys(study.set, "set")
    for name, factor in study.factors.items():
        varied = {path for one in factor.variants.values() for path in one} if isinstance(factor, Variants) else {name}
        for path in sorted(varied):
            if path in taken:
                yield ("factors", name), f"expected each path in one place; got {path}, which {taken[path]} changes too"
        taken |= dict.fromkeys(varied, f"factor {name}")


def output_faults(study: Study) -> Iterator[tuple[Path, str]]:
    """Results that no task of the study's mode has."""
    asked: list[tuple[Path, str]] = [(("outputs", place), name) for place, name in enumerate(study.outputs)]
    if study.objective is not None:
        asked.append((("objective",), study.objective.output))
    asked += [(("constraints", bound.metric), MEASURES[bound.metric][0]) for bound in study.constraints.given]
    for path, name in asked:
        try:
            check_outputs(study.mode, [name])
        except SimulatorError as unknown:
            hint = did_you_mean(name, [*MEASURES, *OUTPUTS[study.mode]])
            yield path, f"unknown output {name!r}{hint}" if hint else str(unknown).removeprefix("outputs: ")


def evidence_faults(study: Study, factors: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Evidence about something the study does not have; its ``factors`` as written, the faulty ones too."""
    known = [*factors, *study.set, *type(study).model_fields]
    for name in study.evidence:
        if name not in known:
            yield ("evidence", name), f"expected a factor, or another key of the study{_or_list(name, study.factors)}"


def _or_list(wrong: str, known: Mapping[str, Any]) -> str:
    return did_you_mean(wrong, known) or f"; factors are {', '.join(known)}"


def value_faults(study: Study, base: Document, written: Document) -> Iterator[Fault]:
    """Values that the base scenario refuses, and paths it does not have.

    Every value of every list is put into the base, the other factors at their first value; of ranges and distributions
    both ends and the middle.
    """
    common = _refused(base, study.fixed)
    for fault in common:
        path = _named(study.set, fault)
        yield written.fault(("set", *path), _told(fault, *map(str, path)))
    fixed = [change for change in study.fixed if not any(_about(fault, [change]) for fault in common)]
    first = {name: _first(factor, name) for name, factor in study.factors.items()}
    standing = _refused(base, [*fixed, *(change for changes in first.values() for change in changes)])
    for fault in standing:
        if fault not in common and not any(_about(fault, changes) for changes in first.values()):
            yield written.fault(("factors",), f"with the first value of each factor: {_told(fault)}")
    for name, factor in study.factors.items():
        told = set[str]()
        others = [change for other, changes in first.items() if other != name for change in changes]
        around, _ = apply(base, [*fixed, *others])  # what is wrong with those is told with them
        for place, label, changes in _tried(factor, name):
            for fault in _refused(around, changes):
                own = _about(fault, changes)
                message = _told(fault, name) if own else f"with {label}: {_told(fault)}"
                new = own or (fault not in standing and not fault.file.startswith("--set "))
                if new and message not in told:  # a path that nothing has is as wrong for every value
                    told.add(message)
                    yield written.fault(("factors", name, *place), message)
            if len(told) >= _MOST_FAULTS:
                yield written.fault(("factors", name), f"the first {len(told)} faults; the check stopped there")
                break


def _refused(base: Document, changes: Sequence[str]) -> Sequence[Fault]:
    document, faults = apply(base, changes)
    try:
        checked(document, faults)
    except ScenarioError as wrong:
        return wrong.faults
    return ()


def _first(factor: Any, name: str) -> tuple[str, ...]:
    _, _, changes = next(_tried(factor, name))
    return changes


def _tried(factor: Any, name: str) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Place in the file, label and changes of the values worth trying."""
    if isinstance(factor, Values | Choice | Variants):
        for index in range(len(factor)):
            level = factor.level(name, index)
            yield _place(factor, index), level.label, level.changes
        return
    for share in _ENDS if factor.ends else _SHARES:
        level = factor.at(name, share)
        yield (), level.label, level.changes


def _place(factor: Any, index: int) -> Path:
    if isinstance(factor, Choice):
        return ("choice", index)
    return ("variants", tuple(factor.variants)[index]) if isinstance(factor, Variants) else (index,)


def _about(fault: Fault, changes: Sequence[str]) -> bool:
    return any(fault.file == f"--set {change}" for change in changes)


def _named(changes: Mapping[str, Any], fault: Fault) -> Path:
    """The path of the ``set:`` that a fault is about, when it is about one."""
    path = fault.file.removeprefix("--set ").partition("=")[0]
    return (path,) if path in changes else ()


def _told(fault: Fault, known: str = "") -> str:
    """What is wrong, and where unless that is known."""
    return f"{fault.path}: {fault.message}" if fault.path and fault.path != known else fault.message
