"""What holds between the parts of a scenario and between it and the catalogue."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterator
from typing import Any

from simulator import catalogue
from simulator.errors import CatalogueError, did_you_mean
from simulator.hardware import Cluster
from simulator.reliability import Failures
from simulator.scenario.document import Path
from simulator.scenario.recorded_jobs import MOST_JOBS
from simulator.scenario.schema import TRACED, Scenario
from simulator.scenario.shape import inner, is_list, keys
from simulator.workload import TrainingJob
from simulator.workload.queue import Queue

__all__ = [
    "calendar_faults", "evidence_faults", "failure_faults", "name_faults", "queue_faults", "size_faults",
    "trace_faults",
]  # fmt: skip

_FIRST, _LAST = dt.date(1990, 1, 1), dt.date(2200, 1, 1)


def name_faults(data: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Names in the scenario's raw data that no shelf of the catalogue has."""
    for path, shelf, name in _names(data):
        try:
            catalogue.canonical(shelf, name)
        except CatalogueError as unknown:
            yield path, str(unknown)


def _names(data: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Path, shelf and name of everything the raw data takes from the catalogue."""
    wanted: list[tuple[Path, str, Any]] = []
    cluster, jobs, money = data.get("cluster"), data.get("jobs"), data.get("money")
    if isinstance(cluster, dict):
        wanted += [(("cluster", "fabric"), "fabrics", cluster.get("fabric"))]
        wanted += [(("cluster", "storage"), "storage", cluster.get("storage"))]
        pools = cluster.get("pools")
        wanted += [
            (("cluster", "pools", index, "node"), "nodes", pool.get("node"))
            for index, pool in enumerate(pools if isinstance(pools, list) else [])
            if isinstance(pool, dict)
        ]
    wanted += [
        (("jobs", index, "model"), "models", job.get("model"))
        for index, job in enumerate(jobs if isinstance(jobs, list) else [])
        if isinstance(job, dict)
    ]
    prices = money.get("node_price") if isinstance(money, dict) else None
    wanted += [(("money", "node_price", node), "nodes", node) for node in (prices if isinstance(prices, dict) else ())]
    for section, key, shelf in (("site", "name", "sites"), ("failures", "fleet", "failures")):
        written = data.get(section)
        path: Path = (section, key) if isinstance(written, dict) else (section,)
        wanted.append((path, shelf, written.get(key) if isinstance(written, dict) else written))
    yield from ((path, shelf, name) for path, shelf, name in wanted if isinstance(name, str))


def evidence_faults(data: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Evidence about something no scenario has; list items may go by any name, since a child may replace the list."""
    evidence = data.get("evidence")
    for written in evidence if isinstance(evidence, dict) else ():
        annotation: Any = Scenario
        for part in written.split("."):
            known = keys(annotation)
            annotation = inner(annotation, 0) if is_list(annotation) else inner(annotation, part)
            if annotation is None:
                yield ("evidence", written), f"expected the path of a value; got {part!r}{did_you_mean(part, known)}"
                break


def size_faults(cluster: Cluster, jobs: tuple[TrainingJob, ...]) -> Iterator[tuple[Path, str]]:
    """Jobs that wait for more accelerators than ever arrive."""
    total, last = _arriving(cluster)
    for index, job in enumerate(jobs):
        for key in ("accelerators", "minimum"):
            wanted = getattr(job, key)
            if wanted is not None and wanted > total:
                expected = f"expected at most the {total:,} accelerators that arrive by {last}"
                yield ("jobs", index, key), f"{expected}; got {wanted:,}, which the arrivals never reach"


def failure_faults(failures: Failures) -> Iterator[tuple[Path, str]]:
    """Failure classes that neither the fleet nor the scenario gives a rate."""
    known = catalogue.entry("failures", failures.fleet)["classes"]
    for name, change in failures.classes.items():
        if name not in known and change.rate is None:
            expected = f"expected a rate, e.g. '0.5e-3 /d', or one of the fleet's classes {', '.join(known)}"
            yield ("failures", "classes", name), f"{expected}; got {name!r} without one{did_you_mean(name, known)}"


def _arriving(cluster: Cluster) -> tuple[int, dt.date]:
    """Accelerators that will be there in the end, and the day of the last delivery."""
    arriving = [next(reversed(pool.arrivals.items())) for pool in cluster.pools]
    total = sum(
        nodes * int(catalogue.entry("nodes", pool.node)["accelerators"])
        for pool, (_, nodes) in zip(cluster.pools, arriving, strict=True)
    )
    return total, max(date for date, _ in arriving)


def queue_faults(cluster: Cluster, queue: Queue, horizon: float) -> Iterator[tuple[Path, str]]:
    """Jobs to be drawn that are larger than the cluster, or more than can be served in good time."""
    if queue.arrivals is None:
        return
    total, last = _arriving(cluster)
    for size in queue.arrivals.sizes:
        if size > total:
            expected = f"expected at most the {total:,} accelerators that arrive by {last}"
            yield ("queue", "arrivals", "sizes", str(size)), f"{expected}; got {size:,}, which would wait for ever"
    jobs = queue.arrivals.rate * horizon
    if jobs > MOST_JOBS:
        message = f"expected at most {MOST_JOBS:,} jobs within the horizon; got {jobs:,.4g}; a lower rate would do"
        yield ("queue", "arrivals", "rate"), message


def trace_faults(data: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Traces that are not there; what is in those that are, the plan finds out."""
    for name in TRACED:
        section = data.get(name)
        written = section.get("trace") if isinstance(section, dict) else None
        if isinstance(written, str) and written.strip() and not pathlib.Path(written).is_file():
            kind = "is no file" if pathlib.Path(written).exists() else "does not exist"
            yield (name, "trace"), f"expected a trace file; got {written[:200]!r}, which {kind}"


def calendar_faults(start: dt.date | None, cluster: Cluster | None) -> Iterator[tuple[Path, str]]:
    """Dates that nobody means, e.g. a slip of the century."""
    dates: list[tuple[Path, dt.date]] = [(("start",), start)] if start else []
    for index, pool in enumerate(cluster.pools if cluster else ()):
        dates += [(("cluster", "pools", index, "arrivals", date.isoformat()), date) for date in pool.arrivals]
    for path, date in dates:
        if not _FIRST <= date < _LAST:
            yield path, f"expected a date from {_FIRST.year} to {_LAST.year - 1}; got {date}"
