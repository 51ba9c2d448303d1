"""What a predicted step time rests on: parameters that few have measured, and how far past predictions were off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from simulator import catalogue
from simulator.plan.parts import Parts
from simulator.step import Machine
from simulator.step.layout import Layout
from simulator.step.sensitivity import step_with
from simulator.workload import Recipe, TrainingJob, Transformer
from simulator.workload.precision import PRECISIONS

__all__ = ["Confidence", "Thin", "confidence", "thin"]

_OFF = 0.1  # how much worse a parameter is taken to be
_NOTICED = 0.002  # what changes the step by less is not told
_COSTS = (
    "half_depth",
    "half_keys",
    "hop_latency",
    "latency",
    "launch",
    "narrow_heads",
    "wave",
)  # of these more is worse

EFFICIENCIES: Mapping[str, tuple[str, ...]] = {
    "gemm": ("gemm",),
    "memory": ("stream",),
    "half_depth": ("half_depth",),
    "wave": ("wave",),
    "multiprocessors": ("multiprocessors",),
    "launch": ("launch",),
    "sustained": ("gemm", "attention"),
    "attention": ("attention",),
    "portable": ("portable",),
    "half_keys": ("half_keys",),
    "narrow_heads": ("narrow_heads",),
    "hidden": ("hidden",),
    "network": ("scaleout",),
    "exchange": ("exchange",),
    "scaleup": ("scaleup",),
    "permute": ("permute",),
    "narrow_formats": ("narrow",),
}
"""Parameters of a family, and the numbers of a :class:`simulator.step.Machine` that they scale."""

SOFTWARE = ("attention", "products", "elementwise", "casts", "logits", "exposed", "contention", "host", "kernels",
            "routing")  # fmt: skip
"""Parameters of a framework; of all but the first two more is worse."""


@dataclass(frozen=True, slots=True)
class Thin:
    """A parameter that an estimate or a single source stands for."""

    parameter: str
    value: str  # as the catalogue writes it
    why: str
    slower: float  # what a tenth worse adds to the step time


@dataclass(frozen=True, slots=True)
class Confidence:
    """Factors between which measured over predicted speed lay in four of five cases, and whether this one is beyond."""

    low: float
    high: float
    extrapolated: str


def thin(
    parts: Parts, job: TrainingJob, model: Transformer, pools: Iterable[int], machine: Machine, layout: Layout
) -> tuple[Thin, ...]:
    """Parameters of this prediction with thin evidence, those first that move the step most."""
    recipe = job.recipe(model.context)
    now = step_with(machine, model, recipe, layout).total
    effects: dict[tuple[str, ...], float] = {}
    found: dict[tuple[str, str, str], Thin] = {}

    def weigh(shelf: str, name: str, path: str, step: Callable[[], float], same: tuple[str, ...]) -> None:
        written = catalogue.entry(shelf, name)
        values = dict(catalogue.leaves(written))
        if path not in values:  # a default that the entry leaves alone
            return
        keys, estimate = catalogue.references(written, path)
        why = estimate or (f"one source: {keys[0]}" if len(keys) == 1 and shelf == "efficiencies" else "")
        if why:
            slower = effects[same] = effects[same] if same in effects else step() / now - 1
            if slower >= _NOTICED:
                found[shelf, name, path] = Thin(f"{name} {path}", str(values[path]), " ".join(why.split()), slower)

    for shelf, name, path, numbers in _rests_on(parts, job, pools):
        weigh(shelf, name, path, partial(_worse, machine, model, recipe, layout, numbers), numbers)
    for path in SOFTWARE if machine.execution == "gpu" else ():
        weigh("software", job.software, path, partial(_clumsier, machine, model, recipe, layout, path), ("", path))
    return tuple(sorted(found.values(), key=lambda one: (-one.slower, one.parameter)))


def _worse(machine: Machine, model: Transformer, recipe: Recipe, layout: Layout, numbers: Iterable[str]) -> float:
    changed = {name: getattr(machine, name) * (1 + _OFF if name in _COSTS else 1 - _OFF) for name in numbers}
    return step_with(machine, model, recipe, layout, **changed).total


def _clumsier(machine: Machine, model: Transformer, recipe: Recipe, layout: Layout, path: str) -> float:
    worse = getattr(recipe.software, path) * (1 - _OFF if path in SOFTWARE[:2] else 1 + _OFF)
    software = recipe.software.model_copy(update={path: worse})
    return step_with(machine, model, replace(recipe, software=software), layout).total


def _rests_on(parts: Parts, job: TrainingJob, pools: Iterable[int]) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Shelf, entry, path and the machine's numbers of everything a step time is computed from."""
    matmul = PRECISIONS[job.precision].matmul
    fabric = parts.fabric
    for pool in pools:
        node, accelerator = parts.nodes[pool], parts.accelerators[pool]
        known = catalogue.entry("efficiencies", accelerator.family)
        for path, numbers in EFFICIENCIES.items():
            binds = path != "network" or known["network"] < fabric.efficiency  # the smaller of the two
            if binds and (path != "narrow_formats" or matmul not in ("bf16", "fp16")):
                yield "efficiencies", accelerator.family, path, numbers
        yield "accelerators", accelerator.name, f"peak.{matmul}", ("peak",)
        yield "accelerators", accelerator.name, "memory_bandwidth", ("stream",)
        yield "accelerators", accelerator.name, "scaleup_bandwidth", ("scaleup",)
        yield "nodes", node.name, "scaleout_bandwidth", ("scaleout",)
    for path, number in (("efficiency", "scaleout"), ("latency", "latency"), ("hop_latency", "hop_latency")):
        yield "fabrics", fabric.name, path, (number,)


def confidence(parts: Parts, model: Transformer, pools: Iterable[int], accelerators: int) -> Confidence:
    """The widest interval of the families in use, from the shelf of spreads."""
    kind = "experts" if model.experts else "dense"
    lows, highs, beyond = [], [], []
    for family in dict.fromkeys(parts.accelerators[pool].family for pool in pools):
        known = [n for n in (f"{family}-stated-{kind}", f"{family}-{kind}", family) if n in catalogue.names("spreads")]
        spread = catalogue.entry("spreads", known[0] if known else "unmeasured")
        lows.append(float(spread["low"]))
        highs.append(float(spread["high"]))
        most = catalogue.entry("spreads", family).get("largest") if known else None
        if not known:
            beyond.append(f"no step of {family} accelerators was ever measured")
        elif most is not None and accelerators > most:
            beyond.append(f"{family} was measured on at most {most:,} accelerators at once")
    return Confidence(min(lows), max(highs), "; ".join(beyond))
