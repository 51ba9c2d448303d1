"""Those of many layouts that fit, and the fastest of them found without evaluating all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step import streaming, timing
from simulator.step.candidates import candidates, combinations, filled, units
from simulator.step.layout import Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.memory import Footprint, Holdings, Memory, footprint, least_bytes, least_state, usable
from simulator.step.recomputation import eased
from simulator.step.roofline import Numbers
from simulator.step.timing import Cut, Evaluation, Pace, StepTime
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["Answer", "evaluate", "quickest", "those_that_fit"]

_FEW, _MOST = 128, 1024
"""Candidates evaluated first, at least and at most.

More cost more, fewer leave more that may be faster still; to evaluate twice costs as much as a thousand more at once.
"""

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
    if machine.execution != "gpu":
        fits = evaluate(machine, model, recipe, layouts).fits
        return evaluate(machine, model, recipe, layouts.where(fits)) if fits.any() else None
    layouts, memory = _lean(machine, model, recipe, layouts, request)
    fits = memory.margin >= 0
    if not fits.any():
        return None
    return timing.evaluate(machine, model, recipe, layouts.where(fits), memory=memory.where(fits))


def _lean(
    machine: Machine, model: Transformer, recipe: Recipe, L: Layouts, request: LayoutRequest,
    held: Holdings | None = None,
) -> tuple[Layouts, Footprint]:  # fmt: skip
    """The layouts, with as much recomputation as they need and ``request`` allows, and their memory."""
    if _eases(request):
        return eased(machine, model, recipe, L, usable(machine), held)
    return L, footprint(machine, model, recipe, L, held)


def _eases(request: LayoutRequest) -> bool:
    """Whether a request leaves open how much is recomputed."""
    return request.recompute is None and request.recompute_layers is None


class _Cuts(NamedTuple):
    """Ways to cut the model that fit with replicas enough: what a search of every size begins with."""

    layouts: Layouts
    alike: NDArray[np.intp]  # which of the next each has; they are fewer
    passes: Cut
    units: Numbers  # in which replicas come
    paced: Pace
    roomy: NDArray[np.bool_]  # which then fit as they are, without further recomputation
    reach: list[int]  # so many are likely to hold the answer, says the search before; decides none


@lru_cache(maxsize=32)
def _cuts(machine: Machine, model: Transformer, recipe: Recipe, request: LayoutRequest) -> _Cuts:
    cuts, alike = combinations(machine, model, recipe, request)
    roomy, lean = (least <= usable(machine) for least in least_bytes(machine, model, recipe, cuts))
    fits = roomy | lean if _eases(request) else roomy
    first, among = np.unique(alike[fits], return_inverse=True)
    passes = timing.cut(machine, model, recipe, cuts.where(first))
    paced = timing.stage(model, cuts.where(first), passes).paced.where(among)
    cuts = cuts.where(fits)
    return _Cuts(cuts, among, passes, units(cuts), paced, roomy[fits], [_FEW])


def quickest(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest
) -> Answer | None:
    """The fastest candidate that fits, ``None`` if none does: the first of several equals.

    No step is shorter than :func:`simulator.step.timing.at_least`, so once one is known that fits, only candidates
    bound to take no longer need to be evaluated.  The answer is that of evaluating all.
    """
    if machine.execution != "gpu" or recipe.split_experts:  # no bound holds there, or not for every number of replicas
        layouts = candidates(machine, model, recipe, accelerators, request)
        every = those_that_fit(machine, model, recipe, layouts, request) if len(layouts) else None
        return None if every is None else Answer.of(every, int(np.argmin(every.total)))
    if least_state(model, recipe) > accelerators * usable(machine):
        return None
    cuts = _cuts(machine, model, recipe, request)
    layouts, possible = filled(cuts.layouts, cuts.units, recipe.batch, accelerators, request)
    least = timing.at_least(machine, recipe, layouts, cuts.paced)
    bound = np.where(possible, least * (1 - _ROUNDING), np.inf)
    best, rank = None, (np.inf, 0)

    def consider(row: NDArray[np.intp]) -> None:
        nonlocal best, rank
        if not len(row):
            return
        passes = cuts.passes.where(cuts.alike[row])
        some, memory = _lean(machine, model, recipe, layouts.where(row), request, passes.held)
        fits = memory.margin >= 0
        if not fits.any():
            return
        if 2 * np.count_nonzero(fits) < len(row):  # else to sort them out costs more than it saves
            row, some, memory, passes = row[fits], some.where(fits), memory.where(fits), passes.where(fits)
            fits = fits[fits]
        found = timing.evaluate(machine, model, recipe, some, passes, memory)
        total = np.where(fits, found.total, np.inf)
        first = int(np.argmin(total))
        if (float(total[first]), int(row[first])) < rank:
            best, rank = Answer.of(found, first), (float(total[first]), int(row[first]))

    few = np.union1d(_lowest(np.where(cuts.roomy, bound, np.inf), _FEW), _lowest(bound, cuts.reach[0]))
    consider(few)
    left = possible & (bound <= rank[0])
    left[few] = False
    consider(np.flatnonzero(left))
    if best is not None:  # half as many again as would have done
        cuts.reach[0] = min(max(3 * int(np.count_nonzero(bound <= rank[0])) // 2, _FEW), _MOST)
    return best


def _lowest(values: Numbers, count: int) -> NDArray[np.intp]:
    """Where the ``count`` lowest values are, more where several are equal; infinite ones nowhere."""
    limit = np.partition(values, count - 1)[count - 1] if count < len(values) else np.inf
    return np.flatnonzero((values <= limit) & (values < np.inf))
