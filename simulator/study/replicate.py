"""The same plan under many seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.engine import simulate
from simulator.engine.log import Log
from simulator.errors import SimulatorError
from simulator.plan.model import Plan
from simulator.results.ensemble import Ensemble
from simulator.results.series import series
from simulator.results.spread import Curve, curve
from simulator.results.summary import summarise

__all__ = ["Replication", "replicate", "seed_of"]


def seed_of(seed: int, replica: int) -> int:
    """Seed of one replica, from its number alone: no worker and no order has a say.

    Replica 0 is the run one gets without replicas.  52 bits, so that any JSON reader keeps them.
    """
    if replica == 0:
        return seed
    state = np.random.SeedSequence(seed, spawn_key=(replica,)).generate_state(1, np.uint64)
    return int(state[0]) >> 12


@dataclass(frozen=True)
class Replication:
    """All replicas, the log of the first one, and what the bands need of the others."""

    first: Log
    ensemble: Ensemble
    curves: tuple[Curve, ...]


def replicate(plan: Plan, replicas: int, *, progress: Callable[[int], None] = lambda done: None) -> Replication:
    """Simulate ``replicas`` times.  ``progress`` hears after each how many are done.

    Ctrl-C keeps the replicas that are done; ``ensemble.asked`` still says how many were wanted.
    """
    if replicas < 1:
        raise SimulatorError(f"expected at least one replica; got {replicas}")
    first: Log | None = None
    summaries, curves = [], []
    try:
        for number in range(replicas):
            log = simulate(plan, seed=seed_of(plan.seed, number))
            state = series(plan, log)
            summary, left = summarise(plan, log, state), curve(plan, state)
            first = first or log
            summaries.append(summary)
            curves.append(left)
            progress(len(summaries))
    except KeyboardInterrupt:
        if first is None:
            raise
    assert first is not None
    done = min(len(summaries), len(curves))
    return Replication(first, Ensemble(tuple(summaries[:done]), asked=replicas), tuple(curves[:done]))
