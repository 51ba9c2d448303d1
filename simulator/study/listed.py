"""Factors with a list of values: plain ones, ones with chances, and named variants that move several paths together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from itertools import accumulate
from typing import Annotated, Any

from pydantic import ConfigDict, Field, RootModel, model_validator

from simulator.scenario.write import on_one_line
from simulator.study.level import Form, Level

__all__ = ["Choice", "Values", "Variants"]


class _Listed(ABC):
    """Forms with a list of values; a sampled design takes them with equal chances."""

    @property
    @abstractmethod
    def _written(self) -> tuple[Any, ...]: ...

    def __len__(self) -> int:
        return len(self._written)

    def level(self, path: str, index: int) -> Level:
        """The value at a place of the list."""
        text = on_one_line(self._written[index])
        return Level(text, (f"{path}={text}",))

    def index_at(self, share: float) -> int:
        """Place of the value at a share of the probability."""
        return min(int(share * len(self)), len(self) - 1)

    def at(self, path: str, share: float) -> Level:
        """The value at a share of the probability."""
        return self.level(path, self.index_at(share))


class Values(_Listed, RootModel[tuple[Any, ...]]):
    """A list of values, each as the scenario would hold it."""

    model_config = ConfigDict(frozen=True)
    root: Annotated[tuple[Any, ...], Field(min_length=1, description="values, each as the scenario would hold it")]

    @property
    def _written(self) -> tuple[Any, ...]:
        return self.root


class Choice(_Listed, Form):
    """A list of values with chances."""

    choice: Annotated[tuple[Any, ...], Field(min_length=1, description="values, each as the scenario would hold it")]
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        default=None, description="chances, in the order of the values; default: equal ones"
    )

    @model_validator(mode="after")
    def _one_each(self) -> Choice:
        if self.weights is not None and len(self.weights) != len(self.choice):
            raise ValueError(f"expected one weight for each of the {len(self.choice)} values; got {len(self.weights)}")
        if self.weights is not None and not sum(self.weights) > 0:
            raise ValueError("expected weights of which one at least is more than zero; got zeros")
        return self

    @property
    def _written(self) -> tuple[Any, ...]:
        return self.choice

    def index_at(self, share: float) -> int:
        """Place of the value at a share of the probability."""
        weights = self.weights or (1.0,) * len(self.choice)
        sums = list(accumulate(weights))
        index = bisect_right(sums, share * sums[-1])
        return min(index, max(place for place, weight in enumerate(weights) if weight > 0))


class Variants(_Listed, Form):
    """Named sets of changes that go together, e.g. a machine: its node, its fabric, its number."""

    variants: dict[str, dict[str, Any]] = Field(
        min_length=1, description="name: the paths it changes and their values, e.g. h100: {cluster.fabric: …}"
    )

    @property
    def _written(self) -> tuple[Any, ...]:
        return tuple(self.variants)

    def level(self, path: str, index: int) -> Level:
        """The variant at a place of the list."""
        name = tuple(self.variants)[index]
        changes = self.variants[name].items()
        return Level(name, tuple(f"{where}={on_one_line(value)}" for where, value in changes))
