"""What a study costs beside its tasks: time, memory and bytes, from a thousand tasks to a million.

``python benchmarks/bench_studies.py cheap 1000000`` and so on; docs/studies.md has the figures.  Tasks that cost next
to nothing show what the coordinator and the engine take, honest ones of 50 ms what is lost beside work, real ones what
a second core gains.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from simulator.study.engines import Name, engine
from simulator.study.file import read_study, study_of
from simulator.study.schema import Study
from simulator.study.sweep import sweep
from simulator.study.task import Outcome, Performer, Task, Work, perform


def made_of(seconds: float) -> Performer:
    """A performer of tasks that take so long, and have the outputs a study keeps unless told otherwise."""

    def performer(work: Work, tasks: list[Task]) -> list[Outcome]:
        found = []
        for task in tasks:
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                pass
            values = {name: task.seed / (place + 3) for place, name in enumerate(work.outputs)}
            found.append(Outcome(task.number, "done", "", values, max(seconds, 1e-6)))
        return found

    return performer


def measured(study: Study, name: Name, workers: int, performer: Performer) -> None:
    """Print what one sweep took."""
    with tempfile.TemporaryDirectory() as folder, engine(name, workers=workers) as chosen:
        store = Path(folder) / "study.db"
        wall, own, others = time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        found = sweep(study, store, replace(chosen, near=chosen.near and workers == 1), performer=performer)
        wall, own = time.perf_counter() - wall, time.process_time() - own
        done, size = found.progress.done, store.stat().st_size
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime + after.ru_stime - others.ru_utime - others.ru_stime
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}, {workers} workers, {done:,} tasks: {wall:.2f} s wall, {1e6 * own / done:.1f} µs CPU a task in the "
        f"coordinator, {children:.1f} CPU s in ended workers, {memory:.0f} MB, {size / done:.0f} bytes a task, "
        f"{done / wall:,.0f} tasks/s"
    )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cheap", "honest", "real"])
    parser.add_argument("tasks", type=int)
    parser.add_argument("--engine", choices=["local", "dask"], default="local")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points", type=int, default=1000, help="that share the tasks")
    parser.add_argument("--study", type=Path, help="instead of those")
    asked = parser.parse_args()
    if asked.study is not None:
        measured(read_study(asked.study), asked.engine, asked.workers, perform)
        return
    points = min(asked.points, asked.tasks)
    scales, prices = min(points, 1000), max(1, points // 1000)
    changes = [f"failures.scale={','.join(f'{1 + number / 1000:g}' for number in range(scales))}"]
    changes += [f"site.pue={','.join(f'{1 + number / 1000:g}' for number in range(prices))}"] if prices > 1 else []
    study = study_of("aws-p5", changes, replicas=asked.tasks // points)
    performer = {"cheap": made_of(0.0), "honest": made_of(0.05), "real": perform}[asked.what]
    measured(study, asked.engine, asked.workers, performer)


if __name__ == "__main__":
    main()
