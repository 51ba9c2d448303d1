"""What a study file may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from simulator.scenario.expectation import Expect
from simulator.scenario.schema import NAME_LIMIT, Evidence, OneLine, Slug
from simulator.scenario.write import on_one_line
from simulator.study.factor import Factor, levels
from simulator.units import DAY, HOUR, Fraction

__all__ = ["LARGE", "MEASURES", "MOST_POINTS", "DesignRequest", "Objective", "Study"]

LARGE = 1_000_000  # tasks beyond which a sweep wants to be asked twice
_MOST_DRAWN = 10_000_000  # points of a drawn design, which stands in memory
MOST_POINTS = 10**15  # a grid beyond is a slip of the pen
_MOST_REPLICAS = 1_000_000


# the metrics of `expect:`: the column a study keeps of each, and what one of its units is in base units
MEASURES: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "time_to_train": ("time_to_train_d", DAY),
        "cost": ("cost_usd", 1.0),
        "cost_per_million_tokens": ("cost_usd_per_million_tokens", 1.0),
        "goodput": ("goodput", 1.0),
        "mfu": ("mfu", 1.0),
        "tokens_per_second": ("tokens_per_second", 1.0),
        "energy": ("energy_MWh", 1e6 * HOUR),
        "peak_power": ("peak_power_MW", 1e6),
        "carbon": ("carbon_tCO2e", 1e3),
        "interruptions": ("interruptions", 1.0),
        "mtti": ("mtti_h", HOUR),
    }
)


def _column(name: str) -> str:
    return MEASURES[name][0] if name in MEASURES else name


Output = Annotated[
    str, AfterValidator(_column), WithJsonSchema({"type": "string", "examples": ["time_to_train", "cost_usd"]})
]
Kind = Literal["grid", "zip", "random", "latin-hypercube", "sobol", "saltelli", "search"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DesignRequest(_Section):
    """Which combinations of the factors' values are tried."""

    kind: Kind = Field(
        default="grid",
        description="grid: every combination; zip: first with first, second with second; random, latin-hypercube and "
        "sobol: n points drawn from ranges and distributions; saltelli: what simgpu sensitivity draws, n points and as "
        "many more for each factor; search: what simgpu optimise tries, one after the other",
    )
    n: int | None = Field(
        default=None, ge=1, le=_MOST_DRAWN, description="points to draw; for sobol a power of two keeps its balance"
    )
    seed: int = Field(default=1, ge=0, lt=2**63, description="of the drawn points; same seed, same points")

    @property
    def drawn(self) -> bool:
        """Whether points are drawn rather than listed."""
        return self.kind not in ("grid", "zip", "search")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        return {"kind": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _counted(self) -> DesignRequest:
        if self.drawn and self.n is None:
            raise ValueError(f"expected how many points to draw, e.g. {{kind: {self.kind}, n: 256}}; got no n")
        if self.kind in ("grid", "zip") and self.n is not None:
            raise ValueError(f"expected no n, since a {self.kind} has the points its lists give it; got {self.n}")
        return self


class Objective(_Section):
    """What `simgpu optimise` looks for."""

    minimise: Output | None = Field(default=None, description="output that is to be least, e.g. cost")
    maximise: Output | None = Field(default=None, description="output that is to be greatest, e.g. tokens_per_second")

    @model_validator(mode="after")
    def _one(self) -> Objective:
        if (self.minimise is None) == (self.maximise is None):
            raise ValueError("expected one of minimise and maximise, e.g. {minimise: cost}")
        return self

    @property
    def goal(self) -> Literal["minimise", "maximise"]:
        """Which way is better."""
        return "maximise" if self.minimise is None else "minimise"

    @property
    def output(self) -> str:
        """The column in question."""
        return self.minimise or self.maximise or ""


class Study(_Section):
    """Many what-ifs of one scenario, checked and frozen."""

    name: Slug = Field(description="lower-case letters, digits and dashes; names the store", max_length=NAME_LIMIT)
    question: OneLine = Field(description="what the study asks, in one line", min_length=1, max_length=400)
    base: str = Field(description="scenario file, or name of a packaged one, that everything starts from", min_length=1)
    set: dict[str, Any] = Field(default={}, description="changes of the base for all points: dotted path: value")
    factors: dict[str, Factor] = Field(
        min_length=1,
        max_length=100,
        description="dotted path, or any name for variants: list, range, distribution or variants",
    )
    design: DesignRequest = Field(
        default=DesignRequest(),
        description="kind alone, or kind with n and seed; default: grid, or a search for the objective if values have "
        "no number",
    )
    mode: Literal["simulate", "plan"] = Field(
        default="simulate", description="simulate, or the plan's expectation in closed form: exact, and much faster"
    )
    replicas: int | None = Field(
        default=None, ge=1, le=_MOST_REPLICAS, description="runs of each point, under the same seeds at every point"
    )
    precision: Fraction | None = Field(
        default=None, gt=0, description="stop a point's replicas once its mean time to train is known that well"
    )
    outputs: tuple[Output, ...] = Field(
        default=("time_to_train_d", "cost_usd", "goodput", "mfu"),
        min_length=1,
        description="results to keep of each point: metrics as in expect:, or columns of the results",
    )
    objective: Objective | None = Field(default=None, description="for simgpu optimise: minimise or maximise")
    constraints: Expect = Field(default=Expect(), description="for simgpu optimise: bounds, e.g. goodput: '> 0.9'")
    evidence: dict[str, Evidence] = Field(
        default={}, description="factor: source KEY, claim KEY, choice: reason or estimate: reason"
    )
    notes: str = Field(default="", description="anything a reader should know")

    @model_validator(mode="after")
    def _arithmetic(self) -> Study:
        if self.mode == "plan" and (self.replicas or 1) > 1:
            raise ValueError(f"expected one replica of a plan, which is arithmetic; got {self.replicas}")
        if self.mode == "plan" and self.precision is not None:
            raise ValueError("expected no precision of a plan, which is arithmetic; got one")
        return self

    @property
    def extent(self) -> str:
        """How much there is to do, in words."""
        if self.design.kind == "search":
            return "a search"
        points = f"{self.size:,} point{'s' if self.size != 1 else ''}"
        most = "at most " if self.precision is not None else ""
        return points if self.runs == 1 else f"{points} × {most}{self.runs:,} replicas"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know before the study starts."""
        said = []
        n = self.design.n or 1
        if self.design.kind in ("sobol", "saltelli") and n & (n - 1):
            near = 1 << (n.bit_length() - 1)
            said.append(
                f"design: a Sobol sequence is balanced at powers of two; {n:,} points are taken as they are, {near:,} "
                f"or {2 * near:,} would spread more evenly"
            )
        if self.size * self.runs > LARGE:
            said.append(f"{self.size * self.runs:,} tasks: simgpu sweep asks for --yes")
        return tuple(said)

    @property
    def runs(self) -> int:
        """Replicas of each point; with a precision, at most."""
        return self.replicas or (1000 if self.precision is not None else 1)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The changes for all points, as ``--set`` takes them."""
        return tuple(f"{path}={on_one_line(value)}" for path, value in self.set.items())

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns of every point: those asked for, and what the objective and the constraints need."""
        needed = [self.objective.output] if self.objective is not None else []
        bounds = [MEASURES[bound.metric][0] for bound in self.constraints.given]
        return tuple(dict.fromkeys((*self.outputs, *needed, *bounds)))

    @property
    def size(self) -> int:
        """Points of the design; 0 of one that cannot be."""
        if self.design.drawn or self.design.kind == "search":
            return (self.design.n or 0) * (len(self.factors) + 2 if self.design.kind == "saltelli" else 1)
        counts = [levels(factor) for factor in self.factors.values()]
        return math.prod(counts) if self.design.kind == "grid" else min(counts)
