"""Jobs of a queue that nobody recorded, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from simulator.engine.streams import Stream
from simulator.plan.queue import Arrivals, QueueJobs

__all__ = ["draw"]


def draw(arrivals: Arrivals, *, end: float, seed: int) -> QueueJobs:
    """Jobs submitted from 0 to ``end`` by independent users: Poisson arrivals of rate λ.

        runtime = m exp(σ z),  z standard normal

    with the median m; the mean is m exp(σ²/2).  Gaps, runtimes, sizes and priorities have streams of their own, so that
    changing one leaves the others as they were, and a longer stretch of time begins with the same jobs.
    """
    gaps = Stream(seed, "queue: gaps")
    submit: list[float] = []
    time = gaps.exponential(1 / arrivals.rate)
    while time < end:
        submit.append(time)
        time += gaps.exponential(1 / arrivals.rate)
    shares = Stream(seed, "queue: runtimes").uniform
    normal = NormalDist().inv_cdf
    scores = np.array([normal(min(max(shares(), 1e-15), 1 - 1e-15)) for _ in submit], dtype=float)
    runtime = arrivals.median * np.exp(arrivals.sigma * scores)
    return QueueJobs(
        submit=np.array(submit, dtype=float),
        runtime=runtime,
        estimate=runtime,
        size=_pick(arrivals.sizes, len(submit), Stream(seed, "queue: sizes")),
        priority=_pick(arrivals.priorities, len(submit), Stream(seed, "queue: priorities")),
        user=np.zeros(len(submit), dtype=np.int64),
    )


def _pick(shares: Sequence[tuple[int, float]], count: int, stream: Stream) -> np.ndarray:
    """``count`` values, each with its share."""
    values = np.array([value for value, _ in shares], dtype=np.int64)
    bounds = np.cumsum([share for _, share in shares])[:-1]
    drawn = np.array([stream.uniform() for _ in range(count)], dtype=float)
    picked: np.ndarray = values[np.searchsorted(bounds, drawn, side="right")]
    return picked
