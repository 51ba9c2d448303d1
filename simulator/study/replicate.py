"""The same plan under many seeds."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

import numpy as np

from simulator.engine import sample, simulate
from simulator.engine.log import Log
from simulator.errors import SimulatorError
from simulator.plan.model import Plan
from simulator.results.ensemble import Ensemble, statistic
from simulator.results.series import course, series
from simulator.results.spread import Curve, curve
from simulator.results.summary import Summary, summarise
from simulator.study.interrupts import deaf, unheard

__all__ = ["Replication", "replicate", "seed_of"]

_LOOK = 20  # replicas between two looks at the spread
_WORTH_PROCESSES = 2.0  # time that is left: starting one takes a second [s]
_TASK = 0.25  # what a process is given at a time, so that progress is seen and little is lost to Ctrl-C [s]


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


def replicate(
    plan: Plan,
    replicas: int,
    *,
    precision: float | None = None,
    workers: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> Replication:
    """Simulate ``replicas`` times; the first run is told, the others only keep their books.

    Ctrl-C keeps the replicas that are done; ``ensemble.asked`` still says how many were wanted.  The result is the same
    for any number of workers.

    Parameters
    ----------
    precision
        Stop as soon as the 95 % interval of the mean time to train is that narrow, either way, relative to the mean.
    workers
        Processes that may share the work; they do when that is faster.
    progress
        Hears after each replica how many are done.
    """
    if replicas < 1:
        raise SimulatorError(f"expected at least one replica; got {replicas}")
    log = simulate(plan, seed=plan.seed)
    state = series(plan, log)
    summaries, curves = [summarise(plan, log, state)], [curve(plan, state)]
    progress(1)
    try:
        with closing(_others(plan, replicas, workers)) as others:
            for summary, left in others:
                summaries.append(summary)
                curves.append(left)
                progress(len(summaries))
                if precision is not None and len(summaries) % _LOOK == 0 and _spread(summaries) <= precision:
                    replicas = len(summaries)
                    break
    except KeyboardInterrupt:
        pass
    done = min(len(summaries), len(curves))
    return Replication(log, Ensemble(tuple(summaries[:done]), asked=replicas), tuple(curves[:done]))


def _one(plan: Plan, number: int) -> tuple[Summary, Curve]:
    tally = sample(plan, seed=seed_of(plan.seed, number))
    state = course(tally)
    return summarise(plan, tally, state), curve(plan, state)


def _some(plan: Plan, numbers: range) -> list[tuple[Summary, Curve]]:
    return [_one(plan, number) for number in numbers]


def _others(plan: Plan, replicas: int, workers: int) -> Generator[tuple[Summary, Curve], None, None]:
    """Replicas 1, 2, … in that order: here until it is known that what is left pays for processes, then from those."""
    began = time.perf_counter()
    for number in range(1, replicas):
        yield _one(plan, number)
        each = (time.perf_counter() - began) / number
        if workers > 1 and each * (replicas - 1 - number) > _WORTH_PROCESSES:
            yield from _shared(plan, range(number + 1, replicas), workers, max(1, int(_TASK / each)))
            return


def _shared(plan: Plan, numbers: range, workers: int, task: int) -> Generator[tuple[Summary, Curve], None, None]:
    """The replicas of these numbers, in their order, from processes that take so many at a time."""
    done = 0
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=deaf)
    try:
        tasks = (numbers[first : first + task] for first in range(0, len(numbers), task))
        with unheard():
            waiting = deque(pool.submit(_some, plan, some) for some in islice(tasks, 2 * workers))
        while waiting:
            for one in waiting.popleft().result():
                done += 1
                yield one
            waiting.extend(pool.submit(_some, plan, some) for some in islice(tasks, 1))
    except BrokenProcessPool:
        warnings.warn("a worker process was killed; its replicas are run here", RuntimeWarning, stacklevel=2)
    finally:
        pool.shutdown(cancel_futures=True)  # what is under way takes a quarter of a second
    yield from (_one(plan, number) for number in numbers[done:])


def _spread(summaries: Sequence[Summary]) -> float:
    """Half of the 95 % interval of the mean time to train over that mean; infinite if some run never ends."""
    found = statistic([summary.projected_time_to_train_s for summary in summaries])
    if found.mean is None or found.standard_error is None:
        return float("inf")
    return 1.96 * found.standard_error / found.mean
