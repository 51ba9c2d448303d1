"""What can be had for what: step time against memory left, and against the number of accelerators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import PlanError
from simulator.plan.ladder import machine_of, request_of
from simulator.plan.model import Plan
from simulator.plan.parts import Parts, parts
from simulator.scenario import Scenario
from simulator.step import Answer
from simulator.step.candidates import candidates
from simulator.step.fitting import those_that_fit
from simulator.step.timing import Evaluation

__all__ = ["Frontier", "frontiers", "nondominated"]


@dataclass(frozen=True)
class Frontier:
    """The layouts of one job that no other beats in both of two things."""

    job: str
    accelerators: int  # of the job's best rung, on which memory is traded
    fitting: Evaluation  # every layout that fits there
    roomy: NDArray[np.intp]  # those of them with the shortest step for the memory they leave, fastest first
    sizes: tuple[Answer, ...]  # the fastest at each size of a ladder of halves, fewest accelerators first
    fewest: NDArray[np.intp]  # those of them that no smaller size beats


def nondominated(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the points with no other at most as large in both, by rising ``first``; of equal points one.

    After sorting, a point stands when its ``second`` is below all that came before: one sort and one running minimum.
    """
    order = np.lexsort((second, first))
    ordered = second[order]
    before = np.concatenate([[np.inf], np.minimum.accumulate(ordered)[:-1]])
    return order[ordered < before]


def frontiers(scenario: Scenario, plan: Plan) -> tuple[Frontier, ...]:
    """Frontiers of every job, with the pools that its best rung uses."""
    known = parts(scenario)
    return tuple(_frontier(known, plan, index) for index in range(len(plan.jobs)))


def _frontier(known: Parts, plan: Plan, index: int) -> Frontier:
    job, model, rung = known.scenario.jobs[index], known.models[index], plan.jobs[index].rungs[0]
    machine, held = machine_of(known, job, rung.nodes, rung.clock)
    recipe, request = job.recipe(model.context), request_of(job)

    def searched(accelerators: int) -> Evaluation | None:
        layouts = candidates(machine, model, recipe, accelerators, request)
        return those_that_fit(machine, model, recipe, layouts, request) if len(layouts) else None

    most = min(held, job.accelerators or held)
    fitting = searched(most)
    if fitting is None:
        raise PlanError(f"job {job.name}: nothing fits on {most} accelerators")
    found = [fitting, *(searched(most // 2**i) for i in range(1, most.bit_length()))]
    sizes = [Answer.of(one, int(np.argmin(one.total))) for one in reversed(found) if one is not None]
    used = np.array([one.layout.accelerators for one in sizes], dtype=float)
    return Frontier(
        job=job.name,
        accelerators=most,
        fitting=fitting,
        roomy=nondominated(fitting.total, -fitting.memory.margin),
        sizes=tuple(sizes),
        fewest=nondominated(used, np.array([one.step.total for one in sizes])),
    )
