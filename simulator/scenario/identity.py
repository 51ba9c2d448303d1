"""What identifies a scenario: the same question gives the same digest, however it is spelt."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

from pydantic import BaseModel

from simulator.scenario.expectation import Expectation
from simulator.scenario.schema import Scenario

__all__ = ["digest"]

_LATE = ("queue", "trace", "servers")  # came later; a scenario without them is the question it was before


def digest(scenario: Scenario) -> str:
    """SHA-256 of the resolved scenario in canonical JSON.

    Quantities enter in base units to 12 digits, so ``60 min``, ``1 h`` and ``0.0416666666666666667 d`` are one.
    """
    canonical = json.dumps(_canonical(scenario), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {
            name: _content(inner) if name == "trace" and isinstance(inner, str) else _canonical(inner)
            for name, inner in value
            if not (name in _LATE and inner is None)
        }
    if isinstance(value, Expectation):
        return [value.comparison, _canonical(value.bound)]
    if isinstance(value, Mapping):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, float):
        return f"{value:.12g}"
    return value.isoformat() if isinstance(value, dt.date) else value


def _content(file: str) -> str:
    """Digest of a recorded file: the same records are the same question wherever they lie.

    A file that cannot be read is told by whoever reads it; until then its name stands for it.
    """
    try:
        state = Path(file).stat()
        return _hashed(file, state.st_mtime_ns, state.st_size) if S_ISREG(state.st_mode) else file
    except OSError:
        return file


@lru_cache(maxsize=64)
def _hashed(file: str, changed: int, size: int) -> str:
    """Digest of a file as it was at that moment and of that size; what-ifs ask for it again and again."""
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
