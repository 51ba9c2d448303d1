"""What an output hangs on."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Index", "Sensitivity"]

_NARROW = 0.1  # half of an interval that a ranking can rest on


@dataclass(frozen=True, slots=True)
class Index:
    """One factor's indices, each with half of its 95 % interval (bootstrap)."""

    factor: str
    first: float
    first_half: float
    total: float
    total_half: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What an output hangs on, the widest total index first; no indices of an output that never moves."""

    output: str
    base: int  # base points whose values are all known
    dropped: int  # the others
    mean: float
    deviation: float
    indices: tuple[Index, ...]

    @property
    def wanted(self) -> int | None:
        """Base points that would bring the widest interval down to ±0.1; None: it is narrow enough.

        Intervals shrink with the root of the number of points; powers of two keep the sequence balanced.
        """
        widest = max((max(index.first_half, index.total_half) for index in self.indices), default=0.0)
        if widest <= _NARROW:
            return None
        return 1 << math.ceil(math.log2(self.base * (widest / _NARROW) ** 2))
