"""Curves of many replicas as bands: what 5, 50 and 95 % of them had reached at each moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.plan.model import Plan
from simulator.results.columns import names
from simulator.results.series import Series
from simulator.results.timeline import costs
from simulator.units import DAY, MEGA

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Curve", "curve", "spread"]

_KEPT = 256  # points of a replica: finer than a figure shows, and a thousand replicas stay under 10 MB
_DRAWN = 128


@dataclass(frozen=True)
class Curve:
    """Running totals of one replica at a few hundred moments; all linear between changes, so exact at each."""

    time: NDArray[np.float64]  # [s]
    totals: dict[str, NDArray[np.float64]]  # tokens, cost [USD], energy [J], working [node-seconds]


def curve(plan: Plan, state: Series) -> Curve:
    """What one replica leaves behind for the bands."""
    time = np.linspace(0.0, float(state.time[-1]), _KEPT)
    working = np.concatenate([[0.0], (state.working[:-1].sum(axis=1) * state.lasting).cumsum()])
    totals = {
        "tokens": state.tokens.sum(axis=1),
        "cost": np.sum(list(costs(plan, state).values()), axis=0),
        "energy": state.energy,
        "working": working,
    }
    return Curve(time, {name: np.interp(time, state.time, total) for name, total in totals.items()})


def spread(curves: Sequence[Curve]) -> pd.DataFrame:
    """Bands over the replicas.

    A replica that has ended keeps its tokens and its cost; nodes and power are shown while all replicas run.
    """
    import pandas as pd

    ends = [float(one.time[-1]) for one in curves]
    time, shortest = np.linspace(0.0, max(ends), _DRAWN + 1), min(ends)

    def on_grid(total: str) -> NDArray[np.float64]:
        return np.array([np.interp(time, one.time, one.totals[total]) for one in curves])

    lasting = np.diff(time)
    reached = {
        "tokens": on_grid("tokens")[:, 1:],
        "cost_usd": on_grid("cost")[:, 1:],
        "power_MW": np.diff(on_grid("energy"), axis=1) / lasting / MEGA,
        "working_nodes": np.diff(on_grid("working"), axis=1) / lasting,
    }
    frames = []
    for quantity, values in reached.items():
        low, middle, high = np.percentile(values, [5, 50, 95], axis=0)
        band = pd.DataFrame({"elapsed_d": time[1:] / DAY, "quantity": quantity, "p5": low, "p50": middle, "p95": high})
        frames.append(band if quantity in ("tokens", "cost_usd") else band[time[1:] <= shortest])
    return pd.concat(frames, ignore_index=True)[names("spread")]
