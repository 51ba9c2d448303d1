"""Who computes what: the degrees of parallelism of one training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTEXTS", "FULL", "RECOMPUTE", "SCHEDULES", "Layout", "Layouts"]

RECOMPUTE = ("none", "selective", "full")
FULL = float(RECOMPUTE.index("full"))
CONTEXTS = ("ring", "all-gather", "all-to-all")
SCHEDULES = ("1f1b", "zero-bubble", "dualpipe")


@dataclass(frozen=True, slots=True)
class Layout:
    """Tensor × pipeline × context × data, and what goes with them.

    Experts are spread over ``expert`` accelerators taken from the tensor-, context- and data-parallel ones of a
    pipeline stage, whole experts each; expert parallelism therefore multiplies nothing.  ``shard`` of the replicas'
    ranks share what ZeRO spreads, and the groups of so many hold copies of it (HSDP); 0 is all of them.
    ``recompute_layers`` of the layers of a full stage are recomputed in full, the others as ``recompute`` says.
    ``first_layers`` and ``last_layers`` are on the first and the last stage; 0 is as :mod:`simulator.step.placement`
    deals them.
    ``context_by`` is how ranks that share a sequence get at each other's keys (:mod:`simulator.step.context`).
    """

    tensor: int = 1
    pipeline: int = 1
    interleave: int = 1
    context: int = 1
    data: int = 1
    expert: int = 1
    microbatch: int = 1
    recompute: str = "none"
    zero: int = 1
    sequence_parallel: bool = True
    schedule: str = "1f1b"
    shard: int = 0
    recompute_layers: int = 0
    context_by: str = "ring"
    first_layers: int = 0
    last_layers: int = 0

    @property
    def model_parallel(self) -> int:
        """Accelerators that hold one replica."""
        return self.tensor * self.pipeline * self.context

    @property
    def accelerators(self) -> int:
        """Accelerators the layout uses."""
        return self.model_parallel * self.data

    @property
    def recomputed(self) -> str:
        """What is computed again in the backward pass, in words; empty for nothing."""
        layers = f"{self.recompute_layers} layer{'s' if self.recompute_layers > 1 else ''}"
        kinds = [self.recompute] * (self.recompute != "none") + [layers] * (self.recompute_layers > 0)
        return " + ".join(kinds)

    def __str__(self) -> str:
        parts = [f"TP {self.tensor}", f"PP {self.pipeline}"]
        ends = {"first": self.first_layers, "last": self.last_layers}
        stated = ", ".join(f"{name} {layers}" for name, layers in ends.items() if layers)
        parts += [f"{stated} layers"] if stated else []
        parts += [f"x{self.interleave}"] if self.interleave > 1 else []
        parts += [self.schedule] if self.schedule != "1f1b" else []
        by = f" by {self.context_by}" if self.context_by != "ring" else ""
        parts += [f"CP {self.context}{by}"] if self.context > 1 else []
        parts += [f"EP {self.expert}"] if self.expert > 1 else []
        parts += [
            f"DP {self.data}",
            f"ZeRO-{self.zero}" + (f" over {self.shard}" if self.shard else ""),
            f"microbatch {self.microbatch}",
        ]
        parts += [f"recompute {self.recomputed}"] if self.recomputed else []
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Layouts:
    """Many layouts as arrays, one value a layout: what the step model computes on."""

    tensor: NDArray[np.float64]
    pipeline: NDArray[np.float64]
    interleave: NDArray[np.float64]
    context: NDArray[np.float64]
    data: NDArray[np.float64]
    expert: NDArray[np.float64]
    microbatch: NDArray[np.float64]
    recompute: NDArray[np.float64]  # index into RECOMPUTE
    zero: NDArray[np.float64]
    sequence_parallel: NDArray[np.float64]
    schedule: NDArray[np.float64]  # index into SCHEDULES
    shard: NDArray[np.float64]
    recompute_layers: NDArray[np.float64]
    context_by: NDArray[np.float64]  # index into CONTEXTS
    first_layers: NDArray[np.float64]
    last_layers: NDArray[np.float64]

    @classmethod
    def of(cls, layouts: Sequence[Layout]) -> Layouts:
        """The same layouts as arrays."""
        columns = {f.name: [getattr(one, f.name) for one in layouts] for f in fields(Layout)}
        columns["recompute"] = [RECOMPUTE.index(name) for name in columns["recompute"]]
        columns["context_by"] = [CONTEXTS.index(name) for name in columns["context_by"]]
        columns["schedule"] = [SCHEDULES.index(name) for name in columns["schedule"]]
        return cls(**{name: np.array(column, dtype=float) for name, column in columns.items()})

    @classmethod
    def joined(cls, several: Sequence[Layouts]) -> Layouts:
        """All of them, one after the other."""
        return cls(**{f.name: np.concatenate([getattr(one, f.name) for one in several]) for f in fields(cls)})

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, index: int) -> Layout:
        values = {f.name: int(getattr(self, f.name)[index]) for f in fields(self)}
        named = {
            "recompute": RECOMPUTE[values["recompute"]], "sequence_parallel": bool(values["sequence_parallel"]),
            "schedule": SCHEDULES[values["schedule"]], "context_by": CONTEXTS[values["context_by"]],
        }  # fmt: skip
        return Layout(**(values | named))  # type: ignore[arg-type]

    @property
    def replicas(self) -> NDArray[np.float64]:
        """Ranks that hold the same part of the model: data × context."""
        return self.data * self.context

    @property
    def sharded(self) -> NDArray[np.float64]:
        """Ranks that share what ZeRO spreads."""
        return np.where(self.shard > 0, np.minimum(self.shard, self.replicas), self.replicas)

    def recomputed(self, fullest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the layers that are recomputed in full, of as many as there are on the ``fullest`` stage."""
        return np.where(self.recompute == FULL, 1.0, self.recompute_layers / fullest)

    @property
    def zero_bubble(self) -> NDArray[np.bool_]:
        """Which put weight gradients off to fill the bubble."""
        return np.equal(self.schedule, SCHEDULES.index("zero-bubble"))

    @property
    def two_way(self) -> NDArray[np.bool_]:
        """Which feed the pipeline from both ends (DualPipe)."""
        return np.equal(self.schedule, SCHEDULES.index("dualpipe"))

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Layouts:
        """The layouts for which ``chosen`` is true, or those at its indices."""
        return Layouts(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})
