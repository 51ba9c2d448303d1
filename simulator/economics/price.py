"""Prices, lives, shares and intensities: what a planner looks up, as a range with its unit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from simulator.catalogue import CatalogueEntry
from simulator.units import base_value

__all__ = ["Level", "Price"]

Level = Literal["low", "mid", "high"]


def _parsed(written: Any) -> tuple[float, str]:
    """Value in base units and the unit as written; a plain number is a ratio and has none."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        return float(written), ""
    return base_value(written)


class Price(CatalogueEntry):
    """One number of the cost model at its low, middle and high end.

    Values are kept in base units whatever their dimension (``2.35 USD/h`` is 6.5e-4 USD/s); ``unit`` remembers how they
    were written, for tables.  Low and high are the ends of the *value*; a low life is the dear one.
    """

    shelf = "prices"

    low: float
    mid: float
    high: float
    unit: str = Field(default="", description="as written; empty for ratios")
    date: str = Field(default="", description="what time the values are of")
    applies_to: str = ""
    basis: str = Field(default="", description="how the sources lead to the values")

    @model_validator(mode="before")
    @classmethod
    def _one_unit(cls, written: Any) -> Any:
        if not isinstance(written, dict) or "unit" in written:
            return written
        values = {end: _parsed(written[end]) for end in ("low", "mid", "high") if end in written}
        units = {unit for _, unit in values.values()}
        if len(units) > 1:
            raise ValueError(f"expected low, mid and high in one unit; got {', '.join(sorted(units))}")
        return {**written, **{end: value for end, (value, _) in values.items()}, "unit": "".join(units)}

    @field_validator("high")
    @classmethod
    def _ordered(cls, high: float, info: Any) -> float:
        low, mid = info.data.get("low", high), info.data.get("mid", high)
        if not low <= mid <= high:
            raise ValueError(f"expected low ≤ mid ≤ high; got {low:g}, {mid:g}, {high:g}")
        return high

    def at(self, end: Level) -> float:
        """The value at one end of the range, in base units."""
        return float(getattr(self, end))
