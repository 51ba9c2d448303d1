"""The catalogue, a bibliography and a comparison, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from simulator import catalogue
from simulator.report.tables import table
from simulator.report.words import count, duration, energy, money, percent, power
from simulator.units import DAY, HOUR

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bibliography", "comparison", "entry", "markdown", "rests_on", "shelf", "shelves"]

_WHY = {
    "accelerators": "what one accelerator can do at best",
    "efficiencies": "how much of it a family of accelerators sustains",
    "failures": "fleets: causes of interruption, repair, restart",
    "fabrics": "scale-out networks",
    "models": "transformers by their shape",
    "nodes": "servers, trays and wafer-scale systems",
    "prices": "network, facility and people, per node or watt",
    "runs": "hours of whole runs over what their tuned steps would take",
    "sites": "power, PUE, electricity price, carbon",
    "software": "how well frameworks of an era use a machine",
    "sources": "where every number comes from",
    "spreads": "how far predicted step times were off, by group",
    "storage": "where checkpoints go",
    "systems": "clusters as they stand, for checking",
}


def shelves() -> RenderableType:
    """The shelves and how much is on them."""
    made = table("shelf", "entries", "", right=(1,))
    for name in catalogue.SHELVES:
        made.add_row(name, count(len(catalogue.names(name))), _WHY[name])
    return Group(made, "", "simgpu catalogue SHELF lists one; simgpu catalogue SHELF NAME shows an entry")


# What tells an entry from its neighbours.  A piece whose field an entry does not have is left out.
_TELLING: Mapping[str, Sequence[str]] = {
    "accelerators": ("{vendor}", "{released}", "bf16 {peak.bf16}", "{memory}", "{memory_bandwidth}", "{power}"),
    "efficiencies": ("matrix products {gemm}", "memory {memory}", "network {network}", "sustained clock {sustained}"),
    "failures": ("seen per node of {accelerators}", "restart as of {restart_accelerators} accelerators"),
    "fabrics": ("{topology}", "{link} a port", "{efficiency} of the wire rate under load"),
    "models": ("{organisation}", "{year}", "{layers} layers", "width {hidden}", "{experts} experts"),
    "nodes": ("{accelerators} × {accelerator}", "{scaleout_bandwidth} each", "{power}"),
    "runs": ("tuned steps take {share} of the hours", "measured over predicted: {low} to {high} of four in five"),
    "sites": ("{location}", "PUE {pue}", "{energy_price}", "{carbon}"),
    "software": ("attention {attention}", "elementwise traffic {elementwise}", "tensor traffic exposed {exposed}"),
    "sources": ("{title}",),
    "spreads": ("measured over predicted: {low} to {high} of four rows in five",),
    "storage": ("a node writes {write_per_node}", "all together {write}"),
}


def _line(shelf: str, written: Mapping[str, Any]) -> str:
    """An entry in one line."""
    leaves = {path: str(value) for path, value in catalogue.leaves(written)}
    pieces = _TELLING.get(shelf) or [f"{path} {{{path}}}" for path in list(leaves)[:4]]
    fields = [re.findall(r"{(.+?)}", piece) for piece in pieces]
    known = [piece for piece, needed in zip(pieces, fields, strict=True) if all(field in leaves for field in needed)]
    return ", ".join(re.sub(r"{(.+?)}", lambda field: leaves[field[1]], piece) for piece in known)


def shelf(name: str) -> RenderableType:
    """The entries of a shelf, one line each; estimates are marked."""
    made = table("", "")
    for key in catalogue.names(name):
        written = catalogue.entry(name, key)
        guessed = " (estimate)" if written.get("status") == "estimate" else ""
        made.add_row(key, _line(name, written) + guessed)
    return made


def entry(shelf: str, name: str) -> RenderableType:
    """One entry: every value as written, where it comes from, and the addresses of those sources."""
    written = catalogue.entry(shelf, name)
    made = table("", "as written", "from")
    numbers: dict[str, int] = {}
    for path, value in catalogue.leaves(written):
        keys, why = catalogue.references(written, path)
        cited = " ".join(f"[{numbers.setdefault(key, len(numbers) + 1)}]" for key in keys)
        made.add_row(path, str(value), f"estimate: {why}" if why else cited)
    parts: list[RenderableType] = [Text(f"{shelf}: {written['name']}", style="bold")]
    if written.get("aliases"):
        parts.append(f"also known as {', '.join(written['aliases'])}")
    if written.get("status") == "estimate":
        parts.append("an estimate as a whole")
    parts += ["", made]
    if written.get("notes"):
        parts += ["", Text(" ".join(str(written["notes"]).split()))]
    if numbers:
        parts += ["", bibliography(numbers)]
    return Group(*parts)


def bibliography(keys: Iterable[str]) -> RenderableType:
    """Key, title, date and address of each source, numbered in the order given; addresses stay in one piece."""
    lines: list[RenderableType] = []
    for number, key in enumerate(keys, 1):
        found = catalogue.source(key)
        date = f" ({found['date']})" if found.get("date") else ""
        lines.append(Text(f"[{number}] {key}: {found.get('title', '')}{date}"))
        if found.get("url"):
            lines.append(Text(f"    {found['url']}", no_wrap=True, overflow="ignore"))
    return Group(*lines)


def rests_on(evidence: Mapping[str, str], references: Iterable[str]) -> RenderableType:
    """What a scenario says about its own values, then every source that these and its catalogue entries rest on."""
    own = table("value", "rests on")
    keys: dict[str, None] = {}
    for path, why in evidence.items():
        own.add_row(path, why)
        kind, _, named = why.partition(" ")
        keys |= dict.fromkeys(key.strip() for key in named.split(",")) if kind == "source" else {}
    keys |= dict.fromkeys(references)
    return Group(own, "", bibliography(keys)) if evidence else bibliography(keys)


_COLUMNS: Sequence[tuple[str, str, Any]] = (
    ("days", "time_to_train_d", lambda v: duration(v * DAY)),
    ("cost", "cost_usd", money),
    ("$/Mtoken", "cost_usd_per_million_tokens", money),
    ("MFU", "mfu", percent),
    ("goodput", "goodput", percent),
    ("MTTI", "mtti_h", lambda v: duration(v * HOUR)),
    ("energy", "energy_MWh", energy),
    ("peak", "peak_power_MW", power),
)
_UNFINISHED = [at for at, (title, _, _) in enumerate(_COLUMNS) if title in ("days", "cost", "$/Mtoken", "energy")]


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    rows = []
    for row in frame.to_dict("records"):
        known = [(write(row[column]) if row[column] == row[column] and row[column] is not None else "–")
                 for _, column, write in _COLUMNS]  # fmt: skip
        if not row["finished"] and not row["problem"]:
            for column in _UNFINISHED:
                known[column] += "*"
        rows.append([str(row["scenario"]), *known])
    return rows


def comparison(frame: pd.DataFrame) -> RenderableType:
    """Scenarios one under the other; what cannot be planned says why underneath."""
    titles = [title for title, _, _ in _COLUMNS]
    made = table("scenario", *titles, right=range(1, len(titles) + 1))
    made.columns[0].overflow = "fold"
    for cells in _cells(frame):
        made.add_row(*cells)
    notes: list[RenderableType] = []
    if (~frame["finished"] & (frame["problem"] == "")).any():
        notes.append("* not finished within its horizon: days and cost carried on at its last rate; energy so far")
    wrong = frame[frame["problem"] != ""]
    notes += [f"{name}: {why}" for name, why in zip(wrong["scenario"], wrong["problem"], strict=True)]
    return Group(made, "", *notes) if notes else made


def markdown(frame: pd.DataFrame) -> str:
    """The comparison as a Markdown table."""
    titles = ["scenario", *(title for title, _, _ in _COLUMNS)]
    rows = [titles, ["---", *("---:" for _ in _COLUMNS)], *_cells(frame)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"
