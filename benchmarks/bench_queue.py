"""How long a queue takes and how much memory: ``python benchmarks/bench_queue.py [JOBS]``, one million by default.

One row a case: jobs, accelerators, load, processor seconds to draw and to serve, jobs that were stopped, mean share in
use, relative error of the books, and the largest memory so far.  The last case has what the search for jobs to fill
gaps likes least: large jobs that are short beside small ones that are long, estimates far off, and an endless backlog.
"""

from __future__ import annotations

import math
import resource
import sys
import time

import numpy as np

from simulator.engine.queue import Capacity, draw, serve
from simulator.plan.queue import Arrivals, Policy, QueueJobs

HOUR, SIGMA = 3600.0, 1.5
POLICY = Policy(backfill=True, preemption=True, checkpoint=HOUR / 2, restart=300.0)
MIXED = ((1, 0.5), (8, 0.3), (64, 0.15), (512, 0.05))


def arrivals(jobs: int, load: float, accelerators: int) -> QueueJobs:
    """Log-normal runtimes with a median of an hour; one job in ten is urgent."""
    mean = HOUR * math.exp(SIGMA**2 / 2) * sum(size * share for size, share in MIXED)
    rate = load * accelerators / mean
    return draw(Arrivals(rate, HOUR, SIGMA, MIXED, ((0, 0.9), (1, 0.1))), end=jobs / rate, seed=1)


def contrary(jobs: int, accelerators: int) -> QueueJobs:
    """Every size there is, runtimes that fall with it, estimates up to ten times too long, thrice the capacity."""
    chance = np.random.default_rng(1)
    size = np.ceil(accelerators / 4 * chance.uniform(size=jobs) ** 4).astype(np.int64)
    runtime = 20 * HOUR / size**0.5
    submit = np.sort(chance.uniform(0, (size * runtime).sum() / accelerators / 3, jobs))
    none = np.zeros(jobs, dtype=np.int64)
    return QueueJobs(submit, runtime, runtime * chance.uniform(1, 10, jobs), size, none, none)


def measure(name: str, began: float, jobs: QueueJobs, accelerators: int) -> None:
    """Serve them and print a row."""
    drawn = time.process_time()
    end = float(jobs.submit[-1])
    steady = Capacity(np.array([0.0]), np.array([accelerators]), np.array([0]), np.array([1e3]), end)
    log = serve(jobs, steady, POLICY, seed=1)
    served = time.process_time()
    told = float((jobs.size * (log.kept + log.lost + log.restarting)).sum())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:12} {len(jobs):>9,} {accelerators:>8,}   draw {drawn - began:5.1f} s   serve {served - drawn:6.1f} s   "
        f"stopped {log.stopped.sum():>8,}   in use {log.busy.mean() / accelerators:6.1%}   "
        f"books {abs(told / log.in_use - 1):.0e}   {memory:6.0f} MB",
        flush=True,
    )


def main() -> None:
    """All cases."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for name, load, accelerators in (("quiet", 0.7, 8_000), ("busy", 0.95, 8_000), ("overloaded", 1.3, 8_000),
                                     ("large", 0.95, 100_000)):  # fmt: skip
        began = time.process_time()
        measure(name, began, arrivals(count, load, accelerators), accelerators)
    began = time.process_time()
    measure("contrary", began, contrary(count, 8_000), 8_000)


if __name__ == "__main__":
    main()
