"""The fastest layout that fits, and the words for when none does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import PlanError
from simulator.step.candidates import candidates
from simulator.step.fitting import Answer, evaluate, quickest, those_that_fit
from simulator.step.layout import CONTEXTS, RECOMPUTE, SCHEDULES, Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.memory import footprint
from simulator.step.placement import chunked, deal
from simulator.units import show
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["Obstacle", "check", "fastest", "fastest_of", "nearest", "obstacles"]

_ENDS = ("first", "last")
_FREE = LayoutRequest()  # nothing in it can be impossible


def fastest(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest | None = None
) -> Answer:
    """The fastest layout that fits on ``accelerators`` accelerators.

    Raises
    ------
    PlanError
        Nothing fits: says what the leanest layout needs, what there is, and from how many accelerators on it would fit.
    """
    request = request or LayoutRequest()
    check(machine, model, recipe, accelerators, request)
    answer = quickest(machine, model, recipe, accelerators, request)
    if answer is None:
        layouts = candidates(machine, model, recipe, accelerators, request)
        if not len(layouts):
            close = nearest(machine, model, recipe, accelerators, request)
            raise PlanError(
                f"{model.name} on {accelerators} {machine.name}: no layout is possible with {_words(request)}; "
                f"tensor × pipeline × context must not exceed {accelerators} accelerators"
                + (", and shard has to divide data × context" if request.shard else "")
                + (f"; the nearest layout that works is {close}" if close is not None else "")
            )
        raise PlanError(_does_not_fit(machine, model, recipe, accelerators, request, layouts))
    return answer


def fastest_of(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest, *, like: Layout
) -> Answer | None:
    """The fastest layout with the tensor, pipeline, context and expert degrees of ``like``; ``None`` if none fits.

    For sizes below one that was searched: how the model is cut hardly changes with the number of replicas; how the
    microbatches go through it (chunks, their size, recomputation) does, unless ``request`` fixes it.
    """
    fixed = request.model_copy(
        update={
            "tensor": like.tensor, "pipeline": like.pipeline, "context": like.context, "expert": like.expert,
            "context_by": like.context_by,
            "zero": like.zero, "sequence_parallel": like.sequence_parallel, "schedule": like.schedule,
        }
    )  # fmt: skip
    return quickest(machine, model, recipe, accelerators, fixed) if like.model_parallel <= accelerators else None


def check(machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest) -> None:
    """Refuse degrees that cannot work, all at once, with the arithmetic and the nearest layout that works.

    Raises
    ------
    PlanError
        One line for each degree that is wrong.
    """
    if request == _FREE and recipe.offload == "none":
        return
    wrong = obstacles(machine, model, recipe, accelerators, request)
    if machine.execution == "gpu" and request.tensor and request.tensor > machine.domain:
        domain = f"at most the {machine.domain} accelerators of one scale-up domain"
        wrong.append(Obstacle("tensor", domain, request.tensor))
    if wrong:
        close = nearest(machine, model, recipe, accelerators, request)
        lines = [*map(str, wrong), *([f"the nearest layout that works is {close}"] if close is not None else [])]
        raise PlanError("\n".join(f"layout of {model.name} on {machine.name}: {line}" for line in lines))


class Obstacle(NamedTuple):
    """A degree that is impossible anywhere: which one, what it could be, what it is."""

    degree: str
    expected: str
    got: int | str

    def __str__(self) -> str:
        return f"{self.degree}: expected {self.expected}; got {self.got}"


def obstacles(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> list[Obstacle]:
    """What makes the fixed degrees impossible on any network, with the arithmetic."""
    r, wrong = request, []
    if recipe.offload != "none" and not machine.host:
        wrong.append(Obstacle("offload", "none, for the catalogue has no link to a host's memory", recipe.offload))
    if machine.execution != "gpu":
        names = ("pipeline", "interleave", "context", "expert") + (("tensor",) if machine.execution == "wafer" else ())
        why = "1, for weights stream through whole systems"
        wrong += [Obstacle(name, why, getattr(r, name)) for name in names if (getattr(r, name) or 1) > 1]
        bounds = (
            ("zero", 1, "1 or less, for weights and gradients live outside already"),
            *((f"{kind}_layers", 0, "none, for weights stream through, not stages") for kind in ("recompute", *_ENDS)),
            ("shard", 0, "none, for weights and gradients live outside already"),
        )
        wrong += [Obstacle(name, why, getattr(r, name)) for name, most, why in bounds if (getattr(r, name) or 0) > most]
        none = "none, for weights stream through whole systems"
        named = {"schedule": (None, "1f1b", "any"), "context_by": (None, "ring")}
        wrong += [Obstacle(name, none, got) for name, usual in named.items() if (got := getattr(r, name)) not in usual]
    else:
        staged = Layouts.of([_staged(r)])
        held = int(deal(model, recipe, staged).fullest[0])
        ends = _ends(r, model.layers)
        wrong += [*_misfits(r, held, model.heads), *ends]
        paired = 2 * (r.pipeline or 1) * (r.data or 1) * (r.microbatch or 1)
        if r.schedule == "dualpipe" and (r.pipeline or 2) > 1 and paired > recipe.batch:
            both = f"at most the global batch of {recipe.batch} sequences, for dualpipe feeds both ends"
            wrong.append(Obstacle("2 × pipeline × data × microbatch", both, paired))
        experts = f"a divisor of {model.experts} experts" if model.experts else "1, for there are no experts"
        if r.tensor and model.heads % r.tensor:
            wrong.append(Obstacle("tensor", f"a divisor of {model.heads} heads", r.tensor))
        chunks = (r.pipeline or 1) * (r.interleave or 1)
        if chunks > model.layers:
            wrong.append(Obstacle("pipeline × interleave", f"at most {model.layers} layers", chunks))
        whole = int(chunked(model.layers, staged)[0])
        known = not ends and (r.pipeline or not (r.first_layers or r.last_layers))  # what the stages in between hold
        if known and r.interleave and r.interleave > 1 and whole % r.interleave:
            wrong.append(Obstacle("interleave", f"a divisor of the {whole} layers of a stage", r.interleave))
        if r.context and r.context > recipe.sequence:
            wrong.append(Obstacle("context", f"at most the {recipe.sequence} tokens of a sequence", r.context))
        if r.expert and r.expert > 1 and (not model.experts or model.experts % r.expert):
            wrong.append(Obstacle("expert", experts, r.expert))
    ranks = (r.tensor or 1) * (r.context or 1) * (r.data or 1)
    if r.expert and r.data and ranks % r.expert:
        wrong.append(Obstacle("expert", f"a divisor of tensor × context × data = {ranks} ranks", r.expert))
    if r.microbatch and r.microbatch > recipe.batch:
        wrong.append(Obstacle("microbatch", f"at most the global batch of {recipe.batch} sequences", r.microbatch))
    used = ranks * (r.pipeline or 1)
    if used > accelerators:
        most = f"at most {accelerators} accelerators"
        wrong.append(Obstacle("tensor × pipeline × context × data", most, used))
    return wrong


def nearest(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> Layout | None:
    """The layout that works and is fewest doublings away from the fixed degrees, the fastest of several; or none.

    Looked for among the free candidates and those in which one fixed degree is let go.
    """
    freed = [LayoutRequest(), *(request.model_copy(update={name: None}) for name in _fixed(request))]
    found = [candidates(machine, model, recipe, accelerators, one) for one in freed]
    layouts = Layouts.joined([one.where(_possible(machine, model, recipe, one)) for one in found])
    evaluation = those_that_fit(machine, model, recipe, layouts, LayoutRequest()) if len(layouts) else None
    if evaluation is None:
        return None
    order = np.lexsort((evaluation.total, np.round(_doublings(evaluation.layouts, request), 6)))
    return evaluation.layouts[int(order[0])]


def _fixed(request: LayoutRequest) -> dict[str, float]:
    """The degrees that are fixed, as the arrays of :class:`Layouts` hold them."""
    indexed = {"recompute": RECOMPUTE, "schedule": SCHEDULES, "context_by": CONTEXTS}
    given = {name: value for name, value in request if value is not None and value != "any"}
    return {name: indexed[name].index(value) if name in indexed else float(value) for name, value in given.items()}


def _doublings(L: Layouts, request: LayoutRequest) -> NDArray[np.float64]:
    """How far each layout is from the fixed degrees: factors of two, steps of a scale, or one for another kind."""
    away = np.zeros(len(L))
    for name, value in _fixed(request).items():
        has = getattr(L, name)
        if name in ("schedule", "shard", "recompute_layers", "first_layers", "last_layers", "context_by"):
            away += has != value
        elif name in ("recompute", "zero", "sequence_parallel"):
            away += np.abs(has - value)
        else:
            away += np.abs(np.log2(has / value))
    return away


def _possible(machine: Machine, model: Transformer, recipe: Recipe, L: Layouts) -> NDArray[np.bool_]:
    """Which layouts :func:`check` would let pass."""
    fine = (L.microbatch <= recipe.batch) & (L.tensor * L.context * L.data % L.expert == 0)
    fine &= recipe.offload == "none" or machine.host > 0
    if machine.execution == "gpu":
        held = deal(model, recipe, L).fullest
        stated = 1 * (L.first_layers > 0) + (L.last_layers > 0)
        left = model.layers - L.first_layers - L.last_layers - (L.pipeline - stated)
        fine &= (stated == 0) | ((L.pipeline > 1) & (left >= 0) & ((L.pipeline > stated) | (left == 0)))
        fine &= (model.heads % L.tensor == 0) & (L.tensor <= machine.domain) & (L.context <= recipe.sequence)
        fine &= (
            (L.pipeline * L.interleave <= model.layers)
            & (chunked(model.layers, L) % L.interleave == 0)
            & (max(model.experts, 1) % L.expert == 0)
            & (L.recompute_layers <= held)
            & ((L.context_by != CONTEXTS.index("all-to-all")) | (model.heads % (L.tensor * L.context) == 0))
        )
        fine &= ((L.schedule == 0) | (L.interleave == 1)) & (~L.two_way | (L.pipeline % 2 == 0))
    else:
        tiles = 1 if machine.execution == "wafer" else np.inf
        fine &= (L.pipeline * L.interleave * L.context * L.expert == 1) & (L.zero <= 1) & (L.tensor <= tiles)
    return np.asarray(fine)


def _staged(r: LayoutRequest) -> Layout:
    """A layout with the stages that a request fixes."""
    return Layout(
        pipeline=r.pipeline or 1, interleave=r.interleave or 1,
        first_layers=r.first_layers or 0, last_layers=r.last_layers or 0,
    )  # fmt: skip


def _ends(r: LayoutRequest, layers: int) -> list[Obstacle]:
    """Layers on the first and the last stage that leave the other stages none, or that no other stage is left for."""
    asked = {f"{kind}_layers": held for kind in _ENDS if (held := getattr(r, f"{kind}_layers"))}
    if not asked:
        return []
    name, held = " + ".join(asked), sum(asked.values())
    if r.pipeline == 1:
        return [Obstacle("pipeline", "at least 2, for layers of the first or the last of several stages are set", 1)]
    others = max((r.pipeline or 2) - len(asked), 0)
    if not others and r.pipeline and held != layers:
        return [Obstacle(name, f"all {layers} layers, for there is no other stage", held)]
    if held > layers - others:
        most = f"at most {layers - others} of {layers} layers, for each other stage needs one"
        return [Obstacle(name, most, held)]
    return []


def _misfits(r: LayoutRequest, held: int, heads: int) -> list[Obstacle]:
    """Degrees that a schedule, a group of shards, a stage of ``held`` layers or so many ``heads`` cannot have."""
    wrong, ranks = [], (r.data or 0) * (r.context or 1)
    if r.schedule in ("zero-bubble", "dualpipe") and (r.interleave or 1) > 1:
        wrong.append(Obstacle("interleave", f"1, for {r.schedule} has one chunk a stage", r.interleave or 1))
    if r.schedule == "dualpipe" and (r.pipeline or 2) % 2:
        wrong.append(Obstacle("pipeline", "an even number, for dualpipe pairs stages", r.pipeline or 1))
    if r.recompute_layers and (r.recompute == "full" or r.recompute_layers > held):
        most = "none beside full recomputation" if r.recompute == "full" else f"at most the {held} of a stage"
        wrong.append(Obstacle("recompute_layers", most, r.recompute_layers))
    sharing = (r.tensor or 1) * (r.context or 1)
    if r.context_by == "all-to-all" and heads % sharing:
        wrong.append(Obstacle("tensor × context", f"a divisor of {heads} heads to exchange", sharing))
    if r.shard and ranks and ranks % r.shard:
        wrong.append(Obstacle("shard", f"a divisor of data × context = {ranks} ranks", r.shard))
    return wrong


def _words(request: LayoutRequest) -> str:
    given = [f"{name} {value}" for name, value in request if value is not None]
    return ", ".join(given) or "any degrees"


def _does_not_fit(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest, layouts: Layouts
) -> str:
    """By how much the leanest layout misses, and what would help."""
    gpu = machine.execution == "gpu"
    memory = footprint(machine, model, recipe, layouts) if gpu else evaluate(machine, model, recipe, layouts).memory
    leanest = int(np.argmax(memory.margin))
    needs = memory.at(leanest)
    message = (
        f"{model.name} does not fit on {accelerators} {machine.name} with {_words(request)}: the leanest layout "
        f"({layouts[leanest]}) needs {show(needs.total, 'B')} per accelerator, has {show(needs.capacity, 'B')} usable, "
        f"{show(-needs.margin, 'B')} too little"
    )
    close = nearest(machine, model, recipe, accelerators, request) if _fixed(request) else None
    message += f"; the nearest layout that works is {close}" if close is not None else ""
    for more in (accelerators * 2**i for i in range(1, 16)):
        if quickest(machine, model, recipe, more, request) is not None:
            return f"{message}; it would fit on {more} accelerators"
    if close is not None:
        return message
    return f"{message}; no number of these accelerators holds it: fewer tokens in a sequence or more memory would"
