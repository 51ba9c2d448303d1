"""Numbers as people read them: three digits, thousands separated, a unit that fits."""

from __future__ import annotations

import math

from simulator.units import DAY, YEAR, show, show_time

__all__ = [
    "amount",
    "carbon",
    "count",
    "days",
    "duration",
    "energy",
    "money",
    "percent",
    "power",
    "tokens",
    "training_rate",
]

_NONE = "–"


def count(value: float | None) -> str:
    """``12,500``."""
    return _NONE if value is None else f"{value:,.0f}"


def amount(value: float | None, unit: str) -> str:
    """``145 MW``; see :func:`simulator.units.show`."""
    return _NONE if value is None else show(value, unit)


def percent(share: float | None) -> str:
    """``38.2 %``; what is there but would round to nothing is ``<0.1 %``."""
    if share is None:
        return _NONE
    return f"{100 * share:.1f} %" if share == 0 or abs(share) >= 0.0005 else "<0.1 %"


def duration(seconds: float | None) -> str:
    """``61.4 d``; see :func:`simulator.units.show_time`."""
    return _NONE if seconds is None else show_time(seconds)


def days(seconds: float | None) -> str:
    """``134 days``, for a sentence; years where days would be thousands, hours where they would be a fraction."""
    if seconds is None:
        return _NONE
    if DAY <= seconds < 3 * YEAR:
        return f"{_three(seconds / DAY)} days"
    return duration(seconds).replace(" h", " hours").replace(" min", " minutes")


def money(dollars: float | None) -> str:
    """``$412 M``, ``$4.70 bn``, ``$0.089``."""
    if dollars is None:
        return _NONE
    sign, size = ("−" if dollars < 0 else ""), abs(dollars)
    for scale, name in ((1e12, " trn"), (1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if size >= 0.9995 * scale:
            return f"{sign}${_three(size / scale)}{name}"
    return f"{sign}${_three(size)}"


def _three(value: float) -> str:
    """Three significant digits without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(float(f"{value:.3g}")) + 1e-12))
    return f"{value:,.{min(digits, 6)}f}"


def tokens(number: float | None) -> str:
    """``15.6 trillion tokens``."""
    if number is None:
        return _NONE
    for scale, name in ((1e15, "quadrillion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= 0.9995 * scale:
            return f"{_three(number / scale)} {name} tokens"
    return f"{number:,.0f} tokens"


def energy(megawatt_hours: float | None) -> str:
    """``230 GWh``."""
    return amount(None if megawatt_hours is None else megawatt_hours * 1e6, "Wh")


def power(megawatts: float | None) -> str:
    """``145 MW``."""
    return amount(None if megawatts is None else megawatts * 1e6, "W")


def carbon(tonnes: float | None) -> str:
    """``8,930 tCO2e``."""
    return _NONE if tonnes is None else f"{tonnes:,.0f} tCO2e" if abs(tonnes) >= 10 else f"{tonnes:.3g} tCO2e"


def training_rate(tokens_per_second: float | None) -> str:
    """``1.35 Mtoken/s``."""
    return amount(tokens_per_second, "token/s")
