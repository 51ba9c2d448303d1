"""Predicted beside published, and whether the two agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError
from simulator.validation.reliability.cases import Case
from simulator.validation.reliability.ways import Predicted

__all__ = ["Judged", "document", "judge"]

_UNITS = {"": 1.0, "%": 0.01, "h": 3600.0, "/d": 1 / 86400}


@dataclass(frozen=True, slots=True)
class Judged:
    """One case; figures in the case's unit, ``None`` where nothing could be predicted."""

    id: str
    says: str
    predicted: float | None
    low: float | None  # 95 % of the runs lie between
    high: float | None
    published: tuple[float, float]
    unit: str
    rule: str
    verdict: str  # agrees, misses or skipped
    remark: str


def judge(cases: Mapping[str, Case], beside: Path) -> list[Judged]:
    """Predict every case; scenarios are looked for in the folder ``beside`` first."""
    return [_judged(name, case, beside) for name, case in cases.items()]


def _judged(name: str, case: Case, beside: Path) -> Judged:
    try:
        found = case.by.predict(beside)
    except (SimulatorError, ZeroDivisionError, OverflowError) as impossible:
        why = " ".join(str(impossible).split())
        return Judged(name, case.says, None, None, None, case.range, case.unit, _rule(case), "skipped", why)
    scale = _UNITS[case.unit]
    value, low, high = (None if part is None else part / scale for part in (found.value, found.low, found.high))
    verdict = "agrees" if _agrees(case, Predicted(found.value / scale, low, high)) else "misses"
    return Judged(name, case.says, value, low, high, case.range, case.unit, _rule(case), verdict, case.remark)


def _rule(case: Case) -> str:
    if case.within is not None:
        return f"within {100 * case.within:g} %"
    return "at least" if case.least else "in 95 % of runs"


def _agrees(case: Case, found: Predicted) -> bool:
    low, high = case.range
    if case.within is not None:
        return low * (1 - case.within) <= found.value <= high * (1 + case.within)
    if case.least:
        return found.value >= low
    assert found.low is not None
    assert found.high is not None
    return found.low <= high and low <= found.high


def document(judged: Iterable[Judged]) -> dict[str, Any]:
    """All verdicts as one document."""
    cases = [asdict(one) | {"published": list(one.published)} for one in judged]
    return {"cases": cases, "agree": sum(case["verdict"] == "agrees" for case in cases)}
