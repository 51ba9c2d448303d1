"""What a predicted step time rests on: parameters that few have measured, and how far past predictions were off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

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
_COSTS = ("half_depth", "hop_latency", "latency", "launch", "wave")  # of these more is worse

EFFICIENCIES: Mapping[str, tuple[str, ...]] = {
    "gemm": ("gemm",),
    "memory": ("stream",),
    "half_depth": ("half_depth",),
    "wave": ("wave",),
    "multiprocessors": ("multiprocessors",),
    "launch": ("launch",),
    "sustained": ("gemm", "attention"),
    "attention": ("attention",),
    "network": ("scaleout",),
    "scaleup": ("scaleup",),
    "narrow_formats": ("narrow",),
}
"""Parameters of a family, and the numbers of a :class:`simulator.step.Machine` that they scale."""


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
    slower: dict[tuple[str, ...], float] = {}
    found: dict[str, Thin] = {}
    for shelf, name, path, numbers in _rests_on(parts, job, pools):
        written = catalogue.entry(shelf, name)
        keys, estimate = catalogue.references(written, path)
        why = estimate or (f"one source: {keys[0]}" if len(keys) == 1 and shelf == "efficiencies" else "")
        if not why:
            continue
        if numbers not in slower:
            slower[numbers] = _worse(machine, model, recipe, layout, numbers) / now - 1
        value = str(dict(catalogue.leaves(written)).get(path, ""))
        if slower[numbers] >= _NOTICED:
            found[f"{shelf}.{name}.{path}"] = Thin(f"{name} {path}", value, " ".join(why.split()), slower[numbers])
    return tuple(sorted(found.values(), key=lambda one: (-one.slower, one.parameter)))


def _worse(machine: Machine, model: Transformer, recipe: Recipe, layout: Layout, numbers: Iterable[str]) -> float:
    changed = {name: getattr(machine, name) * (1 + _OFF if name in _COSTS else 1 - _OFF) for name in numbers}
    return step_with(machine, model, recipe, layout, **changed).total


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
