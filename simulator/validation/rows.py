"""Measured configurations as a file gives them: inputs on one side, what was measured on the other.

A prediction is handed :class:`Inputs` and nothing else, so it cannot look at the measurement, at the notes, or at who
measured.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

__all__ = [
    "MEASURED", "NEEDED", "UNSAID", "Inputs", "Measured", "Row", "UnreadableError", "fault_of", "header", "lines",
    "parse", "positive", "read", "values",
]  # fmt: skip

MEASURED = (
    "step_time_s", "tokens_per_s_per_gpu", "model_tflops_per_gpu", "mfu_pct", "hfu_pct", "notes", "flop_counting_note",
)  # fmt: skip
NEEDED = ("id", "model", "accelerator", "n_accelerators", "seq_len", "global_batch_seqs")
_LONGEST = 80
_BEYOND = "beyond the columns"  # key of what a line has more than the header


class UnreadableError(SimulatorError):
    """A row that cannot be understood; the message is the reason it is skipped."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a row says was run.  Nothing measured; ``None`` or an empty text where the row is blank."""

    model: str
    accelerator: str
    framework: str
    year: int | None
    precision: str
    interconnect_intra: str
    interconnect_inter: str
    zero_stage_or_fsdp: str
    recompute: str
    params_b: float | None
    active_params_b: float | None
    n_accelerators: int | None
    accelerators_per_node: int | None
    layers: int | None
    hidden: int | None
    ffn_hidden: int | None
    gated_mlp: bool | None
    heads: int | None
    kv_heads: int | None
    vocab: int | None
    n_experts: int | None
    experts_topk: int | None
    seq_len: int | None
    global_batch_seqs: int | None
    micro_batch: int | None
    tp: int | None
    pp: int | None
    vpp: int | None
    dp: int | None
    cp: int | None
    ep: int | None
    sequence_parallel: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the source printed; ``None`` where it printed nothing that is a positive number."""

    step_time_s: float | None = None
    tokens_per_s_per_gpu: float | None = None
    model_tflops_per_gpu: float | None = None
    mfu_pct: float | None = None
    causal: bool = False  # the source counts the masked half of attention as no work
    peak: float | None = None  # that MFU is a share of, where the source says it [FLOP/s]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file.  ``inputs`` is ``None`` when it cannot be understood; ``fault`` then says why."""

    id: str
    source: str
    inputs: Inputs | None
    fault: str
    measured: Measured


# Above these a number is a slip of the pen: the largest cluster announced, and the bounds of a model's shape.
_LARGEST = {
    "year": 2100, "n_accelerators": 10_000_000, "accelerators_per_node": 100_000, "layers": 10_000,
    "hidden": 1_000_000, "ffn_hidden": 10_000_000, "heads": 100_000, "kv_heads": 100_000, "vocab": 100_000_000,
    "n_experts": 100_000, "experts_topk": 100_000, "seq_len": 100_000_000, "global_batch_seqs": 1_000_000_000,
    "micro_batch": 1_000_000, "params_b": 1_000_000, "active_params_b": 1_000_000, "tokens_b": 1_000_000_000,
}  # fmt: skip
_LARGEST_DEGREE = 1_000_000
_LEAST, _MOST = 1e-9, 1e15  # of a measurement: seconds, tokens per second, TFLOP/s, hours or per cent
UNSAID = ("", "-", "–", "?", "n/a", "unknown", "not stated")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_MAY_BE_ZERO = ("n_experts", "experts_topk")


def _shown(written: str) -> str:
    return repr(written if len(written) <= _LONGEST else written[:_LONGEST] + "…")


def _number(column: str, written: str) -> float | None:
    if written.casefold() in UNSAID:
        return None
    try:
        value = float(written.replace(",", "") if _THOUSANDS.fullmatch(written) else written)
    except ValueError:
        raise UnreadableError(f"{column}: expected a number; got {_shown(written)}") from None
    if not math.isfinite(value) or value < 0 or (value == 0 and column not in _MAY_BE_ZERO):
        raise UnreadableError(f"{column}: expected a finite number above zero; got {_shown(written)}")
    largest = _LARGEST.get(column, _LARGEST_DEGREE)
    if value > largest:
        raise UnreadableError(f"{column}: expected at most {largest:,}; got {_shown(written)}")
    return value or None


def _whole(column: str, written: str) -> int | None:
    value = _number(column, written)
    if value is not None and value != int(value):
        raise UnreadableError(f"{column}: expected a whole number; got {_shown(written)}")
    return None if value is None else int(value)


def _flag(column: str, written: str) -> bool | None:
    said = written.casefold()
    if said in UNSAID:
        return None
    if re.fullmatch(r"true|t|yes|y|on|1(?:\.0)?|enabled|megatron.*|ulysses.*|ring.*|[imf]sp", said):
        return True
    if re.fullmatch(r"false|f|no|n|off|0(?:\.0)?|disabled|none", said):
        return False
    raise UnreadableError(f"{column}: expected true or false; got {_shown(written)}")


_READERS: dict[str, Callable[[str, str], Any]] = {
    "str": lambda _, written: written,
    "int | None": _whole,
    "float | None": _number,
    "bool | None": _flag,
}


def values(row: Mapping[str, str], of: type[T]) -> T:
    """The columns of a row that ``of`` has fields for, read as their types.

    Raises
    ------
    UnreadableError
        All numbers that are none, not finite, not positive or absurd.
    """
    found, wrong = {}, []
    for field in fields(of):
        try:
            found[field.name] = _READERS[str(field.type)](field.name, row.get(field.name, ""))
        except UnreadableError as fault:
            wrong.append(str(fault))
    if wrong:
        raise UnreadableError("; ".join(wrong))
    return of(**found)


def parse(row: Mapping[str, str]) -> Inputs:
    """The inputs of a row; raises as :func:`values`."""
    return values(row, Inputs)


def positive(row: Mapping[str, str], column: str) -> float | None:
    """A number a source printed; one that cannot be read, or be true of anything, counts as not printed."""
    written = row.get(column, "")
    try:
        value = float(written.replace(",", "") if _THOUSANDS.fullmatch(written) else written)
    except ValueError:
        return None
    return value if _LEAST <= value <= _MOST else None


_CAUSAL = re.compile(r"only causal|(?<!not )(?:causal[ -]\(?half|causal-halved|half-causal)", re.IGNORECASE)
_FULL = re.compile(r"(?<!for )\bfull\b(?! recompute)|non-causal", re.IGNORECASE)  # a note that says both counts as this
_PEAK = re.compile(r"\bpeak (?:of )?~?(\d{2,5}(?:\.\d)?)\b(?!\s*%)|(?<![\d.])(\d{2,5}(?:\.\d)?) peak", re.IGNORECASE)


def _measured(row: Mapping[str, str]) -> Measured:
    note = row.get("flop_counting_note", "")
    peak = _PEAK.search(note)
    return Measured(
        step_time_s=positive(row, "step_time_s"),
        tokens_per_s_per_gpu=positive(row, "tokens_per_s_per_gpu"),
        model_tflops_per_gpu=positive(row, "model_tflops_per_gpu"),
        mfu_pct=positive(row, "mfu_pct"),
        causal=bool(_CAUSAL.search(note)) and not _FULL.search(note),
        peak=float(peak[1] or peak[2]) * 1e12 if peak else None,
    )


@contextmanager
def _opened(path: Path) -> Iterator[csv.DictReader[str]]:
    """A CSV file; what goes wrong while reading it is said with its name."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield csv.DictReader(file, restkey=_BEYOND, strict=True)
    except OSError as refused:
        raise SimulatorError(f"{path}: cannot be read: {refused.strerror or refused}") from refused
    except UnicodeDecodeError as other:
        raise SimulatorError(f"{path}: expected a CSV file in UTF-8; got the byte 0x{other.object[other.start]:02x} at "
                             f"{other.start}, which is not; save it as UTF-8") from other  # fmt: skip
    except csv.Error as broken:
        raise SimulatorError(f"{path}: expected a CSV file: {broken}") from broken


def header(path: Path) -> list[str]:
    """Names of the columns of a CSV file, in lower case.

    Raises
    ------
    SimulatorError
        The file cannot be read or is no CSV.
    """
    with _opened(path) as reader:
        return [name.strip().casefold() for name in reader.fieldnames or ()]


def lines(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file, by column, without white space around; every row has an ``id``.

    Lines without any value are no rows.  A line of more fields than there are columns is one whose columns cannot be
    told apart, an unquoted comma perhaps: its ``fault`` says so.

    Raises
    ------
    SimulatorError
        The file cannot be read, is no CSV, lacks a column of ``needed`` or has one twice.
    """
    there = header(path)
    missing = [name for name in needed if name not in there]
    if missing:
        marks = {";": "semicolons", "\t": "tabs", "|": "bars"} if len(there) == 1 else {}
        between = next((word for mark, word in marks.items() if mark in there[0]), "")
        told = f"its columns stand between {between} instead of commas" if between else f"it lacks {', '.join(missing)}"
        raise SimulatorError(f"{path}: expected a CSV file with the columns {', '.join(needed)}; {told}")
    twice = sorted({name for name in there if name and there.count(name) > 1})
    if twice:
        raise SimulatorError(f"{path}: expected each column once; got {', '.join(twice)} more than once")
    with _opened(path) as reader:
        return [row for number, line in enumerate(reader, 1) if (row := _named(len(there), number, line))]


def _named(columns: int, number: int, line: Mapping[str, Any]) -> dict[str, str]:
    """The values of a line that are there, and an ``id``; nothing where there is none."""
    beyond = [value for value in line.get(_BEYOND, ()) if value.strip()]
    values = {name.strip().casefold(): value.strip() for name, value in line.items() if isinstance(value, str)}
    row = {name: value for name, value in values.items() if value}
    if beyond:
        row[_BEYOND] = f"expected {columns} fields; got {columns + len(beyond)}: a comma that is not quoted?"
    return {"id": f"row {number}", **row} if row else row


def fault_of(row: Mapping[str, str]) -> str:
    """Why the columns of a line cannot be told apart; empty where they can."""
    return row.get(_BEYOND, "")


def _row(row: Mapping[str, str]) -> Row:
    inputs, fault = None, fault_of(row)
    if fault:
        return Row(row["id"], row.get("source_title", ""), None, fault, Measured())
    try:
        inputs = parse({k: v for k, v in row.items() if k not in MEASURED})
    except UnreadableError as unreadable:
        fault = str(unreadable)
    return Row(row["id"], row.get("source_title", ""), inputs, fault, _measured(row))


def read(path: Path) -> list[Row]:
    """Every row of a CSV file in the columns of ``seeds/measurements/throughput.csv``; further columns are ignored.

    Raises
    ------
    SimulatorError
        The file cannot be read, is no CSV, or lacks a column that every prediction needs.
    """
    return [_row(row) for row in lines(path, NEEDED)]
