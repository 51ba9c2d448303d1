"""Those of many layouts that fit, and the fastest of them found without evaluating all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulator.step import streaming, timing
from simulator.step.candidates import candidates, combinations, filled
from simulator.step.layout import FULL, Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.memory import Memory, footprint, least_bytes, usable
from simulator.step.recomputation import eased
from simulator.step.timing import Evaluation, Stage, StepTime
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["Answer", "evaluate", "quickest", "those_that_fit"]

_FIRST, _GROWTH = 24, 4  # candidates looked at first, and how many times more as long as none of them fits
_ROUNDING = 1e-9  # a bound that is met exactly may come out a little above


@dataclass(frozen=True, slots=True)
class Answer:
    """One layout with its step time and memory."""

    layout: Layout
    step: StepTime
    memory: Memory

    @classmethod
    def of(cls, evaluation: Evaluation, index: int) -> Answer:
        """The layout at ``index``."""
        return cls(evaluation.layouts[index], evaluation.at(index), evaluation.memory.at(index))


def evaluate(machine: Machine, model: Transformer, recipe: Recipe, layouts: Layouts) -> Evaluation:
    """Step times by the machine's own way of executing."""
    model_of = timing.evaluate if machine.execution == "gpu" else streaming.evaluate
    return model_of(machine, model, recipe, layouts)


def those_that_fit(
    machine: Machine, model: Transformer, recipe: Recipe, layouts: Layouts, request: LayoutRequest
) -> Evaluation | None:
    """Times of the layouts that fit, ``None`` if none does.

    Memory is cheap to compute and rejects most, so it goes first.  What does not fit as it is recomputes as few layers
    as it takes, unless ``request`` says how much to recompute.
    """
    layouts, fits = _fitting(machine, model, recipe, layouts, request)
    return evaluate(machine, model, recipe, layouts.where(fits)) if fits.any() else None


def _fitting(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, request: LayoutRequest
) -> tuple[Layouts, NDArray[np.bool_]]:
    """The layouts, with as much recomputation as they need, and which of them fit."""
    if machine.execution != "gpu":
        return L, evaluate(machine, model, recipe, L).fits
    if _eases(request):
        return eased(machine, model, recipe, L, usable(machine))
    return L, footprint(machine, model, recipe, L).margin >= 0


def _eases(request: LayoutRequest) -> bool:
    """Whether a request leaves open how much is recomputed."""
    return request.recompute is None and request.recompute_layers is None


@lru_cache(maxsize=256)
def _cuts(machine: Machine, model: Transformer, recipe: Recipe, request: LayoutRequest) -> tuple[Layouts, Stage]:
    """Ways to cut the model that fit with replicas enough, and the times of their stages: the same for every size."""
    cuts, alike = combinations(machine, model, recipe, request)
    needed = least_bytes(machine, model, recipe, cuts)
    if _eases(request):
        lean = replace(cuts, recompute=np.full_like(cuts.recompute, FULL))
        needed = np.minimum(needed, least_bytes(machine, model, recipe, lean))
    fits = needed <= usable(machine)
    first, among = np.unique(alike[fits], return_inverse=True)
    return cuts.where(fits), timing.stage(machine, model, recipe, cuts.where(first)).where(among)


def quickest(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> Answer | None:
    """The fastest candidate that fits, ``None`` if none does: the first of several equals.

    No step is shorter than :func:`simulator.step.timing.at_least`, so of candidates in that order only those up to the
    fastest found need to be evaluated.  The answer is that of evaluating all.
    """
    if machine.execution != "gpu" or recipe.split_experts:  # no bound holds there, or not for every number of replicas
        layouts = candidates(machine, model, recipe, accelerators, request)
        every = those_that_fit(machine, model, recipe, layouts, request) if len(layouts) else None
        return None if every is None else Answer.of(every, int(np.argmin(every.total)))
    cuts, times = _cuts(machine, model, recipe, request)
    layouts, possible = filled(cuts, recipe.batch, accelerators, request)
    bound = np.where(possible, timing.at_least(machine, recipe, layouts, times) * (1 - _ROUNDING), np.inf)
    best, rank = None, (np.inf, 0)
    seen, count = -np.inf, _FIRST
    while seen < rank[0]:
        # the most promising few; once one of them fits, all that may be faster still
        upto = rank[0] if best else np.partition(bound, count - 1)[count - 1] if count < len(bound) else np.inf
        row = np.flatnonzero(possible & (bound > seen) & (bound <= upto))
        some, fits = _fitting(machine, model, recipe, layouts.where(row), request)
        row, some = row[fits], some.where(fits)
        if len(row):
            as_cut = (some.recompute_layers == layouts.recompute_layers[row]).all()
            found = timing.evaluate(machine, model, recipe, some, times.where(row) if as_cut else None)
            first = int(np.argmin(found.total))
            if (float(found.total[first]), int(row[first])) < rank:
                best, rank = Answer.of(found, first), (float(found.total[first]), int(row[first]))
        seen, count = upto, count * _GROWTH
    return best
