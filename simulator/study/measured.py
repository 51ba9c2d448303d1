"""Factors made of numbers with a unit: ranges and distributions; a share of probability becomes a value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from statistics import NormalDist
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from simulator.study.level import Form, Level
from simulator.units import quantity, ratio

__all__ = ["LogUniform", "Measured", "Normal", "Range", "Triangular", "Uniform"]

_MOST_LEVELS = 1_000_000
_DIGITS = 12  # of a value in equal steps: as many as a scenario's digest looks at
_DRAWN = 7  # of a drawn one, which is what its text says and no more


def _number(written: Any) -> Any:
    quantity(written)
    return written


Number = Annotated[
    str | int | float,
    AfterValidator(_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?[\d.]"}]}),
]
Whole = Annotated[bool, Field(description="round to whole numbers; on by itself where the scenario counts")]


class Measured(Form, ABC):
    """Forms made of numbers with a unit; values are written in the unit of the first."""

    ends: ClassVar[bool] = False  # whether values reach both ends of what is written, rather than fade out
    whole: Whole = False

    @property
    @abstractmethod
    def _unit(self) -> str: ...

    def _in_unit(self, written: Any) -> float:
        number, unit = quantity(written)
        return number * ratio(unit, self._unit)

    @abstractmethod
    def _value(self, share: float) -> float: ...

    def _level(self, path: str, value: float, digits: int) -> Level:
        text = f"{round(value)}" if self.whole else f"{value:.{digits}g}"
        text = f"{text} {self._unit}".strip()
        return Level(text, (f"{path}={text}",))

    def at(self, path: str, share: float) -> Level:
        """The value below which such a share of the probability lies."""
        return self._level(path, self._value(share), _DRAWN)


def _check_order(low: float, high: float, shown: str) -> None:
    if not low < high:
        raise ValueError(f"expected a range from the smaller to the larger value; got {shown}, {_wrong(low, high)}")


def _wrong(low: float, high: float) -> str:
    return "which is one value" if low == high else "which runs backwards"


def _check_positive(low: float, shown: str, what: str) -> None:
    if low <= 0:
        raise ValueError(f"expected {what} of numbers above zero; got {shown}")


class Range(Measured):
    """Equal steps, or equal ratios, from one value to another; without ``steps`` everything between them."""

    ends: ClassVar[bool] = True

    from_: Number = Field(alias="from", description="first value, e.g. 5 min")
    to: Number = Field(description="last value, e.g. 2 h")
    steps: int | None = Field(
        default=None, ge=2, le=_MOST_LEVELS, description="values, both ends included; default: any value between them"
    )
    scale: Literal["linear", "log"] = Field(default="linear", description="equal steps, or equal ratios")

    @model_validator(mode="after")
    def _forwards(self) -> Range:
        shown = f"from {self.from_} to {self.to}"
        _check_order(self._first, self._last, shown)
        if self.scale == "log":
            _check_positive(self._first, shown, "a log range")
        return self

    @property
    def _unit(self) -> str:
        return quantity(self.from_)[1]

    @cached_property
    def _first(self) -> float:
        return quantity(self.from_)[0]

    @cached_property
    def _last(self) -> float:
        return self._in_unit(self.to)

    def _value(self, share: float) -> float:
        if self.scale == "log":
            return self._first * math.pow(self._last / self._first, share)
        return self._first + (self._last - self._first) * share

    def __len__(self) -> int:
        return self.steps or 0

    def level(self, path: str, index: int) -> Level:
        """The value after so many steps."""
        return self._level(path, self._value(index / (len(self) - 1)), _DIGITS)

    def at(self, path: str, share: float) -> Level:
        """The value at a share of the way; of a range in steps, each with an equal chance."""
        if self.steps:
            return self.level(path, min(int(share * self.steps), self.steps - 1))
        return super().at(path, share)


class _Between(Measured):
    """Distributions given by their two ends."""

    ends: ClassVar[bool] = True

    @property
    def _ends(self) -> tuple[Any, Any]:
        raise NotImplementedError

    @property
    def _unit(self) -> str:
        return quantity(self._ends[0])[1]

    @cached_property
    def _limits(self) -> tuple[float, float]:
        low, high = self._ends
        return self._in_unit(low), self._in_unit(high)


class Uniform(_Between):
    """All values between two are equally likely."""

    uniform: tuple[Number, Number] = Field(description="smallest and largest value")

    @model_validator(mode="after")
    def _forwards(self) -> Uniform:
        _check_order(*self._limits, f"from {self.uniform[0]} to {self.uniform[1]}")
        return self

    @property
    def _ends(self) -> tuple[Any, Any]:
        return self.uniform

    def _value(self, share: float) -> float:
        low, high = self._limits
        return low + (high - low) * share


class LogUniform(_Between):
    """All ratios between two values are equally likely."""

    loguniform: tuple[Number, Number] = Field(description="smallest and largest value")

    @model_validator(mode="after")
    def _forwards(self) -> LogUniform:
        shown = f"from {self.loguniform[0]} to {self.loguniform[1]}"
        _check_order(*self._limits, shown)
        _check_positive(self._limits[0], shown, "a loguniform distribution")
        return self

    @property
    def _ends(self) -> tuple[Any, Any]:
        return self.loguniform

    def _value(self, share: float) -> float:
        low, high = self._limits
        return low * math.pow(high / low, share)


class Triangular(_Between):
    """A likeliest value between two that are just possible."""

    triangular: tuple[Number, Number, Number] = Field(description="smallest, likeliest and largest value")

    @model_validator(mode="after")
    def _forwards(self) -> Triangular:
        low, mode, high = self._limits[0], self._in_unit(self.triangular[1]), self._limits[1]
        shown = ", ".join(map(str, self.triangular))
        _check_order(low, high, shown)
        if not low <= mode <= high:
            raise ValueError(f"expected the likeliest value in the middle: [smallest, likeliest, largest]; got {shown}")
        return self

    @property
    def _ends(self) -> tuple[Any, Any]:
        return self.triangular[0], self.triangular[2]

    def _value(self, share: float) -> float:
        (low, high), mode = self._limits, self._in_unit(self.triangular[1])
        if share * (high - low) < mode - low:
            return low + math.sqrt(share * (high - low) * (mode - low))
        return high - math.sqrt((1 - share) * (high - low) * (high - mode))


class Bell(Form):
    """Mean and standard deviation."""

    mean: Number = Field(description="middle of the bell")
    sd: Number = Field(description="standard deviation, in the unit of the mean")


class Normal(Measured):
    """A bell, cut off at ``from`` and ``to`` where they are given."""

    normal: Bell = Field(description="mean and standard deviation, e.g. {mean: 30 s, sd: 5 s}")
    from_: Number | None = Field(default=None, alias="from", description="smallest value kept; default: no limit")
    to: Number | None = Field(default=None, description="largest value kept; default: no limit")

    @model_validator(mode="after")
    def _real(self) -> Normal:
        if self._spread <= 0:
            raise ValueError(f"expected a standard deviation above zero; got {self.normal.sd}")
        low, high = self._shares
        _check_order(low, high, f"from {self.from_} to {self.to}, of which the bell holds {high - low:.2g}")
        return self

    @property
    def _unit(self) -> str:
        return quantity(self.normal.mean)[1]

    @property
    def _spread(self) -> float:
        return self._in_unit(self.normal.sd)

    @cached_property
    def _bell(self) -> NormalDist:
        return NormalDist(quantity(self.normal.mean)[0], self._spread)

    @cached_property
    def _shares(self) -> tuple[float, float]:
        """Probability below each of the limits."""
        low = 0.0 if self.from_ is None else self._bell.cdf(self._in_unit(self.from_))
        return low, 1.0 if self.to is None else self._bell.cdf(self._in_unit(self.to))

    def _value(self, share: float) -> float:
        low, high = self._shares
        inside = min(max(low + (high - low) * share, 1e-12), 1 - 1e-12)
        value = self._bell.inv_cdf(inside)
        value = value if self.from_ is None else max(value, self._in_unit(self.from_))
        return value if self.to is None else min(value, self._in_unit(self.to))
