"""What a study costs beside its tasks: time, memory and bytes, from a thousand tasks to a million.

``python benchmarks/bench_studies.py cheap 1000000`` and so on; docs/studies.md has the figures.  Tasks that cost next
to nothing show what the coordinator takes, lone ones, each sent by itself, what the engine takes, honest ones of 50 ms
what is lost beside work, real ones what a second core gains.
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
from simulator.study.findings import query
from simulator.study.schema import Study
from simulator.study.sweep import sweep
from simulator.study.task import Outcome, Performer, Task, Work, perform


def made_of(seconds: float, *, told: float | None = None) -> Performer:
    """A performer of tasks that take so long, or say so, and have the outputs a study keeps unless told otherwise."""

    def performer(work: Work, tasks: list[Task]) -> list[Outcome]:
        found = []
        for task in tasks:
            if seconds:
                time.sleep(seconds)  # so that others at work on the machine do not lengthen it
            values = {name: task.seed / (place + 3) for place, name in enumerate(work.outputs)}
            found.append(Outcome(task.number, "done", "", values, told or max(seconds, 1e-6)))
        return found

    return performer


def by_cpu(work: Work, tasks: list[Task]) -> list[Outcome]:
    """Real tasks, timed by the CPU, which others at work on the machine do not lengthen."""
    began = time.process_time()
    found = perform(work, tasks)
    share = (time.process_time() - began) / len(found)
    return [replace(outcome, took=share) for outcome in found]


def measured(study: Study, name: Name, workers: int, performer: Performer) -> None:
    """Print what one sweep took."""
    with tempfile.TemporaryDirectory() as folder, engine(name, workers=workers) as chosen:
        store = Path(folder) / "study.db"
        wall, own, others = time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        marks: list[tuple[float, int]] = []
        found = sweep(
            study,
            store,
            replace(chosen, near=chosen.near and workers == 1),
            performer=performer,
            watch=lambda progress: marks.append((time.perf_counter(), progress.done)),
        )
        wall, own = time.perf_counter() - wall, time.process_time() - own
        done, size = found.progress.done, store.stat().st_size
        took = query(store, "SELECT avg(took_s) FROM tasks")[1][0][0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime + after.ru_stime - others.ru_utime - others.ru_stime
    fifth = next(mark for mark in marks if mark[1] >= done / 5)  # the workers have started by then
    rate = (marks[-1][1] - fifth[1]) / (marks[-1][0] - fifth[0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}, {workers} workers, {done:,} tasks: {wall:.2f} s wall, {rate:,.1f} tasks/s after the first fifth, "
        f"{memory:.0f} MB, {size / done:.0f} bytes a task; CPU a task: {1e6 * own / done:.1f} µs in the coordinator, "
        f"{1e6 * took:,.1f} µs in itself, {children:.1f} s in all ended workers"
    )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cheap", "lone", "honest", "real"])
    parser.add_argument("tasks", type=int)
    parser.add_argument("--engine", choices=["local", "dask"], default="local")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points", type=int, default=1000, help="that share the tasks")
    parser.add_argument("--study", type=Path, help="instead of those")
    asked = parser.parse_args()
    if asked.study is not None:
        measured(read_study(asked.study), asked.engine, asked.workers, by_cpu)
        return
    points = min(asked.points, asked.tasks)
    scales, prices = min(points, 1000), max(1, points // 1000)
    changes = [f"failures.scale={','.join(f'{1 + number / 1000:g}' for number in range(scales))}"]
    changes += [f"site.pue={','.join(f'{1 + number / 1000:g}' for number in range(prices))}"] if prices > 1 else []
    study = study_of("aws-p5", changes, replicas=asked.tasks // points)
    performer = {"cheap": made_of(0.0), "lone": made_of(0.0, told=1.0), "honest": made_of(0.05), "real": by_cpu}[
        asked.what
    ]
    measured(study, asked.engine, asked.workers, performer)


if __name__ == "__main__":
    main()
