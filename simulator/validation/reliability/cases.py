"""The file of cases: published figures with their definition, their source and the way to predict them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from simulator.errors import Fault, ScenarioError, SimulatorError
from simulator.scenario.document import parse
from simulator.scenario.faults import translated
from simulator.units import Fraction
from simulator.validation.reliability.ways import Way

__all__ = ["Case", "Source", "read"]

_LARGEST = 256_000  # bytes


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
    """Where a figure was printed."""

    title: str
    url: str
    locator: str = Field(description="section, table or figure; how it was read, if not there")


class Case(_Strict):
    """One published figure, and what counts as agreement: exactly one of ``within``, ``least`` and ``spread``."""

    says: str = Field(description="the figure's definition")
    published: float | tuple[float, float] = Field(description="in the unit; two numbers are a range")
    unit: Literal["", "%", "h", "/d"] = ""
    source: Source
    by: Way
    within: Fraction | None = Field(default=None, description="agrees if so near, of the published figure")
    least: bool = Field(default=False, description="agrees if predicted is as published or more")
    spread: bool = Field(default=False, description="agrees if published lies where 95 % of the runs do")
    remark: str = Field(default="", description="assumptions that were not published; why it misses")

    @model_validator(mode="after")
    def _one_rule(self) -> Case:
        rules = [self.within is not None, self.least, self.spread]
        if sum(rules) != 1:
            raise ValueError(f"expected one of within, least and spread; got {sum(rules)}")
        if self.spread and self.by.way != "simulation":
            raise ValueError(f"expected a simulation for spread; got {self.by.way!r}")
        if isinstance(self.published, tuple) and self.published[0] > self.published[1]:
            raise ValueError(f"expected a range from low to high; got {self.published[0]:g} to {self.published[1]:g}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """The published figure as a range, mostly of one point."""
        return self.published if isinstance(self.published, tuple) else (self.published, self.published)


_CASES = TypeAdapter(dict[Annotated[str, Field(min_length=1, max_length=80)], Case])


def read(path: Path) -> dict[str, Case]:
    """Every case of a YAML file, by its name.

    Raises
    ------
    ScenarioError
        Every mistake, with file and line.
    SimulatorError
        The file cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise SimulatorError(f"{path}: expected at most {_LARGEST / 1e3:.0f} kB of cases")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as refused:
        raise SimulatorError(f"{path}: cannot be read: {refused.strerror or refused}") from refused
    except UnicodeDecodeError as broken:
        raise SimulatorError(f"{path}: expected UTF-8 text: {broken}") from broken
    document = parse(text, str(path))
    if not isinstance(document.data, dict):
        raise ScenarioError([Fault(str(path), 1, "", "expected cases by name, each with says, published, source, by")])
    try:
        return _CASES.validate_python(document.data)
    except ValidationError as invalid:
        found = dict(translated(invalid.errors(include_url=False, include_input=False), document.data))
        raise ScenarioError([document.fault(where, message) for where, message in found.items()]) from None
