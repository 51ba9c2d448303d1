"""A scorecard, or verdicts, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from simulator.report.tables import table
from simulator.report.words import count

__all__ = ["scored"]

_SHOWN_REASONS = 12
_WIDEST, _WIDEST_OF_SEVERAL = 42, 32  # of a group's name, and of each of its parts where it has several


def _percent(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.1f}"


_OF = {
    "steps": ("rows", "tokens/s", "no setting that decides the step time was filled"),
    "runs": ("runs", "accelerator-hours", "neither the cluster's size nor the model's shape was filled"),
}


def _named(group: str) -> str:
    """A group's name, none of its parts so long that the others are pushed out."""
    parts = group.split(" · ")
    widest = _WIDEST if len(parts) == 1 else _WIDEST_OF_SEVERAL
    return " · ".join(part if len(part) <= widest else part[: widest - 1] + "…" for part in parts)


def _groups(groups: list[Mapping[str, Any]], rows: str, unit: str) -> RenderableType:
    made = table(
        f"errors in {unit} [%]", "inputs", rows, "median", "mean", "P90", "worst", "bias", "constant", "P90",
        "in 80 %",
        right=range(2, 11),
    )  # fmt: skip
    named = ""
    for score in groups:
        made.add_row(
            "" if score["group"] == named else _named(score["group"]), score["inputs"], count(score["rows"]),
            _percent(score["median_pct"]), _percent(score["mean_pct"]), _percent(score["p90_pct"]),
            _percent(score["worst_pct"]), _percent(score["bias_pct"], "+"), _percent(score["baseline_median_pct"]),
            _percent(score["baseline_p90_pct"]), f"{score['in_interval_pct']:.0f}",
        )  # fmt: skip
        named = score["group"]
    return made


def _skipped(reasons: Mapping[str, int]) -> RenderableType:
    made = table("skipped", "", right=(0,))
    for reason, rows in list(reasons.items())[:_SHOWN_REASONS]:
        made.add_row(count(rows), reason)
    rest = list(reasons.values())[_SHOWN_REASONS:]
    if rest:
        made.add_row(count(sum(rest)), f"for {len(rest)} more reasons; --json and --out list all")
    return made


_SHOWN = {"%": " %", "h": " h", "/d": " a day", "": ""}


def _figure(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.3g}{_SHOWN[unit]}" if abs(value) < 1000 else count(value)


def _between(low: float | None, high: float | None, unit: str) -> str:
    """A range in one figure where both ends are the same."""
    return _figure(low, unit) if low == high else f"{_figure(low, '')} to {_figure(high, unit)}"


def judged(document: Mapping[str, Any]) -> RenderableType:
    """Published figures of reliability beside the predicted ones, with the verdict and, where they miss, why."""
    cases = document["cases"]
    made = table("figure", "predicted", "95 % of runs", "published", "rule", "verdict", right=(1, 2, 3))
    for case in cases:
        unit = case["unit"]
        runs = "" if case["low"] is None else _between(case["low"], case["high"], unit)
        low, high = case["published"]
        made.add_row(
            case["id"], _figure(case["predicted"], unit), runs, _between(low, high, unit), case["rule"], case["verdict"]
        )
    why = table("does not agree", "")
    for case in cases:
        if case["verdict"] != "agrees":
            why.add_row(case["id"], f"{case['says']}: {case['remark'] or 'no reason known'}")
    parts: list[RenderableType] = [
        f"{document['file']}: {document['agree']} of {len(cases)} published figures agree", "", made,
    ]  # fmt: skip
    if document["agree"] < len(cases):
        parts += ["", why]
    return Group(*parts)


def scored(card: Mapping[str, Any]) -> RenderableType:
    """Rows or runs predicted and skipped, then errors by group beside those of a constant; or verdicts on cases."""
    if card["kind"] == "reliability":
        return judged(card)
    rows, predicted = card["rows"], card["predicted"]
    of, unit, stated = _OF[card["kind"]]
    share = f" ({100 * predicted / rows:.1f} %)" if rows else ""
    parts: list[RenderableType] = [
        f"{card['file']}: {count(predicted)} of {count(rows)} {of} predicted{share}, {count(card['scored'])} scored"
    ]
    if card["groups"]:
        parts += ["", _groups(card["groups"], of, unit)]
        parts.append(
            "median to worst: absolute error; bias: median signed error; constant: the error of a constant "
            f"utilisation, the median of the other sources; in 80 %: share of {of} inside their interval; stated: "
            f"{stated}"
        )
    if card["skipped"]:
        parts += ["", _skipped(card["skipped"])]
    return Group(*parts)
