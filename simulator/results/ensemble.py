"""Many runs of one plan: every number with its spread."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simulator.results.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ensemble", "Statistic", "flat", "statistic"]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number over the replicas.  A replica without it (not finished) counts as larger than all others:
    a percentile among those is None, and so is the mean as soon as there is one.
    """

    mean: float | None
    standard_error: float | None
    p5: float | None
    p50: float | None
    p95: float | None
    known: int  # replicas that have the number


def statistic(values: Sequence[float | None]) -> Statistic:
    """Mean, its standard error and percentiles (linear between order statistics)."""
    known = sorted(value for value in values if value is not None)
    missing = len(values) - len(known)

    def percentile(share: float) -> float | None:
        position = share * (len(values) - 1)
        below, above = math.floor(position), math.ceil(position)
        if above >= len(known):
            return None
        if known[above] == known[below]:  # endless ones too, whose difference is no number
            return known[below]
        return known[below] + (known[above] - known[below]) * (position - below)

    mean = math.fsum(known) / len(known) if known and not missing else None
    error = None
    if mean is not None and len(known) > 1:
        variance = math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1)
        error = math.sqrt(variance / len(known))
    return Statistic(mean, error, percentile(0.05), percentile(0.5), percentile(0.95), len(known))


_NOT_A_MEASURE = {"name", "scenario", "seed", "start", "finish_date", "projected_finish_date", "jobs"}


def flat(summary: Summary) -> dict[str, float | None]:
    """Every number of a summary under one dotted name, e.g. ``lost_s.checkpoint save``."""

    def pairs() -> Iterator[tuple[str, float | None]]:
        for field in fields(summary):
            value = getattr(summary, field.name)
            if field.name in _NOT_A_MEASURE:
                continue
            if isinstance(value, Mapping):
                yield from ((f"{field.name}.{key}", float(part)) for key, part in value.items())
            else:
                yield field.name, None if value is None else float(value)

    return dict(pairs())


@dataclass(frozen=True)
class Ensemble:
    """Replicas of one plan, in the order of their numbers, never of their completion."""

    summaries: tuple[Summary, ...]
    asked: int  # replicas that were asked for; fewer stand here after an interruption

    def __len__(self) -> int:
        return len(self.summaries)

    @cached_property
    def statistics(self) -> dict[str, Statistic]:
        """Spread of every number."""
        rows = [flat(summary) for summary in self.summaries]
        everywhere = dict.fromkeys(name for row in rows for name in row)
        # a cause that never came up in a replica cost nothing there
        return {name: statistic([row.get(name, 0.0) for row in rows]) for name in everywhere}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        spread = {
            name: {field.name: getattr(found, field.name) for field in fields(found)}
            for name, found in self.statistics.items()
        }
        return {"replicas": len(self.summaries), "asked": self.asked, "statistics": spread}

    def frame(self) -> pd.DataFrame:
        """One row a replica: its seed, its finish date and every number."""
        import pandas as pd

        rows = [{"replica": number, "seed": summary.seed, "finish_date": summary.finish_date, **flat(summary)}
                for number, summary in enumerate(self.summaries)]  # fmt: skip
        return pd.DataFrame(rows)
