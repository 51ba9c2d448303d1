"""Why this layout, what it waits for, what would change it and what it rests on, as text and for programs."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from simulator.plan import Explained
from simulator.plan.model import Rung
from simulator.report.tables import table
from simulator.report.words import count, percent, training_rate
from simulator.step import Layout
from simulator.step.alternatives import Choice

__all__ = ["explained", "signed", "why_dict"]

_THIN = 5  # parameters told, those that matter most
_REASON = 60  # characters of a reason; `simgpu catalogue` has the rest
_NOTHING = 5e-4  # a change below this is none


def signed(share: float | None) -> str:
    """``+38.2 %``, ``−4.1 %``."""
    if share is None:
        return "–"
    return f"{'+' if share >= 0 else '−'}{abs(100 * share):.1f} %"


def explained(rung: Rung, why: Explained) -> list[RenderableType]:
    """Sections one under the other, blank lines between them."""
    sections = [_choice(rung, why.choice), _traffic(rung, why), _sensitivities(rung, why), _evidence(rung, why)]
    return [part for section in sections for part in (*section, "")][:-1]


def _choice(rung: Rung, choice: Choice) -> list[RenderableType]:
    rank = "the fastest" if choice.fastest else "one"
    said = f"why this layout: {rank} of {count(choice.fit)} that fit, of {count(choice.tried)} tried"
    made = table("one change", "step time", "because", "retuned", right=(1, 3))
    for other in choice.alternatives:
        slower = "cannot run" if other.slower is None else signed(other.slower)
        made.add_row(other.change, slower, other.reason, signed(other.retuned))
    note = "shares are of the step as it is; retuned: with that one change and everything else searched anew"
    parts: list[RenderableType] = [Text(said), made, Text(note, style="dim")]
    if choice.free is not None:
        gain = signed(choice.free.step.total / rung.step.total - 1)
        parts.append(Text(f"with nothing fixed, {choice.free.layout} would do: {gain}"))
    return parts


def _traffic(rung: Rung, why: Explained) -> list[RenderableType]:
    total = rung.step.total
    if not why.traffic:
        return [Text("waiting for communication: nothing, all of it is hidden behind arithmetic")]
    waits = sum(one.seconds for one in why.traffic)
    made = table(f"waits for links {percent(waits / total)}", "of the step", "over", "bound by", "", right=(1,))
    for one in why.traffic:
        bound = f"bandwidth {one.bandwidth:.0%}" if one.bandwidth >= 0.5 else f"latency {1 - one.bandwidth:.0%}"
        made.add_row(one.part, percent(one.seconds / total), one.link, bound.replace("%", " %"), one.collective)
    return [made]


def _sensitivities(rung: Rung, why: Explained) -> list[RenderableType]:
    made = table("if hardware had", "step time", "best with", right=(1,))
    for one in why.sensitivities:
        if abs(one.step) >= _NOTHING:
            made.add_row(one.change, signed(one.step), _difference(rung.layout, one.layout))
    idle = [one.change for one in why.sensitivities if abs(one.step) < _NOTHING]
    parts: list[RenderableType] = [made] if len(idle) < len(why.sensitivities) else []
    return [*parts, *([Text(f"no effect: {', '.join(idle)}", style="dim")] if idle else [])]


def _difference(now: Layout, then: Layout | None) -> str:
    """What one layout does differently from another."""
    if then is None:
        return "the same layout"
    before = str(now).split(" · ")
    words = [part for part in str(then).split(" · ") if part not in before]
    words += ["no interleaving"] if then.interleave == 1 < now.interleave else []
    words += ["recompute none"] if "recompute" in str(now) and "recompute" not in str(then) else []
    return " · ".join(words)


def _evidence(rung: Rung, why: Explained) -> list[RenderableType]:
    sure, speed = why.confidence, rung.tokens_per_second
    low, high = training_rate(speed * sure.low), training_rate(speed * sure.high)
    extrapolated = f"; extrapolated: {sure.extrapolated}" if sure.extrapolated else ""
    parts: list[RenderableType] = []
    if why.thin:
        made = table("thin evidence", "value", "10 % worse adds", "it is", right=(1, 2))
        for one in why.thin[:_THIN]:
            reason = textwrap.shorten(one.why, _REASON, placeholder=" …")
            made.add_row(one.parameter, one.value, signed(one.slower), reason)
        parts.append(made)
        rest = len(why.thin) - _THIN
        parts += [Text(f"and {rest} more that matter less", style="dim")] if rest > 0 else []
    said = f"four of five measured runs lay between {sure.low:.2f} and {sure.high:.2f} times their prediction, here"
    return [*parts, Text(f"{said} {low} to {high}{extrapolated}")]


def why_dict(why: Explained) -> dict[str, Any]:
    """The same for programs; shares are of the step as it is."""
    choice = why.choice
    return {
        "layers_by_stage": list(why.layers),
        "memory_by_stage_bytes": {name: asdict(memory) for name, memory in why.stages.items()},
        "layouts_tried": choice.tried,
        "layouts_that_fit": choice.fit,
        "is_fastest": choice.fastest,
        "fastest_with_nothing_fixed": asdict(choice.free.layout) if choice.free is not None else None,
        "alternatives": [asdict(one) for one in choice.alternatives],
        "waits_for": [asdict(one) for one in why.traffic],
        "sensitivities": [asdict(one) for one in why.sensitivities],
        "thin_evidence": [asdict(one) for one in why.thin],
        "speed_low": why.confidence.low,
        "speed_high": why.confidence.high,
        "extrapolated": why.confidence.extrapolated or None,
    }
