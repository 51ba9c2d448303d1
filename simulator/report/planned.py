"""The plan for a terminal: where a step's time goes, what the memory holds, the answer if nothing broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from math import inf, isinf
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from simulator.plan import Explained, Outlook, Point
from simulator.plan.ladder import installed, phases
from simulator.plan.model import JobPlan, Plan, Rung
from simulator.plan.outlook import rung_at
from simulator.report.drawing import drawing, plain
from simulator.report.explained import explained, why_dict
from simulator.report.pools import curtailed, dealt, shares_dict, without
from simulator.report.tables import table
from simulator.report.words import amount, count, days, duration, energy, money, percent, tokens, training_rate
from simulator.step import Memory
from simulator.units import DAY, HOUR, MEGA

__all__ = ["as_dict", "planned"]

_BAR, _FULL = 28, 10  # characters of a whole step, of a full memory
_STAGES = {"first": "first stage", "middle": "between", "last": "last stage", "all": "each accelerator"}
_SHORT = {"gradients": "grads", "optimizer": "optim.", "activations": "activ."}
GIGA = 1e9


def _bar(begin: float, end: float, whole: float, ascii_only: bool) -> str:
    """A piece of the step at its place in the step, ``_BAR`` characters long in all."""
    first, last = round(_BAR * max(begin, 0.0) / whole), round(_BAR * min(end, whole) / whole)
    return " " * first + ("#" if ascii_only else "█") * max(last - first, 0)


def _waterfall(rung: Rung, ascii_only: bool) -> RenderableType:
    """From the step at peak to the real one; each bar begins where the last one ended."""
    step, made = rung.step, table("from peak to MFU", "time", "of the step", "", right=(1, 2))
    whole = max(step.total, sum(seconds for _, seconds in step.parts if seconds > 0))
    reached = 0.0
    for name, seconds in step.parts:
        after = reached + seconds
        if seconds:
            bar = _bar(min(reached, after), max(reached, after), whole, ascii_only)
            made.add_row(name, duration(seconds), percent(seconds / step.total), bar)
        reached = after
    made.add_row("step", duration(step.total), "100.0 %", f"MFU {percent(step.mfu)}")
    return made


def _memory(stages: Mapping[str, Memory], layers: Sequence[int], ascii_only: bool) -> RenderableType:
    """What the accelerators of each stage hold, component by component, and a bar of how full they are."""
    held = {"all": layers[0], "first": layers[0], "middle": max(layers[1:-1], default=0), "last": layers[-1]}
    capacity = next(iter(stages.values())).capacity
    parts = [field.name for field in fields(Memory) if field.name != "capacity"]
    shown = [name for name in parts if any(getattr(memory, name) for memory in stages.values())]
    titles = [_SHORT.get(name, name) for name in shown]
    right = range(1, len(shown) + 4)
    made = table("memory, GB", "layers", *titles, "needed", "left", f"of {capacity / GIGA:.3g}", right=right)
    for label, memory in stages.items():
        sizes = [*(getattr(memory, name) for name in shown), memory.total, memory.margin]
        filled = min(round(_FULL * memory.total / capacity), _FULL)
        bar = ("#" if ascii_only else "█") * filled + ("." if ascii_only else "░") * (_FULL - filled)
        made.add_row(
            f"{label} {'stages' if label in ('all', 'middle') else 'stage'}", str(held[label]),
            *(_gigabytes(size) for size in sizes), bar,
        )  # fmt: skip
    return made


def _gigabytes(size: float) -> str:
    value = size / GIGA
    return (
        f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}" if abs(value) >= 0.005 else "<0.01" if size else "0"
    )


def _reliability(rung: Rung) -> str:
    if isinf(rung.mtti):
        return "nothing breaks"
    stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in (*rung.stages, ("load", rung.load)))
    return (
        f"every {duration(rung.mtti)}; saves of {duration(rung.save)} every {duration(rung.interval)}; restarts of "
        f"{duration(rung.restart + rung.load)} ({stages})"
    )


def _job(job: JobPlan, why: Explained, ascii_only: bool) -> list[RenderableType]:
    rung = job.rungs[0]
    drawn = f"{amount(rung.power, 'W')} at {'full clock' if rung.clock == 1 else percent(rung.clock) + ' of the clock'}"
    facts = table("", "")
    rows: tuple[tuple[str, str], ...] = (
        ("job", f"{job.name}: {job.model}, {amount(job.parameters, 'parameters')}, {tokens(job.tokens)}"),
        ("layout", f"{count(rung.accelerators)} accelerators on {count(sum(rung.nodes))} nodes: {rung.layout}"),
        ("speed", f"{training_rate(rung.tokens_per_second)}, MFU {percent(rung.step.mfu)}, drawing {drawn}"),
        ("failures", _reliability(rung)),
    )
    rows += tuple(
        (label, said)
        for label, said in (("shares", dealt(rung)), ("left out", without(job)), ("capped", curtailed(rung)))
        if said
    )
    if rung.hiding_batch is not None:
        hidden = f"hidden behind arithmetic from {rung.hiding_batch:.1f} sequences in a microbatch on"
        rows += (("weights", f"stream in from outside, {hidden}"),)
    for label, said in rows:
        facts.add_row(Text(label, style="dim"), said)
    picture = drawing(rung.layout, why.machine, layers=why.layers, nodes=sum(rung.nodes))
    return [
        facts, "", _waterfall(rung, ascii_only), "",
        *(Text(plain(line) if ascii_only else line, no_wrap=True) for line in picture), "",
        _memory(why.stages, why.layers, ascii_only), "", *explained(rung, why),
    ]  # fmt: skip


def _phases(plan: Plan, job: JobPlan) -> RenderableType | None:
    """What the job would run on from each delivery or change of power on; nothing to tell when there is one phase."""
    times = phases(plan.pools, plan.power, plan.horizon)
    if len(times) == 1:
        return None
    made = table("from", "installed", "used", "tokens per second", "MFU", "interrupted every", right=(1, 2, 3, 4, 5))
    for time in times:
        there = sum(installed(pool.deliveries, time) * pool.accelerators for pool in plan.pools)
        rung, date = rung_at(plan, job, time), plan.start + timedelta(seconds=time)
        if rung is None:
            made.add_row(date.isoformat(), count(there), "none", "", "", "")
            continue
        stop = "never" if isinf(rung.mtti) else duration(rung.mtti)
        speed = training_rate(rung.tokens_per_second)
        made.add_row(date.isoformat(), count(there), count(rung.accelerators), speed, percent(rung.step.mfu), stop)
    return made


def _outlooks(plan: Plan, best: Outlook, expected: Outlook) -> RenderableType:
    made = table("the whole run", "if nothing broke, at full size", "expected", right=(1, 2))
    never = "never"
    asked = sum(job.tokens for job in plan.jobs)

    def row(name: str, *said: str) -> None:
        made.add_row(name, *said)

    both = (best, expected)
    row("time to train", *(never if o.finish == inf else days(o.finish) for o in both))
    row("tokens per second", *(training_rate(o.tokens_per_second) for o in both))
    row("goodput", *(percent(o.goodput) for o in both))
    row("cost", *(never if o.finish == inf else money(o.cost) for o in both))
    row("per million tokens", *(never if o.finish == inf else money(o.cost / asked * MEGA) for o in both))
    row("energy", *(never if o.finish == inf else energy(o.energy / (MEGA * HOUR)) for o in both))
    return made


def planned(
    plan: Plan, reasons: Sequence[Explained], *, best: Outlook, expected: Outlook, row: Point, ascii_only: bool = False
) -> RenderableType:
    """Everything that is known before the clock starts; ``best`` is the failure-free outlook, ``row`` a study's."""
    parts: list[RenderableType] = [Text(f"{plan.name}: {plan.question}", style="dim")]
    for job, why in zip(plan.jobs, reasons, strict=True):
        parts += ["", *_job(job, why, ascii_only)]
        told = _phases(plan, job)
        parts += ["", told] if told is not None else []
    note = "expected in closed form; waiting for nodes and running degraded are left to simgpu run"
    parts += ["", _outlooks(plan, best, expected), Text(note, style="dim")]
    if row.goodput != expected.goodput:
        parts.append(Text(_row(row), style="dim"))
    return Group(*parts)


def _row(row: Point) -> str:
    """What a study in plan mode says where it is something else."""
    said = [f"{count(row.accelerators)} accelerators", percent(row.goodput) + " goodput"]
    if row.time_to_train_d is not None and row.cost_usd is not None:
        said += [days(row.time_to_train_d * DAY), money(row.cost_usd)]
    return f"studies try full sizes alone: {', '.join(said)}"


def as_dict(
    plan: Plan, reasons: Sequence[Explained], *, best: Outlook, expected: Outlook, row: Point
) -> dict[str, Any]:
    """The same for programs, units in the names; ``point`` is the row of a study in plan mode."""
    return {
        "name": plan.name,
        "question": plan.question,
        "scenario": plan.scenario,
        "jobs": [_job_dict(job) | {"why": why_dict(why)} for job, why in zip(plan.jobs, reasons, strict=True)],
        "failure_free": _outlook_dict(best),
        "expected": _outlook_dict(expected),
        "point": asdict(row),
    }


def _outlook_dict(outlook: Outlook) -> dict[str, Any]:
    ends = outlook.finish != inf
    return {
        "time_to_train_s": outlook.finish if ends else None,
        "tokens_per_second": outlook.tokens_per_second,
        "goodput": outlook.goodput,
        "energy_MWh": outlook.energy / (MEGA * HOUR) if ends else None,
        "cost_usd": outlook.cost if ends else None,
        "cost_rows_usd": outlook.bill.rows() if ends else None,
    }


def _job_dict(job: JobPlan) -> dict[str, Any]:
    return {
        "name": job.name,
        "model": job.model,
        "tokens": job.tokens,
        "parameters": job.parameters,
        "flops_per_token": job.flops_per_token,
        "sizes": [_rung_dict(rung) for rung in job.rungs],
        "left_out": {one.pool: one.useful for one in job.left_out},
    }


def _rung_dict(rung: Rung) -> dict[str, Any]:
    layout, memory = rung.layout, rung.memory
    return {
        "nodes": list(rung.nodes),
        "accelerators": rung.accelerators,
        "layout": {name: getattr(layout, name) for name in layout.__dataclass_fields__},
        "shares": shares_dict(rung),
        "tokens_per_second": rung.tokens_per_second,
        "mfu": rung.step.mfu,
        "step_s": rung.step.total,
        "step_parts_s": dict(rung.step.parts),
        "memory_bytes": {name: getattr(memory, name) for name in memory.__dataclass_fields__} | {"total": memory.total},
        "power_MW": rung.power / MEGA,
        "clock": rung.clock,
        "checkpoint_interval_s": rung.interval,
        "checkpoint_save_s": rung.save,
        "restart_s": rung.restart + rung.load,
        "restart_stages_s": dict(rung.stages) | {"load": rung.load},
        "mtti_s": None if rung.mtti == inf else rung.mtti,
    }
