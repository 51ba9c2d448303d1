"""Why the plan is as it is: the layout against its neighbours, what the step waits for, what it depends on."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.errors import PlanError
from simulator.plan.evidence import Confidence, Thin, confidence, thin
from simulator.plan.ladder import machine_of, request_of
from simulator.plan.model import Plan
from simulator.plan.parts import Parts, parts
from simulator.scenario import Scenario
from simulator.step import Answer, Layouts, Machine, Memory, evaluate
from simulator.step.alternatives import Choice, choice
from simulator.step.candidates import candidates
from simulator.step.fitting import those_that_fit
from simulator.step.placement import spread
from simulator.step.sensitivity import Sensitivity, Traffic, communication, sensitivities

__all__ = ["Explained", "explain"]


@dataclass(frozen=True, slots=True)
class Explained:
    """The reasons behind the best rung of one job."""

    machine: Machine
    layers: tuple[int, ...]  # on each stage
    stages: dict[str, Memory]  # what one accelerator of each kind of stage holds
    choice: Choice
    traffic: tuple[Traffic, ...]
    sensitivities: tuple[Sensitivity, ...]
    thin: tuple[Thin, ...]
    confidence: Confidence


def explain(scenario: Scenario, plan: Plan) -> tuple[Explained, ...]:
    """Reasons for every job, at the size of its best rung."""
    known = parts(scenario)
    return tuple(_explained(known, plan, index) for index in range(len(plan.jobs)))


def _explained(known: Parts, plan: Plan, index: int) -> Explained:
    job, model, rung = known.scenario.jobs[index], known.models[index], plan.jobs[index].rungs[0]
    machine, held = machine_of(known, job, rung.nodes, rung.clock)
    recipe, request = job.recipe(model.context), request_of(job)
    accelerators = min(held, job.accelerators or held)
    chosen = Answer(rung.layout, rung.step, rung.memory)
    if rung.shares:  # neighbours are compared on equal ground: with equal shares, at the slower pool's pace
        chosen = Answer.of(evaluate(machine, model, recipe, Layouts.of([rung.layout])), 0)
    layouts = candidates(machine, model, recipe, accelerators, request)
    fitting = those_that_fit(machine, model, recipe, layouts, request)
    if fitting is None:
        raise PlanError(f"job {job.name}: nothing fits on {accelerators} accelerators")
    pools = [pool for pool, nodes in enumerate(rung.nodes) if nodes]
    return Explained(
        machine=machine,
        layers=spread(model, recipe, rung.layout),
        stages=evaluate(machine, model, recipe, Layouts.of([rung.layout])).memory.stages(0, rung.layout.pipeline),
        choice=choice(machine, model, recipe, accelerators, request, chosen, fitting),
        traffic=communication(machine, model, recipe, chosen),
        sensitivities=sensitivities(machine, model, recipe, accelerators, request, chosen, fitting),
        thin=thin(known, job, model, pools, machine, rung.layout),
        confidence=confidence(known, model, pools, rung.layout.accelerators),
    )
