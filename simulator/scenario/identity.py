"""What identifies a scenario: the same question gives the same digest, however it is spelt."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from simulator.scenario.expectation import Expectation
from simulator.scenario.schema import Scenario

__all__ = ["digest"]


def digest(scenario: Scenario) -> str:
    """SHA-256 of the resolved scenario in canonical JSON.

    Quantities enter in base units to 12 digits, so ``60 min``, ``1 h`` and ``0.0416666666666666667 d`` are one.
    """
    canonical = json.dumps(_canonical(scenario), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _canonical(inner) for name, inner in value}
    if isinstance(value, Expectation):
        return [value.comparison, _canonical(value.bound)]
    if isinstance(value, Mapping):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, float):
        return f"{value:.12g}"
    return value.isoformat() if isinstance(value, dt.date) else value
