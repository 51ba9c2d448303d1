"""Why a layout was chosen: its neighbours, how much slower each is, and what makes it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.step.candidates import SHORTEST, candidates, divisors, filled, units
from simulator.step.fitting import Answer, evaluate, those_that_fit
from simulator.step.layout import RECOMPUTE, Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.memory import usable
from simulator.step.placement import chunked
from simulator.step.recomputation import eased
from simulator.step.search import obstacles
from simulator.step.timing import Evaluation
from simulator.units import show
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["Alternative", "Choice", "choice"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A layout that differs in one degree, replicas filling what the others leave."""

    change: str
    layout: Layout
    slower: float | None  # its step time over the chosen one's, less one; None: it cannot run
    reason: str
    retuned: float | None  # the same with this degree held and all others searched anew; None: nothing fits


@dataclass(frozen=True, slots=True)
class Choice:
    """Among how many layouts one was chosen, and what its neighbours would do."""

    tried: int
    fit: int
    fastest: bool  # whether none of those that fit is faster
    free: Answer | None  # the fastest with nothing fixed, where something is and that is faster
    alternatives: tuple[Alternative, ...]


def choice(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest,
    chosen: Answer, fitting: Evaluation,
) -> Choice:  # fmt: skip
    """Compare ``chosen`` with all of ``fitting`` that the search could have taken, and with its neighbours one by one.

    Neighbours are evaluated even where the search does not go, e.g. with a tensor group beyond the scale-up domain.
    """
    tried = len(candidates(machine, model, recipe, accelerators, request))
    fixed = request != LayoutRequest()
    free = candidates(machine, model, recipe, accelerators, LayoutRequest()) if fixed else None
    anything: Evaluation | None = fitting
    if free is not None:
        anything = those_that_fit(machine, model, recipe, free, LayoutRequest()) if len(free) else None
    best = None if anything is None else Answer.of(anything, int(np.argmin(anything.total)))
    return Choice(
        tried=tried,
        fit=len(fitting.layouts),
        fastest=bool(chosen.step.total <= fitting.total.min() * (1 + 1e-9)),
        free=best if fixed and best is not None and best.step.total < chosen.step.total * (1 - 5e-4) else None,
        alternatives=tuple(_alternatives(machine, model, recipe, accelerators, chosen, anything)),
    )


def _neighbours(machine: Machine, model: Transformer, recipe: Recipe, L: Layout) -> Iterator[tuple[str, str, Layout]]:
    """What changes in words, the field that does, and the layout with the other degrees as they are."""
    gpu = machine.execution == "gpu"
    names = (
        {"tensor": "TP", "microbatch": "microbatch"} if machine.execution != "wafer" else {"microbatch": "microbatch"}
    )
    if gpu:
        names = {"tensor": "TP", "pipeline": "PP", "microbatch": "microbatch"}
        names |= {"context": "CP"} if L.context > 1 or recipe.sequence >= 32768 else {}
        names |= {"expert": "EP"} if model.experts else {}
    for name, short in names.items():
        for degree in (2 * getattr(L, name), getattr(L, name) // 2):
            if degree >= 1:
                changed = replace(L, **{name: degree})
                words = f"{short} {degree}"
                if name == "tensor" and gpu:
                    changed = replace(changed, sequence_parallel=degree > 1 and (L.sequence_parallel or L.tensor == 1))
                if name == "pipeline":
                    changed = replace(changed, interleave=_chunks(model.layers, changed))
                    words += f" · x{changed.interleave}" if changed.interleave not in (1, L.interleave) else ""
                yield words, name, changed
    if L.interleave > 1:
        yield "no interleaving", "interleave", replace(L, interleave=1)
    for kind in RECOMPUTE:
        if kind != L.recompute and (gpu or kind != "selective"):
            yield f"recompute {kind}", "recompute", replace(L, recompute=kind, recompute_layers=0)
    if gpu:
        for stage in (L.zero + 1, L.zero - 1):
            if 0 <= stage <= 3:
                yield f"ZeRO-{stage}", "zero", replace(L, zero=stage)


def _chunks(layers: int, L: Layout) -> int:
    """Chunks a stage, as many as its layers divide into and no more than there are now."""
    p = L.pipeline
    if p == 1 or p > layers:
        return 1
    held = int(chunked(layers, Layouts.of([L]))[0])
    return max(v for v in divisors(held) if v <= L.interleave and p * v <= layers)


def _refilled(layouts: list[Layout], accelerators: int, batch: int) -> list[Layout]:
    """The layouts with as many replicas as the other degrees leave room for; at least one."""
    L = Layouts.of(layouts)
    data = filled(L, units(L), batch, accelerators, LayoutRequest())[0].data
    return [replace(one, data=int(d)) for one, d in zip(layouts, data, strict=True)]


def _as_few(
    machine: Machine, model: Transformer, recipe: Recipe, layouts: list[Layout], names: Sequence[str]
) -> list[Layout]:
    """The layouts with as few layers recomputed as fit, all where it takes all; those that differ in it as they are."""
    free = [
        one if name == "recompute" else replace(one, recompute_layers=0)
        for one, name in zip(layouts, names, strict=True)
    ]
    lean, memory = eased(machine, model, recipe, Layouts.of(free), usable(machine))
    found = []
    for index, name in enumerate(names):
        few = lean[index] if memory.margin[index] >= 0 else replace(free[index], recompute="full")
        found.append(free[index] if name == "recompute" else few)
    return found


def _alternatives(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, chosen: Answer, fitting: Evaluation | None
) -> Iterator[Alternative]:
    words, names, layouts = zip(*_neighbours(machine, model, recipe, chosen.layout), strict=True)
    others = _refilled(list(layouts), accelerators, recipe.batch)
    if chosen.layout.recompute_layers:
        others = _as_few(machine, model, recipe, others, names)
    blocked = [_blocked(machine, model, recipe, accelerators, one) for one in others]
    possible = [one for one, why in zip(others, blocked, strict=True) if not why]
    evaluation = evaluate(machine, model, recipe, Layouts.of(possible)) if possible else None
    margins = iter(range(len(possible)))
    for change, name, layout, why in zip(words, names, others, blocked, strict=True):
        best = _best(fitting, name, layout)
        retuned = None if best is None else best / chosen.step.total - 1
        if why or evaluation is None:
            yield Alternative(change, layout, None, why, None)
            continue
        other = Answer.of(evaluation, next(margins))
        if other.memory.margin < 0:
            yield Alternative(change, layout, None, f"does not fit by {show(-other.memory.margin, 'B')}", retuned)
        else:
            slower = other.step.total / chosen.step.total - 1
            if retuned is not None:  # what is fixed may lie outside of a free search, the change alone with it
                retuned = min(retuned, slower)
            reason = _reason(machine, recipe, chosen, other)
            if retuned is None and slower < 0:
                reason += _unsearched(recipe, layout)
            yield Alternative(change, layout, slower, reason, retuned)


def _unsearched(recipe: Recipe, layout: Layout) -> str:
    """Why the search did not take a neighbour that is quicker."""
    return ", parts too short to try" if layout.context > max(recipe.sequence // SHORTEST, 1) else "; not searched"


def _blocked(machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, layout: Layout) -> str:
    """The first thing that makes a layout impossible on any network; nothing if it is possible."""
    fields = {name: getattr(layout, name) for name in layout.__dataclass_fields__ if name in LayoutRequest.model_fields}
    found = obstacles(machine, model, recipe, accelerators, LayoutRequest.model_construct(**fields))
    return f"needs {found[0].expected}" if found else ""


def _best(fitting: Evaluation | None, name: str, layout: Layout) -> float | None:
    """The shortest step of all that fit with the same degree ``name``. [s]"""
    if fitting is None:
        return None
    value = getattr(layout, name)
    same: NDArray[np.bool_] = getattr(fitting.layouts, name) == (
        RECOMPUTE.index(value) if name == "recompute" else value
    )
    if name == "recompute":
        same &= fitting.layouts.recompute_layers == 0
    return float(fitting.total[same].min()) if same.any() else None


def _reason(machine: Machine, recipe: Recipe, chosen: Answer, other: Answer) -> str:
    """What changes most, as shares of the chosen step, so that the difference of two shares is what it adds."""
    whole, layout = chosen.step.total, other.layout
    if abs(other.step.total / whole - 1) < 5e-5:
        return "as fast"
    before, after = dict(chosen.step.parts), dict(other.step.parts)
    sign = 1 if other.step.total > whole else -1
    name = max({**before, **after}, key=lambda part: sign * (after.get(part, 0.0) - before.get(part, 0.0)))
    crossing = ""
    if machine.execution == "gpu" and layout.tensor > machine.domain >= chosen.layout.tensor:
        crossing = "leaves the scale-up domain: "
    if name == "model arithmetic at peak":
        return f"{crossing}works on {layout.accelerators:,} accelerators instead of {chosen.layout.accelerators:,}"
    was, would = (f"{100 * parts.get(name, 0.0) / whole:.1f}" for parts in (before, after))
    said = f"{crossing}{name} {was} → {would} %"
    if name == "pipeline bubble" and sign > 0:
        count = -(-recipe.batch // (layout.data * layout.microbatch))
        said += f", with {count:,} microbatches"
    return said
