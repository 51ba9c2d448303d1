"""One job: it waits for nodes, trains, is struck, comes back, grows at planned stops, and ends."""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum, auto
from typing import Any, TypeAlias, TypeVar

import simpy

from simulator.engine.cluster import Cluster
from simulator.engine.log import Activity, JobEnd
from simulator.engine.record import Record
from simulator.engine.stretch import Split, Stretch
from simulator.plan.model import Cause, Plan, Rung

__all__ = ["Training"]

_T = TypeVar("_T")
Story: TypeAlias = Generator[simpy.Event, Any, _T]
Phase: TypeAlias = tuple[Activity, float]


class Order(Enum):
    """What the cluster's changes make a job do."""

    GO = "nodes are there"
    GROW = "a better rung pays for the stop"
    YIELD = "its power or its nodes are no longer its own"


class State(Enum):
    """What a job is doing, as far as others must know."""

    BUSY = auto()  # between two phases, done, or finding out what failed: not to be disturbed
    WAITING = auto()
    RUNNING = auto()
    STOPPING = auto()  # saving ahead of a planned stop
    RETURNING = auto()


class Training:
    """A job and its process.

    Failures strike at any time: one that hits a job which is not yet running again (detection, restart, load,
    initialisation, planned stop) makes the restart begin anew.  It is told as a ``setback``; only what stops a running
    job is an ``interruption``, so that running time over interruptions estimates the M of the closed forms.
    """

    def __init__(self, env: simpy.Environment, index: int, plan: Plan, cluster: Cluster, record: Record) -> None:
        self._env, self._index, self._cluster, self._record = env, index, cluster, record
        self._job, self._standby = plan.jobs[index], plan.standby
        self._rung: Rung | None = None  # what it runs on, or ran on last
        self._tokens = 0.0
        self._interruptions, self._running = 0, 0.0
        self._worked = [0.0] * len(self._job.rungs)  # seconds that were not lost, by rung
        self._started: float | None = None
        self._finished: float | None = None
        self._state = State.BUSY
        self._since = env.now
        self._phases: tuple[Phase, ...] = ()
        self._stretch: Stretch | None = None
        self._full_speed = 0.0  # tokens per second that the stretch is measured by
        self._process = env.process(self._live())

    # What the others ask.

    def strike(self, cause: Cause) -> None:
        """A failure has hit one of the job's nodes."""
        running = self._stretch is not None
        self._interruptions += running
        self._tell("interruption" if running else "setback", cause.name)
        self._process.interrupt(cause)

    def consider(self) -> None:
        """Nodes or watts have changed: start, stop for another rung, or stay."""
        if self._state is State.WAITING:
            if self._take_best():
                self._state = State.RETURNING  # at once: what comes at this very moment may take the nodes again
                self._process.interrupt(Order.GO)
        elif self._state in (State.RUNNING, State.RETURNING):
            rung = self._held()
            if rung is self._cluster.planned[self._index]:
                return
            if not self._cluster.is_entitled(self._index, rung):
                self._stop(Order.YIELD)
            elif self._pays(rung, self._cluster.best(self._index)):
                self._stop(Order.GROW)

    def safe_tokens(self, time: float) -> float:
        """Tokens trained and saved by now."""
        if self._stretch is None:
            return self._tokens
        safe = self._stretch.safe_after(time - self._since) * self._held().tokens_per_second
        return min(self._tokens + safe, self._job.tokens)

    def end(self, time: float) -> JobEnd:
        """Close the books; work that the horizon cuts off counts as done, for nothing has destroyed it."""
        if self._stretch is not None:
            self._settle(self._stretch.cut(time - self._since), time)
        elif self._finished is None:
            self._record.lay(self._index, self._since, time, self._phases)
        return JobEnd(
            job=self._job.name,
            first_request=0.0,
            started=self._started,
            finished=self._finished,
            tokens=self._tokens,
            interruptions=self._interruptions,
            worked=tuple(self._worked),
            running=self._running,
        )

    # The story.

    def _live(self) -> Story[None]:
        yield from self._wait_for_nodes()
        self._started, rung = self._env.now, self._held()
        self._tell("start", f"{rung.accelerators} accelerators")
        stopped = yield from self._pass((Activity.INITIALISATION, rung.restart))
        while True:
            if stopped is None:
                stopped = yield from self._run()
            if stopped is None:
                break
            returning = self._recover(stopped) if isinstance(stopped, Cause) else self._resize()
            stopped = yield from returning
        self._finished = self._env.now
        self._tell("finish", f"{self._job.tokens:.4g} tokens")
        self._cluster.leave(self._index)
        self._cluster.changed(by=self._index)

    def _wait_for_nodes(self) -> Story[None]:
        """Take the nodes of the best rung, at once or when there is one."""
        if not self._take_best():
            self._begin(State.WAITING, (Activity.WAITING, float("inf")))
            try:
                yield self._env.event()  # which never comes: consider() takes the nodes and interrupts
            except simpy.Interrupt:
                self._close()

    def _run(self) -> Story[Cause | Order | None]:
        """Train until the last token is safe (None) or something stops it."""
        env, rung, planned = self._env, self._held(), self._cluster.planned[self._index]
        rate = rung.tokens_per_second
        stretch = Stretch((self._job.tokens - self._tokens) / rate, rung.interval, rung.save)
        self._full_speed = max(rate, planned.tokens_per_second) if planned else rate
        self._stretch, self._since, self._state = stretch, env.now, State.RUNNING
        self._cluster.compute(self._index, True)
        stopped: Cause | Order | None = None
        try:
            yield env.timeout(stretch.duration)
            split = stretch.finished()
        except simpy.Interrupt as interrupt:
            stopped = interrupt.cause
            if isinstance(stopped, Order):
                self._state = State.STOPPING
                try:
                    yield env.timeout(stretch.time_to_stop(env.now - self._since))
                    split = stretch.stopped(env.now - self._since)
                    self._tell("checkpoint", "ahead of the planned stop")
                except simpy.Interrupt as failure:
                    stopped = failure.cause
                    split = stretch.failed(env.now - self._since)
            else:
                split = stretch.failed(env.now - self._since)
        self._state = State.BUSY
        self._settle(split, env.now)
        if stopped is None:
            self._tokens = self._job.tokens  # and not the float next to it
        self._cluster.compute(self._index, False)
        return stopped

    def _recover(self, cause: Cause) -> Story[Cause | Order | None]:
        """Find out, replace the node or do without it, restart, read the checkpoint."""
        lost = self._cluster.missing(self._index)
        taken = self._take_best()
        spares = min(lost, sum([max(0, more) for more in taken]))
        found_out = cause.detection
        if spares:
            self._tell("spare", f"{spares} to work")
        if not taken:
            self._begin(State.BUSY, (Activity.RECOVERY, found_out))
            yield self._env.timeout(found_out)
            self._close()
            yield from self._wait_for_nodes()
            found_out = 0.0
        rung = self._held()
        delay = found_out + (self._standby if spares else 0.0) + rung.restart
        return (yield from self._pass((Activity.RECOVERY, delay), (Activity.RESTORE, rung.load)))

    def _resize(self) -> Story[Cause | Order | None]:
        """Come back from a planned stop on the best rung there is."""
        yield from self._wait_for_nodes()
        rung = self._held()
        return (yield from self._pass((Activity.PLANNED, rung.restart + rung.load)))

    def _pass(self, *phases: Phase) -> Story[Cause | Order | None]:
        """Go through phases that one wait covers; None at their end, else what struck before."""
        self._begin(State.RETURNING, *phases)
        stopped: Cause | Order | None = None
        try:
            yield self._env.timeout(sum([seconds for _, seconds in phases]))
        except simpy.Interrupt as interrupt:
            stopped = interrupt.cause
        self._close()
        return stopped

    # Nodes.

    def _held(self) -> Rung:
        assert self._rung is not None, "asked only of a job that has nodes"
        return self._rung

    def _take_best(self) -> tuple[int, ...]:
        """Hold the nodes of the best rung; how many came from the idle, by pool, or () and no node when there is none.

        The choice is free here: the job stands still anyhow.
        """
        cluster, before = self._cluster, self._rung
        rung = cluster.best(self._index)
        taken = cluster.assign(self._index, rung)
        if rung is not None and rung is not before:
            if before is not None:
                self._tell("resize", f"{before.accelerators} to {rung.accelerators} accelerators")
            self._rung = rung
        if min(taken) < 0:
            cluster.changed(by=self._index)
        return taken if rung is not None else ()

    def _pays(self, now: Rung, better: Rung | None) -> bool:
        """Whether a planned stop is worth its time.

            min(w, M) (1 − v / v′) > C + R

        The next interruption changes the rung for nothing, so a stop earns only until then: M later, or when the work w
        is done.  v and v′ are the useful speeds, C the save (if there is anything to save), R restart and load.
        """
        if better is None or better.useful_tokens_per_second <= now.useful_tokens_per_second:
            return False
        left = (self._job.tokens - self._tokens) / now.tokens_per_second
        save = 0.0
        if self._stretch is not None:
            left -= self._stretch.cut(self._env.now - self._since).work
            save = now.save
        earned = min(left, now.mtti) * (1 - now.useful_tokens_per_second / better.useful_tokens_per_second)
        return earned > save + better.restart + better.load

    def _stop(self, order: Order) -> None:
        self._state = State.BUSY
        self._tell("planned stop", order.value)
        self._process.interrupt(order)

    # Books.

    def _tell(self, kind: str, detail: str) -> None:
        self._record.event(self._env.now, kind, self._job.name, detail)

    def _begin(self, state: State, *phases: Phase) -> None:
        self._state, self._since, self._phases = state, self._env.now, phases

    def _close(self) -> None:
        self._state = State.BUSY
        self._record.lay(self._index, self._since, self._env.now, self._phases)

    def _settle(self, split: Split, time: float) -> None:
        """Book a stretch: work at less than the planned speed is compute for the share of that speed it had."""
        rate = self._held().tokens_per_second
        compute = split.work * (rate / self._full_speed)
        parts = (
            (Activity.COMPUTE, compute),
            (Activity.DEGRADED, split.work - compute),
            (Activity.SAVE, split.saving),
            (Activity.WASTED, split.wasted),
        )
        self._record.lay(self._index, self._since, time, parts)
        self._tokens = min(self._tokens + split.work * rate, self._job.tokens)
        self._worked[self._job.rungs.index(self._held())] += split.work
        self._running += time - self._since
        self._stretch, self._since = None, time
