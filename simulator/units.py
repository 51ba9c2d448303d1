"""Quantities: people write them with a unit, the program computes with plain floats in base units.

Base units are s, B, FLOP, J, W, USD, kgCO2e, m² and token.  ``GB`` is 10⁹ bytes and ``GiB`` is 2³⁰; bits are spelt
``bit``.  Few units and their products, so our own: libraries read ``400 Gb/s`` as gilbert per second, drop a dollar
sign without a word, and take a fifth of a second to start.
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
    "DAY", "HOUR", "MEGA", "MINUTE", "TONNE", "YEAR",
    "Area", "Bytes", "CarbonIntensity", "CarbonMass", "Count", "DataRate", "Dollars", "DollarsPerSecond",
    "DollarsPerWatt", "DollarsPerWattSecond", "Energy", "EnergyPrice", "Flop", "FlopRate", "Fraction", "Metres", "Rate",
    "Ratio", "Seconds", "Tokens", "Unit", "Watts", "base_value", "quantity", "ratio", "show", "show_time",
]  # fmt: skip

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
YEAR = 365.25 * DAY
MEGA, TONNE = 1e6, 1e3  # what tables show: MW of W, MWh of 3,600 J, tCO2e of kgCO2e

_PREFIXES = {
    "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21,
    "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip
_UNITS = {
    "s": (1.0, "time"), "min": (MINUTE, "time"), "h": (HOUR, "time"), "d": (DAY, "time"), "week": (7 * DAY, "time"),
    "y": (YEAR, "time"), "second": (1.0, "time"), "minute": (MINUTE, "time"), "hour": (HOUR, "time"),
    "day": (DAY, "time"), "year": (YEAR, "time"),
    "B": (1.0, "data"), "bit": (1 / 8, "data"), "FLOP": (1.0, "flop"), "USD": (1.0, "money"),
    "J": (1.0, "energy"), "Wh": (HOUR, "energy"), "W": (1.0, "power"), "m": (1.0, "length"), "meter": (1.0, "length"),
    "kgCO2e": (1.0, "carbon"), "gCO2e": (1e-3, "carbon"), "tCO2e": (1e3, "carbon"),
    "token": (1.0, "token"), "sequence": (1.0, "sequence"), "percent": (0.01, ""), "%": (0.01, ""),
}  # fmt: skip
_POWER_OF = {"": {}, "power": {"energy": 1.0, "time": -1.0}}
_NUMBER = r"[-+]?(?:\d[\d_ ]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_WRITTEN = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*")
_FACTOR = re.compile(r"([A-Za-zµ%]\w*)(?:\*\*(-?\d(?:\.\d)?))?")
_SCALES = (
    (1, 1000 * YEAR, "thousand years"), (3, YEAR, "years"), (1, DAY, "d"), (1, HOUR, "h"), (1, MINUTE, "min"),
)  # fmt: skip
_LONGEST_UNIT = 60
_LEAST, _MOST = 1e-30, 1e30  # in base units: nothing real is beyond, and products of a few still are numbers


@cache
def _factor(unit: str) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Size of a written unit in base units, and its dimensions.

    A product of units, some of them divided by: ``USD/W/y``, ``kW h``, ``mm²``, ``1/d``; from left to right.

    Raises
    ------
    ValueError
        It is none.
    """
    said = f"expected a product of units; got {unit[:_LONGEST_UNIT]!r}"
    if len(unit) > _LONGEST_UNIT:
        raise ValueError(said)
    plain = unit.replace("$", "USD").replace("²", "**2").replace("^", "**").strip()
    if re.match(r"1\s*/|/", plain):
        plain = f"1 {plain.removeprefix('1').lstrip()}"
    # a power binds its unit first, so that every `*` left is a product
    parts = re.split(r"\s*(/|(?<!\*)\*(?!\*)|\s)\s*", plain)
    size, dimensions = 1.0, dict[str, float]()
    for sign, part in zip(["*", *parts[1::2]], parts[::2], strict=True):
        if part == "1" and sign == "*" and len(parts) > 1:
            continue
        match = _FACTOR.fullmatch(part)
        named = match and _named(match[1])
        if not match or not named:
            raise ValueError(said)
        one, kind = named
        power = float(match[2] or 1) * (-1 if sign == "/" else 1)
        size *= one**power
        for name, exponent in _POWER_OF.get(kind, {kind: 1.0}).items():
            dimensions[name] = dimensions.get(name, 0.0) + exponent * power
    return size, tuple(sorted((name, exponent) for name, exponent in dimensions.items() if exponent))


def _named(word: str) -> tuple[float, str] | None:
    """Size and kind of one unit, with its prefix or as a plural; ``None`` if it is none."""
    for name in (word, word[:-1] if word.endswith("s") and len(word) > 2 else word):
        if name in _UNITS:
            return _UNITS[name]
        for prefix, times in _PREFIXES.items():
            if prefix and name.startswith(prefix) and name[len(prefix) :] in _UNITS:
                size, kind = _UNITS[name[len(prefix) :]]
                return times * size, kind
    return None


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
            except ValueError as unreadable:
                words = re.findall(r"[A-Za-z%]+[0-9]?[A-Za-z]*", unit)
                unknown = next((word for word in words if not _named(word)), unit)
                bits = re.fullmatch(r"([kMGTP]?)b(ps)?", unknown)  # bits or bytes: never guessed
                hint = f"; write {bits[1]}bit or {bits[1]}B" if bits else did_you_mean(unknown, _unit_names())
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
        except ValueError as unreadable:
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
    """``61.4 d``, ``3.1 h``, ``26 s``: the largest unit that leaves a number of one or more, years from three on."""
    for times, size, unit in _SCALES:
        if abs(seconds) >= times * size:
            value = seconds / size
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
