"""One job: it waits for nodes, trains, is struck, comes back, grows at planned stops, and ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TypeAlias

from simulator.engine.calendar import Calendar, Timer
from simulator.engine.cluster import Cluster
from simulator.engine.log import Activity, JobEnd
from simulator.engine.record import Record
from simulator.engine.streams import Stream
from simulator.engine.stretch import Split, Stretch
from simulator.plan.model import Cause, Plan, Rung

__all__ = ["Training"]

Phase: TypeAlias = tuple[Activity, float]
_PRODUCTIVE = (Activity.COMPUTE, Activity.DEGRADED, Activity.SAVE)
_LOST = (Activity.WASTED, Activity.RECOVERY, Activity.RESTORE, Activity.WAITING, Activity.PLANNED)


class Order(Enum):
    """What the cluster's changes make a job do."""

    GROW = "a better rung pays for the stop"
    YIELD = "its power or its nodes are no longer its own"
    MAINTAIN = "maintenance"


class State(Enum):
    """What a job is doing."""

    BUSY = auto()  # between two phases, done, or finding out what failed: not to be disturbed
    WAITING = auto()
    RUNNING = auto()
    STOPPING = auto()  # saving ahead of a planned stop
    RETURNING = auto()


@dataclass(slots=True)
class Books:
    """What a job had to its name at one moment, so that it can be put back there."""

    tokens: float
    spent: dict[Activity, float]
    worked: list[float]


class Run:
    """A stretch and the speeds at which parts of it went, for a slow node slows the whole job."""

    __slots__ = ("legs", "rate", "speed", "stretch")

    def __init__(self, stretch: Stretch, rate: float, speed: float) -> None:
        self.stretch, self.rate, self.speed = stretch, rate, speed
        self.legs: list[tuple[float, float]] = [(0.0, speed)]  # seconds of work done when a speed began

    def full(self, work: float) -> float:
        """Seconds at full speed that would have done what so many seconds of work did. [s]"""
        if len(self.legs) == 1:
            return work * self.speed
        ends = [*(begin for begin, _ in self.legs[1:]), float("inf")]
        pairs = zip(self.legs, ends, strict=True)
        return sum([(min(end, work) - begin) * speed for (begin, speed), end in pairs if begin < work])

    def change(self, elapsed: float, speed: float) -> None:
        """Go on at another share of the full speed."""
        done = self.stretch.cut(elapsed).work
        left = self.full(self.stretch.work) - self.full(done)
        old = self.stretch
        self.stretch = Stretch(done + left / speed, old.interval, old.save, old.drain, old.every, old.quick)
        self.legs.append((done, speed))
        self.speed = speed


class Training:
    """A job and its transitions; each begins with what just happened and ends with the job waiting for what is next.

    Failures strike at any time: one that hits a job which is not yet running again (detection, restart, load,
    initialisation, planned stop) makes the restart begin anew.  It is told as a ``setback``; only what stops a running
    job is an ``interruption``, so that running time over interruptions estimates the M of the closed forms.
    """

    def __init__(self, calendar: Calendar, index: int, plan: Plan, cluster: Cluster, record: Record, seed: int) -> None:
        self._calendar, self._index, self._cluster, self._record = calendar, index, cluster, record
        self._plan, self._job = plan, plan.jobs[index]
        again = [cause.name for cause in plan.causes if cause.repeats]
        self._repeats = {name: Stream(seed, f"repeats of {name} in job {index}") for name in again}
        self._rung: Rung | None = None  # what it runs on, or ran on last
        self.tokens = 0.0
        self._interruptions, self._running = 0, 0.0
        self._numbers = {id(rung): number for number, rung in enumerate(self._job.rungs)}
        self._worked = [0.0] * len(self._job.rungs)  # seconds at full speed that were not lost, by rung
        self._started: float | None = None
        self._finished: float | None = None
        self._state = State.BUSY
        self.since = 0.0
        self._phases: tuple[Phase, ...] = ()
        self.timer: Timer | None = None
        self._return: Callable[[Rung], tuple[Phase, ...]] = lambda rung: ((Activity.INITIALISATION, rung.restart),)
        self.run: Run | None = None
        self._planned_split = Split(0.0, 0.0, 0.0)
        self._full_speed = 0.0  # tokens per second that the stretch is measured by
        self._slow: list[float] = []  # speeds that slow nodes leave the job
        self._out = 0  # replicas that are out
        self._corrupt: dict[str, Books] = {}  # by cause: what there was when a fault began that nobody has noticed
        self._cause = ""  # that stopped the job last

    # What the others ask.

    def begin(self) -> None:
        """Ask for the first nodes."""
        self._wait_for_nodes()

    def strike(self, cause: Cause) -> None:
        """A failure has hit one of the job's nodes, or the job itself."""
        if self._state in (State.WAITING, State.BUSY) or self._finished is not None:
            return
        if self._can_go_on(cause):
            self._lose_a_replica(cause)
        else:
            self._stop_for(cause)

    def suffer(self, cause: Cause) -> bool:
        """A fault that nobody notices yet; whether it does any harm to what the job is doing."""
        if self.run is None or self._finished is not None:
            return False
        if cause.latency:
            self._corrupt.setdefault(cause.name, self._books())
        else:
            self._slow.append(cause.speed)
            self._change_speed()
            self._tell("slow", cause.name)
        return True

    def recover_from(self, cause: Cause, *, stop: bool) -> None:
        """What :meth:`suffer` was told of has been found."""
        if self._finished is not None:
            return
        before = self._corrupt.pop(cause.name, None) if cause.latency else None
        if not cause.latency:
            self._slow.remove(cause.speed)
        if not stop:
            self._change_speed()
            return
        if self._state in (State.WAITING, State.BUSY):
            if before is not None:
                self._go_back_to(before)
            return
        self._stop_for(cause, before)

    def maintain(self, lasts: float) -> None:
        """Stand still for a while, after a save."""
        if self._state in (State.RUNNING, State.RETURNING):
            self._stop(Order.MAINTAIN, lasts)

    def consider(self) -> None:
        """Nodes or watts have changed: start, stop for another rung, or stay."""
        if self._state is State.WAITING:
            if self._take_best():
                self._close()
                self._come_back()
        elif self._state in (State.RUNNING, State.RETURNING):
            rung = self._held()
            if rung is self._cluster.planned[self._index]:
                return
            if not self._cluster.is_entitled(self._index, rung):
                self._stop(Order.YIELD)
            else:
                better = self._cluster.best(self._index)
                if self._pays(rung, better):
                    if self._only_joins(rung, better):
                        self._let_join(better)
                    else:
                        self._stop(Order.GROW)

    def safe_tokens(self, time: float) -> float:
        """Tokens trained and saved by now."""
        run = self.run
        if run is None:
            return self.tokens
        tokens = self.tokens + run.full(run.stretch.safe_after(time - self.since)) * run.rate
        return min(tokens, self._job.tokens)

    # What a leap asks and leaves.

    def is_plain(self) -> bool:
        """Whether the job runs as planned, on what it is entitled to at best, and nothing is known of it but that."""
        run = self.run
        return (
            self._state is State.RUNNING
            and run is not None
            and len(run.legs) == 1
            and run.speed == 1
            and not self._out
            and not self._slow
            and not self._corrupt
            and self._rung is self._cluster.planned[self._index]
        )

    def attempts_ahead(self, cause: Cause, count: int) -> list[int]:
        """What :meth:`_attempts` will say the next so many times."""
        numbers, scale = self._repeats[cause.name].ahead(count).tolist(), math.log(cause.repeats)
        return [1 + int(math.log1p(-number) / scale) for number in numbers]

    def skip_attempts(self, cause: Cause, count: int) -> None:
        """They have been made."""
        self._repeats[cause.name].skip(count)

    def intervals_ahead(self, runs: list[float]) -> list[float]:
        """The intervals between checkpoints of the present run, and of the next after each of them but the last. [s]"""
        assert self.run is not None, "a leap begins while the job runs"
        if not self._plan.follow:
            return [self.run.stretch.interval] * len(runs)
        found, running = [self.run.stretch.interval], self._running
        for stops, lasted in enumerate(runs[:-1], self._interruptions + 1):
            running += lasted
            found.append(self._interval(stops, running))
        return found

    def run_on(self, cause: str, *, tokens: float, worked: float, running: float, interruptions: int) -> None:
        """Begin to run, after runs and recoveries that are booked already."""
        self._forget_timer()
        self._cause, self.tokens = cause, tokens
        self._worked[self._number(self._held())] += worked
        self._running += running
        self._interruptions += interruptions
        self.run, self.since, self._phases = None, self._calendar.now, ()
        self._cluster.compute(self._index, False)
        self._train()

    def end(self, time: float) -> JobEnd:
        """Close the books; work that the horizon cuts off counts as done, for nothing has destroyed it."""
        if self.run is not None:
            self._settle(self.run.stretch.cut(time - self.since), time)
        elif self._finished is None:
            self._record.lay(self._index, self.since, time, self._phases)
        return JobEnd(
            job=self._job.name,
            first_request=0.0,
            started=self._started,
            finished=self._finished,
            tokens=self.tokens,
            interruptions=self._interruptions,
            worked=tuple(self._worked),
            running=self._running,
        )

    # The story.

    def _wait_for_nodes(self) -> None:
        """Take the nodes of the best rung, at once or when there is one."""
        if self._take_best():
            self._come_back()
        else:
            self._enter(State.WAITING, (Activity.WAITING, float("inf")))

    def _come_back(self) -> None:
        """Go through what lies between having nodes and running."""
        if self._started is None:
            self._started = self._calendar.now
            self._tell("start", f"{self._held().accelerators} accelerators")
        self._enter(State.RETURNING, *self._return(self._held()), then=self._train)

    def _train(self) -> None:
        """Train until the last token is safe or something stops it."""
        self._close()
        rung, planned = self._held(), self._cluster.planned[self._index]
        rate, speed = rung.tokens_per_second, self._speed()
        interval = self._interval(self._interruptions, self._running)
        work = (self._job.tokens - self.tokens) / rate / speed
        stretch = Stretch(work, interval, rung.save, rung.drain, rung.every, rung.quick)
        self._full_speed = max(rate, planned.tokens_per_second) if planned else rate
        self.run, self.since, self._state = Run(stretch, rate, speed), self._calendar.now, State.RUNNING
        self._cluster.compute(self._index, True)
        self.timer = self._calendar.after(stretch.duration, self._finish)

    def _interval(self, interruptions: int, running: float) -> float:
        """Work between two checkpoints after so many interruptions and so much running. [s]"""
        rung = self._held()
        if not self._plan.follow or not interruptions:
            return rung.interval
        return rung.followed((running + rung.mtti) / (interruptions + 1))

    def _finish(self) -> None:
        assert self.run is not None
        self._settle(self.run.stretch.finished(), self._calendar.now)
        self.tokens = self._job.tokens  # and not the float next to it
        self._state, self._finished = State.BUSY, self._calendar.now
        self._cluster.compute(self._index, False)
        self._tell("finish", f"{self._job.tokens:.4g} tokens")
        self._cluster.leave(self._index)
        self._cluster.changed(by=self._index)

    def _stop_for(self, cause: Cause, before: Books | None = None) -> None:
        """A failure stops the job: close what it was doing, find out, replace the node or do without it, restart."""
        cluster, now = self._cluster, self._calendar.now
        running = self.run is not None
        self._interruptions += running
        loss = self._record.losses[cause.name]
        loss.stops += running
        loss.setbacks += not running
        self._tell("interruption" if running else "setback", cause.name)
        memory = max(1, cause.evicted) < self._plan.copies or (cause.node_lost == 0 and self._plan.copies > 0)
        self._forget_timer()
        if not running:
            self._close()  # the recovery so far is the doing of the cause before
        self._cause = cause.name
        if self.run is not None:
            self._settle(self.run.stretch.failed(now - self.since, memory=memory), now)
            cluster.compute(self._index, False)
        if before is not None:
            self._go_back_to(before)
            memory = False
        self._out, self._state = 0, State.BUSY
        lost = cluster.missing(self._index)
        taken = self._take_best()
        spares = min(lost, sum([max(0, more) for more in taken])) if lost else 0
        self._record.replaced += spares
        if spares:
            self._tell("spare", f"{spares} to work")
        found_out = cause.detection if cause.speed == 1 else 0.0
        if taken:
            found_out += cluster.time_to_join(now, spares)
            self._return = partial(_restart, found_out, self._attempts(cause), memory)
            self._come_back()
        else:
            self._return = partial(_restart, 0.0, self._attempts(cause), memory)
            self._enter(State.BUSY, (Activity.RECOVERY, found_out), then=self._found_out)

    def _found_out(self) -> None:
        self._close()
        self._wait_for_nodes()

    def _attempts(self, cause: Cause) -> int:
        """Restarts until one holds: a fault may be met again as soon as the job is back.

        P(A > n) = p^n
        """
        if not cause.repeats:
            return 1
        return 1 + int(math.log1p(-self._repeats[cause.name].uniform()) / math.log(cause.repeats))

    def _stop(self, order: Order, lasts: float = 0.0) -> None:
        """Save, and come back on the best rung there is."""
        self._tell("planned stop", order.value)
        self._forget_timer()
        self._cause = "planned stop"
        self._return = lambda rung: ((Activity.PLANNED, lasts + rung.restart + rung.load),)
        if self.run is None:
            self._close()
            self._wait_for_nodes()
            return
        delay, self._planned_split = self.run.stretch.stop(self._calendar.now - self.since)
        self._state = State.STOPPING
        self.timer = self._calendar.after(delay, self._stopped)

    def _stopped(self) -> None:
        self._settle(self._planned_split, self._calendar.now)
        self._tell("checkpoint", "ahead of the planned stop")
        self._cluster.compute(self._index, False)
        self._state = State.BUSY
        self._wait_for_nodes()

    # Going on without a replica.

    def _can_go_on(self, cause: Cause) -> bool:
        """Whether the failure leaves replicas, and its nodes can be made good."""
        elastic, rung = self._job.elastic, self._rung
        return (
            elastic is not None
            and rung is not None
            and self.run is not None
            and self._state is State.RUNNING
            and not cause.latency
            and rung.replicas - self._out > _taken(cause, rung)
        )

    def _lose_a_replica(self, cause: Cause) -> None:
        """All stall, then the others go on while those it takes restart; nothing is read back from before the failure.

            G = 1 − (s + o / D) / M

        Source
        ------
        FT-HSDP (arXiv:2602.00277): 18 minutes between failures, 3 of stall and 7 at 11/12 of the speed leave 80 %; as
        worked out in the reliability notes this project was built from.
        """
        assert self.run is not None
        assert self._job.elastic is not None
        rung, cluster = self._held(), self._cluster
        lost = cluster.missing(self._index)
        if lost and not cluster.refill(self._index):
            self._stop_for(cause)
            return
        self._cause = cause.name
        self._record.losses[cause.name].stops += 1
        self._interruptions += 1
        self._tell("interruption", cause.name)
        self._record.replaced += lost
        now, stall = self._calendar.now, self._job.elastic.stall
        self._forget_timer()
        self._settle(self.run.stretch.cut(now - self.since), now)
        cluster.compute(self._index, False)
        taken = _taken(cause, rung)
        self._out += taken
        out = cause.detection + cluster.time_to_join(now, lost) + rung.restart + rung.load
        self._calendar.after(stall + out, partial(self._rejoin, rung, taken))
        self._return = lambda _: ((Activity.RECOVERY, stall),)
        self._come_back()

    def _only_joins(self, now: Rung, better: Rung | None) -> bool:
        """Whether more replicas are all that the better size has: then they may join a job that goes on."""
        whole = self.run is not None and self._state is State.RUNNING and not self._out
        return self._job.elastic is not None and whole and better is not None and better.cut == now.cut

    def _let_join(self, better: Rung | None) -> None:
        """All stall while replicas that got ready beside them load the weights and join; nothing is saved or lost."""
        assert self.run is not None
        assert self._job.elastic is not None
        assert better is not None
        now = self._calendar.now
        self._tell("planned stop", "replicas join")
        self._cause = "planned stop"
        self._forget_timer()
        self._settle(self.run.stretch.cut(now - self.since), now)
        self._cluster.compute(self._index, False)
        self._state = State.BUSY
        stall = self._job.elastic.stall + better.load
        self._return = lambda _: ((Activity.PLANNED, stall),)
        self._wait_for_nodes()

    def _rejoin(self, rung: Rung, taken: int) -> None:
        if self._out and self._rung is rung:
            self._out = max(0, self._out - taken)
            self._change_speed()

    def _speed(self) -> float:
        """Share of the full speed that slow nodes and missing replicas leave."""
        slowest = min(self._slow, default=1.0)
        return slowest * (1 - self._out / self._held().replicas) if self._out else slowest

    def _change_speed(self) -> None:
        """A node became slow or was found, or a replica is back."""
        run, speed = self.run, self._speed() if self._rung is not None else 1.0
        if run is None or self._state is not State.RUNNING or speed == run.speed:
            return
        elapsed = self._calendar.now - self.since
        run.change(elapsed, speed)
        self._forget_timer()
        self.timer = self._calendar.after(max(0.0, run.stretch.duration - elapsed), self._finish)
        self._cluster.dirty = True

    # Going back to before a fault that nobody had noticed.

    def _books(self) -> Books:
        """What the job has for good, now."""
        spent, worked, tokens = dict(self._record.spent[self._index]), list(self._worked), self.tokens
        if self.run is not None:
            saves = self.run.stretch.stored_after(self._calendar.now - self.since)
            work = saves * self.run.stretch.interval
            full = self.run.full(work)
            compute = full * (self.run.rate / self._full_speed)
            spent[Activity.COMPUTE] += compute
            spent[Activity.DEGRADED] += work - compute
            spent[Activity.SAVE] += self.run.stretch.saving(saves)
            worked[self._number(self._held())] += full
            tokens += full * self.run.rate
        return Books(tokens, spent, worked)

    def _go_back_to(self, before: Books) -> None:
        """All work since then was in vain."""
        spent = self._record.spent[self._index]
        lost = {activity: max(0.0, spent[activity] - before.spent[activity]) for activity in _PRODUCTIVE}
        self._record.void(self._index, lost)
        self._blame(sum(lost.values()))
        self.tokens = min(self.tokens, before.tokens)
        self._worked = [min(now, then) for now, then in zip(self._worked, before.worked, strict=True)]
        for other in self._corrupt.values():  # what they had meanwhile is gone too
            other.tokens = min(other.tokens, self.tokens)
            other.worked = [min(now, then) for now, then in zip(self._worked, other.worked, strict=True)]
            for activity in _PRODUCTIVE:
                other.spent[activity] = min(other.spent[activity], spent[activity])

    # Nodes.

    def _held(self) -> Rung:
        assert self._rung is not None, "asked only of a job that has nodes"
        return self._rung

    def _number(self, rung: Rung) -> int:
        """Which of the job's rungs it is; by identity, for to compare all of their numbers takes longer than to run."""
        return self._numbers[id(rung)]

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
            self._rung, self._out = rung, 0
        if min(taken) < 0:
            cluster.changed(by=self._index)
        return taken if rung is not None else ()

    def _pays(self, now: Rung, better: Rung | None) -> bool:
        """Whether a planned stop is worth its time.

            min(w, M) (1 − v / v′) > C + R

        The next interruption changes the rung for nothing, so a stop earns only until then: M later, or when the work w
        is done.  v and v′ are the useful speeds, C the save (if there is anything to save), R restart and load.  Where
        replicas only join, a stall and their load take the place of C + R.
        """
        if better is None or better.useful_tokens_per_second <= now.useful_tokens_per_second:
            return False
        left = (self._job.tokens - self.tokens) / now.tokens_per_second
        save = 0.0
        if self.run is not None:
            left -= self.run.full(self.run.stretch.cut(self._calendar.now - self.since).work)
            save = now.save
        earned = min(left, now.mtti) * (1 - now.useful_tokens_per_second / better.useful_tokens_per_second)
        elastic = self._job.elastic
        if elastic is not None and self._only_joins(now, better):
            return earned > elastic.stall + better.load
        return earned > save + better.restart + better.load

    # Books.

    def _tell(self, kind: str, detail: str) -> None:
        self._record.event(self._calendar.now, kind, self._job.name, detail)

    def _forget_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _enter(self, state: State, *phases: Phase, then: Callable[[], None] | None = None) -> None:
        """Begin phases that one wait covers."""
        self._state, self.since, self._phases = state, self._calendar.now, phases
        if then is not None:
            self.timer = self._calendar.after(sum([seconds for _, seconds in phases]), then)

    def _close(self) -> None:
        """Book the phases until now."""
        self._state = State.BUSY
        now = self._calendar.now
        self._record.lay(self._index, self.since, now, self._phases)
        if self._phases and self._phases[0][0] is not Activity.INITIALISATION:
            self._blame(now - self.since)

    def _blame(self, seconds: float) -> None:
        if self._cause and seconds > 0:
            loss = self._record.losses[self._cause]
            loss.seconds += seconds
            loss.accelerator_seconds += seconds * (self._rung.accelerators if self._rung is not None else 0)

    def _settle(self, split: Split, time: float) -> None:
        """Book a stretch: work at less than the planned speed is compute for the share of that speed it had."""
        assert self.run is not None
        rate = self.run.rate
        full = self.run.full(split.work)
        compute = full * (rate / self._full_speed)
        parts = (
            (Activity.COMPUTE, compute),
            (Activity.DEGRADED, split.work - compute),
            (Activity.SAVE, split.saving),
            (Activity.WASTED, split.wasted),
        )
        self._record.lay(self._index, self.since, time, parts)
        self._blame(split.wasted)
        self.tokens = min(self.tokens + full * rate, self._job.tokens)
        self._worked[self._number(self._held())] += full
        self._running += time - self.since
        self.run, self.since = None, time


def _taken(cause: Cause, rung: Rung) -> int:
    """Replicas a failure takes: those on the nodes it takes, which stand together; one at least."""
    return math.ceil(max(1, cause.evicted) * rung.replicas / sum(rung.nodes))


def _restart(found_out: float, attempts: int, memory: bool, rung: Rung) -> tuple[Phase, ...]:
    """From the failure to running again, with the attempts that fail at once."""
    load = rung.quick_load if memory and rung.every > 1 else rung.load
    return ((Activity.RECOVERY, found_out + attempts * rung.restart + (attempts - 1) * load), (Activity.RESTORE, load))
