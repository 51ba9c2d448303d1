"""What the step time of a layout depends on: every hardware number changed alone and the step evaluated anew.

Nothing here knows how a collective or an operator is modelled; it only asks the step model again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulator.step.fitting import Answer, evaluate
from simulator.step.layout import Layout, Layouts
from simulator.step.machine import Machine
from simulator.step.search import fastest
from simulator.step.timing import Evaluation, StepTime
from simulator.workload import LayoutRequest, Recipe, Transformer

__all__ = ["Sensitivity", "Traffic", "communication", "sensitivities", "step_with"]

_CLOSE = 256  # fastest layouts among which a change of rates finds its best one
_FREE = 1e9  # a link this many times faster costs nothing


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One hardware number changed: what the step takes then over what it takes now, less one; negative is faster."""

    change: str
    step: float
    layout: Layout | None  # the layout searched anew, where it is another


@dataclass(frozen=True, slots=True)
class Traffic:
    """One kind of communication that the step waits for."""

    part: str
    collective: str
    link: str
    seconds: float  # exposed
    bandwidth: float  # share of these that links without limit would save; latency is the rest


def step_with(machine: Machine, model: Transformer, recipe: Recipe, layout: Layout, **changed: Any) -> StepTime:
    """The step of a layout on a machine with some of its numbers changed."""
    return evaluate(replace(machine, **changed), model, recipe, Layouts.of([layout])).at(0)


def sensitivities(
    machine: Machine, model: Transformer, recipe: Recipe, accelerators: int, request: LayoutRequest,
    chosen: Answer, fitting: Evaluation,
) -> tuple[Sensitivity, ...]:  # fmt: skip
    """The step with twice each hardware number (half of each latency), what helps most first.

    The layout is chosen anew for each.  Rates leave alone what fits, so among the fastest of ``fitting``; memory and
    the scale-up domain do not, so by a whole search.
    """
    close = np.argsort(fitting.total, kind="stable")[:_CLOSE]
    layouts = Layouts.joined(
        [Layouts.of([chosen.layout]), fitting.layouts.where(np.isin(np.arange(len(fitting.layouts)), close))]
    )
    found = [
        (change, _quickest(evaluate(replace(machine, **numbers), model, recipe, layouts)))
        for change, numbers in _rates(machine).items()
    ]
    if machine.execution == "gpu" and not recipe.cuda_graphs:
        quick = recipe.software.model_copy(update={"host": recipe.software.host / 2})
        faster = evaluate(machine, model, replace(recipe, software=quick), layouts)
        found.append(("half the host's launch time", _quickest(faster)))
    for change, numbers in _bounds(machine).items():
        found.append((change, fastest(replace(machine, **numbers), model, recipe, accelerators, request)))
    told = (
        Sensitivity(
            change, best.step.total / chosen.step.total - 1, best.layout if best.layout != chosen.layout else None
        )
        for change, best in found
    )
    return tuple(sorted(told, key=lambda one: one.step))


def _quickest(evaluation: Evaluation) -> Answer:
    return Answer.of(evaluation, int(np.argmin(evaluation.total)))


def _rates(machine: Machine) -> Mapping[str, dict[str, Any]]:
    """Changes that leave alone which layouts fit."""

    def times(factor: float, *names: str) -> dict[str, Any]:
        return {name: getattr(machine, name) * factor for name in names}

    changes = {
        "twice the peak FLOP/s": times(2, "peak", "peak16", "rated"),
        "twice the memory bandwidth": times(2, "stream"),
        "twice the scale-up bandwidth": times(2, "scaleup"),
        "twice the NIC bandwidth": times(2, "scaleout"),
        "half the network latency": times(0.5, "latency", "hop_latency"),
        "half the kernel launch time": times(0.5, "launch"),
    }
    if any(taper > 1 for taper in machine.tapers):
        changes["no oversubscription"] = {"tapers": (1.0,) * len(machine.tapers)}
    if any(machine.fibre):
        changes["no distance between sites"] = {"fibre": (0.0,) * len(machine.fibre)}
    if machine.execution != "gpu":
        changes["twice the edge bandwidth"] = times(2, "edge_bandwidth")
    return changes


def _bounds(machine: Machine) -> Mapping[str, dict[str, Any]]:
    """Changes that make other layouts possible."""
    changes = {"twice the memory": {"memory": 2 * machine.memory}}
    if machine.execution == "gpu":
        changes["twice the scale-up domain"] = {"domain": 2 * machine.domain}
    return changes


def communication(machine: Machine, model: Transformer, recipe: Recipe, chosen: Answer) -> tuple[Traffic, ...]:
    """What the step waits for on links, longest first: which link, and whether for its bandwidth or its latency.

    Found by evaluating the step with links of no limit: what remains is latency.  The link that binds is the one whose
    limit costs most or, where latency does, the fabric if a fabric without delay would help.
    """
    parts = dict(chosen.step.parts)

    def without(**limits: float) -> dict[str, float]:
        return dict(step_with(machine, model, recipe, chosen.layout, **limits).parts)

    up, out, edge = (rate * _FREE for rate in (machine.scaleup, machine.scaleout, machine.edge_bandwidth))
    no_up, no_out, no_edge = without(scaleup=up), without(scaleout=out), without(edge_bandwidth=edge)
    unlimited = without(scaleup=up, scaleout=out, edge_bandwidth=edge)
    at_once = without(latency=0.0, hop_latency=0.0)
    found = []
    for part, collective in _collectives(chosen.layout).items():
        seconds = parts.get(part, 0.0)
        if seconds <= 0:
            continue
        bandwidth = 1 - unlimited.get(part, 0.0) / seconds
        least = {"scale-up links": no_up, "the fabric": no_out, "the edge": no_edge}
        if bandwidth >= 0.5:
            link = min(least, key=lambda name: least[name].get(part, 0.0))
        else:
            link = "the fabric" if at_once.get(part, 0.0) < seconds else "scale-up links"
        found.append(Traffic(part, collective, link, seconds, bandwidth))
    return tuple(sorted(found, key=lambda one: -one.seconds))


def _collectives(layout: Layout) -> Mapping[str, str]:
    """The parts of a step that are communication, and what is sent."""
    gradients = {
        0: "all-reduce of gradients",
        1: "gradients out, weights back",
        2: "gradients scattered each microbatch",
        3: "weights gathered each microbatch",
    }
    within = "all-gather, reduce-scatter" if layout.sequence_parallel else "all-reduce"
    return {
        "tensor parallel": f"{within} each layer",
        "context parallel": {
            "ring": "keys and values around a ring",
            "all-gather": "all-gather of keys and values",
            "all-to-all": "parts of sequences for heads and back",
        }[layout.context_by],
        "expert parallel": "all-to-all of tokens",
        "pipeline transfers": "sends between stages",
        "data parallel": gradients[layout.zero],
        "weight streaming": "weights in, gradients out",
    }
