"""The ``expect:`` section: bounds on results, so that a plan becomes a test."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from simulator.units import Unit

__all__ = ["METRICS", "Expect", "Expectation"]

Comparison = Literal["<", "<=", ">", ">="]
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)
_WRITTEN = re.compile(r"\s*(<=|>=|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One bound on one result; ``bound`` is in base units, ``written`` is what the file said."""

    metric: str
    comparison: Comparison
    bound: float
    written: str = field(compare=False)  # "< 1 d" and "< 24 h" expect the same

    def holds(self, value: float) -> bool:
        """Whether a result in base units meets the bound; a result that is not a number never does."""
        return _COMPARISONS[self.comparison](value, self.bound)

    def __str__(self) -> str:
        return f"{self.metric} {self.written}"


@dataclass(frozen=True)
class _Bound:
    """Reads, writes and describes the expectation of one metric."""

    metric: str
    sense: str  # of the example: a cost should stay below, a goodput above

    @property
    def unit(self) -> Unit:
        return METRICS[self.metric]

    @property
    def example(self) -> str:
        return f"{self.sense} {self.unit.example}"

    def parse(self, written: Any) -> Expectation:
        if isinstance(written, Expectation) and written.metric == self.metric:
            return written
        match = _WRITTEN.fullmatch(written) if isinstance(written, str) else None
        if match is None:
            raise ValueError(f"expected <, <=, > or >= and a bound, e.g. '{self.example}'; got {written!r}")
        try:
            bound = self.unit.parse(match[2].strip())
        except ValueError as unreadable:
            raise ValueError(f"after {match[1]!r}: {unreadable}") from unreadable
        return Expectation(self.metric, cast(Comparison, match[1]), bound, " ".join(str(written).split()))

    def write(self, expectation: Expectation) -> str:
        return f"{expectation.comparison} {self.unit.write(expectation.bound)}"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        written = core_schema.plain_serializer_function_ser_schema(self.write)
        return core_schema.no_info_plain_validator_function(self.parse, serialization=written)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\s*[<>]=?\s*\S.*$", "examples": [self.example]}


METRICS: Mapping[str, Unit] = MappingProxyType(
    {
        "time_to_train": Unit("second", "time", "60 d"),
        "cost": Unit("USD", "amount of money", "400 MUSD"),
        "cost_per_million_tokens": Unit("USD", "amount of money", "2.5 USD"),
        "goodput": Unit("", "fraction", "0.9"),
        "mfu": Unit("", "fraction", "0.38"),
        "tokens_per_second": Unit("token/second", "training rate", "2 Mtoken/s"),
        "energy": Unit("J", "energy", "30 GWh"),
        "peak_power": Unit("W", "power", "150 MW"),
        "carbon": Unit("kgCO2e", "mass of carbon dioxide", "9000 tCO2e"),
        "interruptions": Unit("", "count", "500"),
        "mtti": Unit("second", "time", "3 h"),
    }
)


class Expect(BaseModel):
    """Bounds on the results; ``simgpu run`` exits 1 when one is not met."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_to_train: Annotated[Expectation, _Bound("time_to_train", "<")] | None = Field(
        default=None, description="first node requested to last token trained"
    )
    cost: Annotated[Expectation, _Bound("cost", "<")] | None = Field(
        default=None, description="all rows of the bill together"
    )
    cost_per_million_tokens: Annotated[Expectation, _Bound("cost_per_million_tokens", "<")] | None = Field(
        default=None, description="the bill over a million trained tokens"
    )
    goodput: Annotated[Expectation, _Bound("goodput", ">")] | None = Field(
        default=None, description="useful training time over wall time"
    )
    mfu: Annotated[Expectation, _Bound("mfu", ">")] | None = Field(
        default=None, description="model FLOPs over time and dense peak"
    )
    tokens_per_second: Annotated[Expectation, _Bound("tokens_per_second", ">")] | None = Field(
        default=None, description="mean rate of training"
    )
    energy: Annotated[Expectation, _Bound("energy", "<")] | None = Field(
        default=None, description="at the facility's meter"
    )
    peak_power: Annotated[Expectation, _Bound("peak_power", "<")] | None = Field(
        default=None, description="highest draw of the facility"
    )
    carbon: Annotated[Expectation, _Bound("carbon", "<")] | None = Field(default=None, description="of the energy used")
    interruptions: Annotated[Expectation, _Bound("interruptions", "<")] | None = Field(
        default=None, description="of all jobs together"
    )
    mtti: Annotated[Expectation, _Bound("mtti", ">")] | None = Field(
        default=None, description="mean running time between interruptions of a job"
    )

    @property
    def given(self) -> tuple[Expectation, ...]:
        """The expectations the file states, in the order of the metrics above."""
        return tuple(value for _, value in self if value is not None)
