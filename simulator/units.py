"""Quantities: people write them with a unit, the program computes with plain floats in base units.

Base units are s, B, FLOP, J, W, USD, kgCO2e, m² and token.  ``GB`` is 10⁹ bytes and ``GiB`` is 2³⁰; bits are spelt
``bit``.  pint does the arithmetic on a registry of our own: the stock one reads ``400 Gb/s`` as gilbert per second
and drops a dollar sign without a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from simulator.errors import did_you_mean

__all__ = [
    "DAY", "HOUR", "MINUTE", "YEAR",
    "Area", "Bytes", "CarbonIntensity", "CarbonMass", "Count", "DataRate", "Dollars", "DollarsPerSecond",
    "DollarsPerWatt", "DollarsPerWattSecond", "Energy", "EnergyPrice", "Flop", "FlopRate", "Fraction", "Metres", "Rate",
    "Ratio", "Seconds", "Tokens", "Unit", "Watts", "base_value", "quantity", "ratio", "show",
    "show_time",
]  # fmt: skip

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
YEAR = 365.25 * DAY

_DEFINITIONS = """
k- = 1e3 = k-
M- = 1e6 = M-
G- = 1e9 = G-
T- = 1e12 = T-
P- = 1e15 = P-
E- = 1e18 = E-
Z- = 1e21 = Z-
m- = 1e-3 = m-
u- = 1e-6 = µ-
n- = 1e-9 = n-
Ki- = 1024 = Ki-
Mi- = 1048576 = Mi-
Gi- = 1073741824 = Gi-
Ti- = 1099511627776 = Ti-
Pi- = 1125899906842624 = Pi-
second = [time] = s
minute = 60 * second = min
hour = 3600 * second = h
day = 86400 * second = d
week = 604800 * second
year = 31557600 * second = y
B = [data]
bit = B / 8
FLOP = [flop]
J = [energy]
W = J / second
Wh = 3600 * J
USD = [money]
meter = [length] = m
kgCO2e = [carbon]
gCO2e = kgCO2e / 1000
tCO2e = 1000 * kgCO2e
token = [token]
sequence = [sequence]
percent = 0.01 = %
"""
_NUMBER = r"[-+]?(?:\d[\d_ ]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_WRITTEN = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*")
_POWER = r"[A-Za-zµ%]\w*(?:\*\*-?\d(?:\.\d)?)?"
_PRODUCT = re.compile(rf"{_POWER}(?:\s*[*/ ]\s*{_POWER})*")
_LONGEST_UNIT = 60
_LEAST, _MOST = 1e-30, 1e30  # in base units: nothing real is beyond, and products of a few still are numbers


@cache
def _registry() -> Any:
    from pint import UnitRegistry  # 0.1 s: only who parses a quantity pays for it

    return UnitRegistry(_DEFINITIONS.strip().splitlines(), cache_folder=None)


@cache
def _factor(unit: str) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Size of a written unit in base units, and its dimensions."""
    unit = re.sub(r"\btokens\b", "token", unit.replace("$", "USD").replace("²", "**2").replace("^", "**"))
    unit = f"dimensionless {unit}" if unit.startswith("/") else re.sub(r"^1\s*/", "dimensionless /", unit)
    # pint evaluates numbers in a unit, and `s**(9**9**9)` would keep it busy for ever
    if len(unit) > _LONGEST_UNIT or not _PRODUCT.fullmatch(unit):
        raise ValueError(f"expected a product of units; got {unit[:_LONGEST_UNIT]!r}")
    registry = _registry()
    quantity = registry.Quantity(1.0, registry.parse_units(unit)).to_base_units()
    return float(quantity.magnitude), tuple(sorted((k, float(v)) for k, v in quantity.dimensionality.items()))


def _unit_names() -> Iterable[str]:
    units = ("s", "min", "h", "d", "week", "y", "B", "bit", "FLOP", "J", "W", "Wh", "USD", "m", "kgCO2e", "gCO2e",
             "tCO2e", "token", "sequence", "percent")  # fmt: skip
    prefixes = ("", "k", "M", "G", "T", "P", "E", "m", "u", "n", "Ki", "Mi", "Gi", "Ti")
    return [prefix + unit for unit in units for prefix in prefixes] + ["second", "minute", "hour", "day", "year"]


@dataclass(frozen=True)
class Unit:
    """What a field measures: its base unit, its plain name, how a person would write one, and its bounds."""

    base: str
    name: str
    example: str
    positive: bool = True  # most quantities of this field are meaningless at or below zero
    zero: bool = True

    def parse(self, written: Any) -> float:
        """Value in base units; ``DataRate`` turns ``"400 Gbit/s"`` into ``5e10``.

        Raises
        ------
        ValueError
            The text has no unit, an unknown one or one of another dimension, or the value is out of bounds.
        """
        expected = f"expected {self.name}, e.g. {self.example!r}"
        if isinstance(written, bool) or not isinstance(written, str | int | float):
            raise ValueError(f"{expected}; got {written!r}")
        match = _WRITTEN.fullmatch(str(written))
        if match is None:
            raise ValueError(f"{expected}; got {written!r}")
        unit = match[2]
        if not unit and self.base:
            raise ValueError(f"{expected}; got the bare number {written!r} without a unit")
        scale = 1.0
        if unit:
            try:
                scale, dimensions = _factor(unit)
            except Exception as unreadable:  # pint raises a different class for each way a unit can be wrong
                known = _unit_names()
                words = re.findall(r"[A-Za-z%]+[0-9]?[A-Za-z]*", unit)
                unknown = next((word for word in words if word not in known), unit)
                bits = re.fullmatch(r"([kMGTP]?)b(ps)?", unknown)  # bits or bytes: never guessed
                hint = f"; write {bits[1]}bit or {bits[1]}B" if bits else did_you_mean(unknown, known)
                raise ValueError(f"{expected}; got {written!r} with the unknown unit {unknown!r}{hint}") from unreadable
            if dimensions != (_factor(self.base)[1] if self.base else ()):
                raise ValueError(f"{expected}; got {written!r}, which is not convertible to {self.base or 'a number'}")
        value = float(re.sub(r"[_ ]", "", match[1])) * scale
        if not math.isfinite(value) or (self.positive and (value < 0 or (value == 0 and not self.zero))):
            bound = "zero or more" if self.zero else "more than zero"
            raise ValueError(f"{expected}, finite and {bound}; got {written!r}")
        if value and not _LEAST <= abs(value) <= _MOST:
            raise ValueError(
                f"{expected}, between {_LEAST:g} and {_MOST:g} {self.base}".rstrip() + f"; got {written!r}"
            )
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        # a plain number is its own written form; the bounds of a field (`lt=1`) come with the handler's schema
        written = core_schema.plain_serializer_function_ser_schema(self.write) if self.base else None
        return core_schema.no_info_before_validator_function(self.parse, handler(source), serialization=written)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        written = {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*\S.*$"}
        kinds = [written] if self.base else [{"type": "number"}, written]
        return {"anyOf": kinds, "description": f"{self.name}, e.g. {self.example}", "examples": [self.example]}

    def write(self, value: float) -> str:
        """The value as a file would hold it, e.g. ``'5e+10 B/s'``; :meth:`parse` reads it back unchanged."""
        return f"{value!r} {self.base}".strip()


def base_value(written: Any) -> tuple[float, str]:
    """Any quantity in base units with the unit it was written in; for tables that show catalogue entries."""
    match = _WRITTEN.fullmatch(str(written))
    if match is None or not match[2]:
        raise ValueError(f"expected a number with a unit; got {written!r}")
    return float(re.sub(r"[_ ]", "", match[1])) * _factor(match[2])[0], match[2]


def quantity(written: Any) -> tuple[float, str]:
    """Number and unit as they are written; a bare number has the unit ``''``."""
    match = None if isinstance(written, bool) else _WRITTEN.fullmatch(str(written))
    if match is None:
        raise ValueError(f"expected a number, with its unit if it has one; got {str(written)[:80]!r}")
    return float(re.sub(r"[_ ]", "", match[1])), match[2]


def ratio(unit: str, other: str) -> float:
    """How many of the ``other`` unit one ``unit`` is: ``ratio('h', 'min')`` is 60.

    Raises
    ------
    ValueError
        A unit is unknown, or the two measure different things.
    """
    if unit == other:
        return 1.0
    sizes = []
    for one in (unit, other):
        try:
            sizes.append(_factor(one) if one else (1.0, ()))
        except Exception as unreadable:  # as in Unit.parse
            raise ValueError(f"expected a known unit; got {one!r}{did_you_mean(one, _unit_names())}") from unreadable
    if sizes[0][1] != sizes[1][1]:
        shown = [repr(one) if one else "none" for one in (other, unit)]
        raise ValueError(f"expected two units of one kind; got {' and '.join(shown)}")
    return sizes[0][0] / sizes[1][0]


def show(value: float, unit: str, digits: int = 3) -> str:
    """``show(9.89e14, 'FLOP/s')`` is ``'989 TFLOP/s'``: three digits and the prefix a person would choose."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    power = max(-3, min(7, math.floor(math.log10(abs(value)) / 3 + 1e-12)))
    if float(f"{abs(value) / 1000**power:.{digits}g}") >= 1000 and power < 7:
        power += 1
    prefix = ("n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z")[power + 3]
    scaled = value / 1000**power
    text = f"{scaled:.{digits}g}" if abs(scaled) < 1000 else f"{scaled:.0f}"
    return f"{text} {prefix}{unit}"


def show_time(seconds: float) -> str:
    """``61.4 d``, ``3.1 h``, ``26 s``: the largest unit that leaves a number of one or more."""
    for size, unit in ((1000 * YEAR, "thousand years"), (3 * YEAR, "years"), (DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if abs(seconds) >= size:
            scale = {"thousand years": 1000 * YEAR, "years": YEAR}.get(unit, size)
            value = seconds / scale
            return f"{value:,.1f} {unit}" if abs(value) < 1000 else f"{value:,.0f} {unit}"
    return show(seconds, "s")


Seconds = Annotated[float, Unit("second", "time", "90 min")]
Bytes = Annotated[float, Unit("B", "data size", "80 GB")]
DataRate = Annotated[float, Unit("B/second", "data rate", "400 Gbit/s")]
Flop = Annotated[float, Unit("FLOP", "amount of arithmetic", "4.6e26 FLOP")]
FlopRate = Annotated[float, Unit("FLOP/second", "arithmetic rate", "989 TFLOP/s")]
Watts = Annotated[float, Unit("W", "power", "150 MW")]
Energy = Annotated[float, Unit("J", "energy", "3.9 MWh")]
Dollars = Annotated[float, Unit("USD", "amount of money", "4.7 GUSD")]
DollarsPerSecond = Annotated[float, Unit("USD/second", "price per time", "2.35 USD/h")]
DollarsPerWatt = Annotated[float, Unit("USD/W", "price per power", "8.3 USD/W")]
DollarsPerWattSecond = Annotated[float, Unit("USD/W/second", "price per power and time", "1.65 USD/W/y")]
EnergyPrice = Annotated[float, Unit("USD/J", "energy price", "0.06 USD/kWh")]
CarbonIntensity = Annotated[float, Unit("kgCO2e/J", "carbon intensity", "369 gCO2e/kWh")]
CarbonMass = Annotated[float, Unit("kgCO2e", "mass of carbon dioxide", "8930 tCO2e")]
Area = Annotated[float, Unit("meter**2", "area", "814 mm²")]
Metres = Annotated[float, Unit("meter", "distance", "30 km")]
Tokens = Annotated[float, Unit("token", "number of tokens", "15.6 Ttoken", zero=False)]
Rate = Annotated[float, Unit("1/second", "rate", "0.0038 /d")]
Fraction = Annotated[float, Unit("", "fraction", "2 %")]
Ratio = Annotated[float, Unit("", "ratio", "1.25", zero=False)]
Count = Annotated[float, Unit("", "count", "12_500")]
