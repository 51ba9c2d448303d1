"""The points of a study: which values of the factors go together, one point at a time."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from simulator.errors import SimulatorError
from simulator.study.level import Level
from simulator.study.schema import Study

__all__ = ["Design", "Drawn", "Listed", "Tried", "design_of"]


@dataclass(frozen=True)
class Design(ABC):
    """Points by number.  ``point(i)`` costs the same for any i, and no list of all of them is ever made."""

    factors: Mapping[str, Any]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def levels(self, index: int) -> tuple[Level, ...]:
        """The value of each factor at a point, in the order of the factors."""

    def point(self, index: int) -> tuple[str, ...]:
        """The ``path=value`` changes of a point, as ``simgpu run SCENARIO --set`` takes them."""
        return tuple(change for level in self.levels(index) for change in level.changes)

    def labels(self, index: int) -> tuple[str, ...]:
        """What tables call the value of each factor at a point."""
        return tuple(level.label for level in self.levels(index))

    def _inside(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a point from 0 to {len(self) - 1}; got {index}")
        return index


@dataclass(frozen=True)
class Listed(Design):
    """A grid, the last factor changing fastest, or a zip."""

    together: bool = False  # a zip

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        return tuple(len(factor) for factor in self.factors.values())

    @cached_property
    def _length(self) -> int:
        return min(self._counts) if self.together else math.prod(self._counts)

    @cached_property
    def _level(self) -> Callable[[str, int], Level]:
        """Points share their levels: a factor of ten has ten, whatever the number of points."""
        return lru_cache(maxsize=4096)(lambda name, digit: self.factors[name].level(name, digit))

    def __len__(self) -> int:
        return self._length

    def levels(self, index: int) -> tuple[Level, ...]:
        """The value of each factor at a point: the digits of its number, to the bases of the factors' counts."""
        rest = self._inside(index)
        digits = [rest] * len(self._counts)
        if not self.together:
            for place in reversed(range(len(digits))):
                rest, digits[place] = divmod(rest, self._counts[place])
        return tuple(map(self._level, self.factors, digits))


@dataclass(frozen=True)
class Drawn(Design):
    """Points in the unit cube, one coordinate a factor, read as shares of probability."""

    shares: np.ndarray  # points × factors

    def __len__(self) -> int:
        return len(self.shares)

    def levels(self, index: int) -> tuple[Level, ...]:
        """The value of each factor at the point's share of its probability."""
        row = self.shares[self._inside(index)].tolist()
        return tuple(factor.at(name, share) for (name, factor), share in zip(self.factors.items(), row, strict=True))


@dataclass(frozen=True)
class Tried(Design):
    """Points that were found one after the other."""

    found: tuple[tuple[Level, ...], ...]

    def __len__(self) -> int:
        return len(self.found)

    def levels(self, index: int) -> tuple[Level, ...]:
        """The value of each factor at a point."""
        return self.found[self._inside(index)]


def design_of(study: Study) -> Design:
    """The study's points; the same ones for the same study.

    Raises
    ------
    SimulatorError
        A Latin hypercube or a Sobol sequence without SciPy.
    """
    asked = study.design
    if asked.kind == "search":
        raise SimulatorError(f"{study.name}: expected a design whose points are known before; simgpu optimise searches")
    if not asked.drawn:
        return Listed(study.factors, together=asked.kind == "zip")
    return Drawn(study.factors, _drawn(asked.kind, asked.n or 0, len(study.factors), asked.seed))


def _drawn(kind: str, n: int, dimensions: int, seed: int) -> np.ndarray:
    if kind == "random":
        # by rows, so that more points of the same seed begin with the same ones
        return np.random.default_rng(seed).random((n, dimensions))
    try:
        from scipy.stats import qmc  # 1.3 s
    except ImportError as absent:
        raise SimulatorError(
            f"design {kind}: needs SciPy, of the extra `analysis`: pip install 'simgpu[analysis]'; "
            "grid, zip and random work without it"
        ) from absent
    rng = np.random.default_rng(seed)
    if kind == "latin-hypercube":
        return np.asarray(qmc.LatinHypercube(dimensions, rng=rng).random(n))
    with warnings.catch_warnings():  # the study's remarks have said what SciPy has to say of other numbers
        warnings.filterwarnings("ignore", "The balance properties")
        if kind == "sobol":
            return np.asarray(qmc.Sobol(dimensions, rng=rng).random(n))
        base, other = np.split(qmc.Sobol(2 * dimensions, rng=rng).random(n), 2, axis=1)
    # Saltelli's order, as SALib reads it: a base point, then it with one coordinate after the other from the second
    # point, then that
    crossed = np.where(np.eye(dimensions, dtype=bool), other[:, None, :], base[:, None, :])
    return np.concatenate([base[:, None, :], crossed, other[:, None, :]], axis=1).reshape(-1, dimensions)
