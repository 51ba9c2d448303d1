"""The whole line on one screen: read, plan, simulate, summarise, report."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simulator
from simulator import scenario as scenarios
from simulator.engine import hindrances
from simulator.engine.log import Log
from simulator.engine.queue import Sharing, share
from simulator.plan import Bar, Lever, levers, plan, tornado
from simulator.plan.model import Plan
from simulator.plan.queue import queue_plan
from simulator.report.folder import as_json, check_writable, remove, sha256, write
from simulator.report.text import Answer, headline
from simulator.results import Ensemble, Summary, timeline
from simulator.results.expectations import Verdict, judge
from simulator.results.projection import Projection, project
from simulator.results.queue import QueueSummary, queue_over_time, queue_table, summarise_queue
from simulator.results.series import Series, series
from simulator.results.spread import Curve, spread
from simulator.study.replicate import replicate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunResult", "run"]

_OF_REPLICAS = ("replicates", "spread")  # tables that a single run does not have
_OF_A_QUEUE = ("queue", "queue_timeline")  # and those that only a scenario with a queue has


@dataclass(frozen=True)
class RunResult:
    """One scenario's answer, from the question to the frames; of several replicas, log and frames show the first."""

    scenario: scenarios.Scenario
    plan: Plan
    log: Log
    ensemble: Ensemble
    curves: tuple[Curve, ...]
    levers: tuple[Lever, ...]
    verdicts: tuple[Verdict, ...]
    tornado: tuple[Bar, ...]
    took: dict[str, float] = field(compare=False)  # wall time by stage [s]
    sharing: Sharing | None = None  # the queue beside the first run
    queue_notes: tuple[str, ...] = ()

    @property
    def summary(self) -> Summary:
        """The first run's numbers."""
        return self.ensemble.summaries[0]

    @property
    def finished(self) -> bool:
        """Whether the run, or the median replica, finished within the horizon."""
        return 2 * sum(summary.finished for summary in self.ensemble.summaries) > len(self.ensemble)

    @property
    def stepwise(self) -> tuple[str, ...]:
        """What made the replicas slow, if anything did (:func:`simulator.engine.hindrances`)."""
        return hindrances(self.plan) if len(self.ensemble) > 1 else ()

    @property
    def kept(self) -> bool:
        """Whether every expectation is met."""
        return all(verdict.met for verdict in self.verdicts)

    @cached_property
    def series(self) -> Series:
        """The first run's samples as arrays."""
        return series(self.plan, self.log)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """State over time; columns in :data:`simulator.results.columns.FRAMES`."""
        return timeline.timeline(self.plan, self.log, self.series)

    @cached_property
    def projections(self) -> tuple[Projection, ...]:
        """What unfinished jobs would have needed."""
        return project(self.plan, self.log, self.series)

    @cached_property
    def queue(self) -> QueueSummary | None:
        """What the queue went through beside the first run."""
        return None if self.sharing is None else summarise_queue(self.plan, self.sharing, self.series)

    def answer(self, folder: Path | None = None) -> Answer:
        """What :func:`simulator.report.text.answer` shows."""
        stopped = timeline.interruptions(self.plan, self.log)
        where = None if folder is None else str(folder)
        return Answer(
            self.plan,
            self.summary,
            self.ensemble,
            self.projections,
            stopped,
            self.levers,
            self.verdicts,
            where,
            self.scenario.notes,
            self.tornado,
            self.queue,
            self.queue_notes,
        )

    def to_dict(self) -> dict[str, Any]:
        """The answer for programs; the same for the same scenario, seed and version."""
        many = len(self.ensemble) > 1
        return {
            "simgpu": simulator.__version__,
            "question": self.plan.question,
            "answer": headline(self.answer()),
            "summary": self.summary.to_dict(),
            **({"replicas": self.ensemble.to_dict()} if many else {}),
            "tornado": [{f.name: getattr(bar, f.name) for f in fields(bar)} for bar in self.tornado],
            **({"replayed": self.plan.recorded.mapping} if self.plan.recorded is not None else {}),
            **({"queue": self.queue.to_dict()} if self.queue is not None else {}),
            "levers": [_finite({f.name: getattr(lever, f.name) for f in fields(lever)}) for lever in self.levers],
            "expectations": [
                _finite({"expected": str(v.expectation), "value": v.value, "met": v.met, "share_of_runs": v.share})
                for v in self.verdicts
            ],
        }

    @property
    def folder_name(self) -> str:
        """``<name>-<digest>``, and what makes the run another than the scenario's own."""
        seed = f"-seed{self.plan.seed}" if self.plan.seed != self.scenario.seed else ""
        many = f"-x{self.ensemble.asked}" if self.ensemble.asked > 1 else ""
        return f"{self.plan.name}-{self.plan.scenario[:8]}{seed}{many}"

    def write(self, folder: Path) -> None:
        """Write the results folder, each file whole or not at all; ``run.json``, which vouches for them, last.

        What an earlier run has left there and this one does not write is removed; other files stay.
        """
        frames = {
            "timeline": self.timeline,
            "events": timeline.events(self.plan, self.log),
            "ledger": timeline.ledger(self.plan, self.log),
            "bill": timeline.bill_rows(self.plan, self.log, self.series),
            "interruptions": timeline.interruptions(self.plan, self.log),
        }
        if len(self.ensemble) > 1:
            frames |= dict(zip(_OF_REPLICAS, (self.ensemble.frame(), spread(self.curves)), strict=True))
        if self.sharing is not None and self.queue is not None:
            tables = (queue_table(self.queue), queue_over_time(self.sharing))
            frames |= dict(zip(_OF_A_QUEUE, tables, strict=True))
        began = time.perf_counter()
        check_writable(folder)
        remove(folder / "run.json")  # it would vouch for files that are about to change
        write(folder / "summary.json", lambda path: path.write_text(as_json(self.to_dict()), encoding="utf-8"))
        for name, frame in frames.items():
            write(folder / f"{name}.csv", partial(frame.to_csv, index=False, lineterminator="\n"))
        for name in (*_OF_REPLICAS, *_OF_A_QUEUE):
            if name not in frames:
                remove(folder / f"{name}.csv")
        self._draw(folder / "dashboard.png", frames.get("spread"))
        pictures = ["dashboard.png"]
        if "queue" in frames:
            self._draw_queue(folder / "queue.png", frames["queue"], frames["queue_timeline"])
            pictures.append("queue.png")
        else:
            remove(folder / "queue.png")
        self.took["write"] = time.perf_counter() - began
        files = ["summary.json", *(f"{name}.csv" for name in frames), *pictures]
        manifest = self._manifest({name: sha256(folder / name) for name in files})
        write(folder / "run.json", lambda path: path.write_text(as_json(manifest), encoding="utf-8"))

    def _draw(self, path: Path, band: pd.DataFrame | None) -> None:
        from simulator.report import figures

        said = f"{self.plan.name}: {headline(self.answer())}"
        runs = f", band over {len(self.ensemble)} runs" if len(self.ensemble) > 1 else ""
        below = f"{self.plan.question}  (seed {self.plan.seed}{runs}, simgpu {simulator.__version__})"
        target = self.summary.tokens_target
        page = figures.dashboard(self.timeline, headline=said, subtitle=below, target=target, spread=band)
        write(path, lambda beside: figures.save(page, beside))

    def _draw_queue(self, path: Path, table: pd.DataFrame, over_time: pd.DataFrame) -> None:
        from simulator.report import figures

        page = figures.queue(over_time, table, headline=f"{self.plan.name}: the queue with and without training jobs")
        write(path, lambda beside: figures.save(page, beside))

    def _manifest(self, files: dict[str, str]) -> dict[str, Any]:
        """How to get these results again, and what a reader can check them by.  The only file that knows the clock."""
        return {
            "simgpu": simulator.__version__,
            "python": platform.python_version(),
            "packages": {name: importlib.metadata.version(name) for name in ("matplotlib", "numpy", "pandas", "simpy")},
            "scenario_digest": self.plan.scenario,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "seed": self.plan.seed,
            "replicas": {"asked": self.ensemble.asked, "done": len(self.ensemble)},
            "sha256": files,
            "arguments": sys.argv[1:],
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "took_s": {stage: round(seconds, 4) for stage, seconds in self.took.items()},
        }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: what has none of a number, or endlessly much, is null."""
    endless = (float("inf"), float("-inf"))
    return {key: None if isinstance(value, float) and value in endless else value for key, value in values.items()}


def run(
    asked: scenarios.Scenario | str | Path,
    *,
    changes: Sequence[str] = (),
    seed: int | None = None,
    replicas: int = 1,
    precision: float | None = None,
    workers: int = 1,
    out: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> RunResult:
    """Answer one scenario.

    Parameters
    ----------
    asked
        A scenario, or the file or packaged name of one, with ``changes`` such as ``"site.pue=1.1"``.
    seed
        Instead of the scenario's own.
    replicas
        Runs under seeds of their own; the first has ``seed`` itself.
    precision, workers
        As of :func:`simulator.study.replicate.replicate`.
    out
        Results folder, complete once it has a ``run.json``; None: nothing is written.

    Raises
    ------
    SimulatorError
        A mistake in the input; nothing is written.
    """
    clock = [time.perf_counter()]
    if out is not None:
        check_writable(out)
    read = asked if isinstance(asked, scenarios.Scenario) else scenarios.read(asked, changes=changes)
    clock.append(time.perf_counter())
    planned = plan(read)
    planned = planned if seed is None else replace(planned, seed=seed)
    queued = queue_plan(read, planned.pools)
    help_ = levers(read, planned)
    bars = tornado(read, planned) if replicas > 1 else ()
    clock.append(time.perf_counter())
    done = replicate(planned, replicas, precision=precision, workers=workers, progress=progress)
    sharing = None if queued is None else share(planned, queued, done.first)
    clock.append(time.perf_counter())
    verdicts = judge(read.expect.given, done.ensemble.summaries)
    stages = zip(("read", "plan", "simulate"), clock, clock[1:], strict=False)
    took = {stage: after - before for stage, before, after in stages}
    notes = () if queued is None else queued.notes
    result = RunResult(
        read, planned, done.first, done.ensemble, done.curves, help_, verdicts, bars, took,
        sharing=sharing, queue_notes=notes,
    )  # fmt: skip
    if out is not None:
        result.write(out)
    return result
