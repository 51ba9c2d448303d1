"""What a study can keep of each task: columns with units, from a plan in closed form or from a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.errors import SimulatorError, did_you_mean
from simulator.plan import Plan, Point
from simulator.results.columns import FRAMES, Column
from simulator.results.ensemble import flat
from simulator.results.summary import Summary
from simulator.units import DAY, HOUR, MEGA

__all__ = ["OUTPUTS", "Value", "check_outputs", "expected", "lived"]

Value = float | str | bool | None

OUTPUTS: Mapping[str, Mapping[str, Column]] = {
    "plan": {column.name: column for column in FRAMES["expectation"]},
    "simulate": {column.name: column for column in FRAMES["comparison"] if column.name not in ("scenario", "problem")},
}


def check_outputs(mode: str, outputs: Sequence[str]) -> None:
    """Refuse an output that no task of this mode has.

    Every number of a run's ``summary.json`` is one too, e.g. ``lost_s.checkpoint save``.

    Raises
    ------
    SimulatorError
        Names the first unknown one, and the nearest.
    """
    known = OUTPUTS[mode]
    for name in outputs:
        if name not in known and not (mode == "simulate" and name.partition(".")[0] in Summary.__dataclass_fields__):
            near = did_you_mean(name, known) or f"; known are {', '.join(known)}"
            raise SimulatorError(f"outputs: unknown output {name!r}{near}")


def expected(found: Point, outputs: Sequence[str]) -> dict[str, Value]:
    """The outputs of a plan's expectation."""
    return {name: getattr(found, name) for name in outputs}


def answered(made: Plan, summary: Summary) -> dict[str, Value]:
    """What one run says of size, end and price: of the whole job, carried on at the last rate if it has no end."""
    return {
        "accelerators": sum(job.rungs[0].accelerators for job in made.jobs),
        "finished": summary.finished,
        "finish_date": summary.projected_finish_date,
        "time_to_train_d": _over(summary.projected_time_to_train_s, DAY),
        "mtti_h": _over(summary.mtti_s, HOUR),
        "cost_usd": summary.projected_cost_usd,
        "cost_usd_per_million_tokens": _over(summary.projected_cost_usd, summary.tokens_target / MEGA),
    }


def lived(made: Plan, summary: Summary, outputs: Sequence[str]) -> dict[str, Value]:
    """The outputs of one run."""
    found = answered(made, summary)
    if any(name not in found for name in outputs):
        found = {**flat(summary), **found}
    return {name: found.get(name, 0.0) for name in outputs}  # a cause that never came up cost nothing


def _over(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
