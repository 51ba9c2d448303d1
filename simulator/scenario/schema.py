"""What a scenario file may hold: the sections of the domains, put together."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator

from simulator.economics import Money
from simulator.economics.site import SiteRequest
from simulator.hardware import Cluster
from simulator.reliability import Checkpoint, Failures
from simulator.scenario.expectation import Expect
from simulator.units import YEAR, Unit
from simulator.workload import TrainingJob
from simulator.workload.queue import Queue

__all__ = ["HORIZON_LIMIT", "NAME_LIMIT", "SHORT", "SLUG", "TRACED", "Evidence", "OneLine", "Scenario", "Slug"]

HORIZON_LIMIT = 100 * YEAR
NAME_LIMIT = 80  # characters; a folder and a file are called by the name
SLUG = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_KEY = r"[A-Za-z0-9][\w.+-]*"
_EVIDENCE = re.compile(rf"(?:source|claim)\s+{_KEY}(?:\s*,\s*{_KEY})*|(?:choice|estimate)\s*:\s*\S.*", flags=re.DOTALL)


def _evidence(written: str) -> str:
    if not _EVIDENCE.fullmatch(written.strip()):
        forms = "'source KEY, KEY', 'claim KEY, KEY', 'choice: reason' or 'estimate: reason'"
        raise ValueError(f"expected {forms}; got {written!r}")
    return written.strip()


def _slug(name: str) -> str:
    if not SLUG.fullmatch(name):
        raise ValueError(f"expected lower-case letters, digits and dashes, e.g. 'colossus-200k'; got {name!r}")
    return name


def _one_line(question: str) -> str:
    if len(question.strip().splitlines()) != 1:
        raise ValueError(f"expected one line; got {question!r}")
    return question.strip()


Slug = Annotated[str, AfterValidator(_slug)]
OneLine = Annotated[str, AfterValidator(_one_line)]


# sections that may be written as one name, and the key the name stands for
SHORT: Mapping[str, str] = MappingProxyType({"site": "name", "failures": "fleet"})
TRACED = ("queue", "failures")  # sections whose ``trace`` is a file
Evidence = Annotated[
    str,
    AfterValidator(_evidence),
    WithJsonSchema({"type": "string", "pattern": r"^\s*(source\s|claim\s|choice\s*:|estimate\s*:)"}),
]
Horizon = Annotated[float, Unit("second", "time", "180 d", zero=False)]


class Scenario(BaseModel):
    """One question about one cluster, checked and frozen, every quantity in base units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Slug = Field(
        description="lower-case letters, digits and dashes; names the results folder", max_length=NAME_LIMIT
    )
    question: OneLine = Field(description="what the scenario asks, in one line", min_length=1, max_length=400)
    start: dt.date = Field(description="day on which the clock starts, e.g. 2024-09-02")
    cluster: Cluster = Field(description="machines, the dates they arrive on, and the network between them")
    site: SiteRequest = Field(description="entry of the sites shelf, or its name and what differs from it")
    jobs: tuple[TrainingJob, ...] = Field(
        description="training runs, first one first served", min_length=1, max_length=1000
    )
    failures: Failures = Field(description="entry of the failures shelf, or its fleet and what differs from it")
    queue: Queue | None = Field(default=None, description="many jobs that share what the training runs leave")
    checkpoint: Checkpoint = Field(default=Checkpoint(), description="how often a job saves, and how long it takes")
    money: Money = Field(default=Money(), description="who owns the machines and at which prices")
    horizon: Horizon = Field(description="when to stop waiting for the jobs, counted from the start")
    seed: int = Field(default=1, ge=0, lt=2**63, description="of the random numbers; same seed, same result")
    expect: Expect = Field(
        default=Expect(), description="bounds on results, e.g. goodput: '> 0.9'; a run that misses one exits 1"
    )
    evidence: dict[str, Evidence] = Field(
        default={}, description="dotted path: source KEY, claim KEY, choice: reason or estimate: reason"
    )
    notes: str = Field(default="", description="anything a reader should know")

    @field_validator("jobs")
    @classmethod
    def _distinct(cls, jobs: tuple[TrainingJob, ...]) -> tuple[TrainingJob, ...]:
        names = [job.name for job in jobs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected a different name for each job; got {', '.join(twice)} more than once")
        return jobs

    @field_validator("horizon")
    @classmethod
    def _foreseeable(cls, horizon: float) -> float:
        if horizon > HORIZON_LIMIT:
            raise ValueError(f"expected at most 100 y; got {horizon / YEAR:.4g} y")
        return horizon
