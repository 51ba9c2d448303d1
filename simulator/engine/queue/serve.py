"""The queue itself: who starts when, who is put off, and what each accelerator-second went into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from simulator.engine.queue.capacity import Capacity
from simulator.engine.queue.running import Running
from simulator.engine.queue.waiting import Waiting
from simulator.engine.streams import Stream
from simulator.plan.queue import Floats, Integers, Policy, QueueJobs

__all__ = ["QueueLog", "serve"]

_BINS = 500
_ROUNDING = 1e-9  # a share of an interval; a save that is due at this very moment is there


@dataclass(frozen=True, eq=False)
class QueueLog:
    """What became of the jobs of a queue; arrays in the order of the jobs, times in seconds from the start.

    ``size · (kept + lost + restarting)`` summed over the jobs are the accelerator-seconds in use, ``in_use``.
    """

    started: Floats  # first start; NaN: never
    ended: Floats  # NaN: never
    stopped: Integers  # how often it lost its accelerators, to others or to a failure
    struck: Integers  # to a failure alone
    kept: Floats  # work that counts; the whole runtime of a job that has ended [s]
    lost: Floats  # work since the last save, done again [s]
    restarting: Floats  # between getting accelerators again and going on [s]
    in_use: float  # accelerator-seconds, until the last job's end
    edges: Floats  # of the bins, n + 1
    capacity: Floats  # mean accelerators that the queue had, by bin
    busy: Floats  # of them in use
    waiting: Floats  # mean jobs that wait
    wanted: Floats  # mean accelerators they wait for
    drawn: Floats  # mean of what those in use draw beyond idling [W]


def serve(jobs: QueueJobs, capacity: Capacity, policy: Policy, *, seed: int) -> QueueLog:
    """Serve all jobs, in the order of priority, then submission, then writing.

    A job gets all of its accelerators at once or waits.  With backfill (EASY), the first job that does not fit is
    promised the moment at which the estimates of the running jobs leave it room; another may start before it if it is
    over by then or leaves that room all the same.  With preemption, a job that does not fit takes the accelerators of
    jobs of lower priority: the lowest first, and among them the one that started last.  Falls of the capacity do the
    same to jobs of any priority.  Who is stopped goes back to its place in the queue, with the work it has saved.

    After the end of ``capacity`` nobody submits any more and those who have are served to the end.  Accelerators are
    counted, not placed: fragments of nodes are not told from whole ones.

    An event costs O(log n), or O(√n) array steps where the promise has to be found anew.
    """
    return _Desk(jobs, capacity, policy, seed).run()


class _Desk:
    """The state of the queue.  Jobs go by their place in it: 0 is served first."""

    def __init__(self, jobs: QueueJobs, capacity: Capacity, policy: Policy, seed: int) -> None:
        self._order = np.lexsort((jobs.submit, -jobs.priority))  # stable: equals stay as written
        count = len(jobs)
        self._submit: list[float] = jobs.submit[self._order].tolist()
        self._left: list[float] = jobs.runtime[self._order].tolist()  # work to do
        self._need: list[float] = jobs.estimate[self._order].tolist()  # as the scheduler believes
        self._size: list[int] = jobs.size[self._order].tolist()
        self._priority: list[int] = jobs.priority[self._order].tolist()
        self._arriving: list[int] = np.argsort(jobs.submit[self._order], kind="stable").tolist()
        self._policy, self._capacity = policy, capacity
        self._strikes = Stream(seed, "queue: struck nodes").uniform

        self._now, self._there, self._busy, self._watts = 0.0, 0, 0, 0.0
        self._is_waiting = bytearray(count)
        self._line: list[int] = []  # heap of jobs that wait, and of some that no longer do
        self._backlog, self._wanted = 0, 0
        self._waiting = Waiting(self._size) if policy.backfill else None
        self._ends: list[tuple[float, int]] = []  # heap of real ends, and of some that did not come to pass
        self._end: list[float] = [math.nan] * count
        self._promises = Running(self._size)
        self._promised: list[float] = [math.nan] * count  # the end that the estimate promises; NaN: not running
        self._began_by = {priority: Running(self._size) for priority in sorted(set(self._priority))}
        self._held = dict.fromkeys(self._began_by, 0)  # accelerators by priority
        self._promise_for, self._shadow, self._spare = -1, 0.0, 0
        self._searched_for = -1  # head behind which nobody else could start, and nobody has left since

        self._began: list[float] = [0.0] * count
        self._started: list[float] = [math.nan] * count
        self._resumed = bytearray(count)
        self._stopped, self._struck = [0] * count, [0] * count
        self._kept, self._lost, self._restarting = [0.0] * count, [0.0] * count, [0.0] * count
        self._meter = _Meter(capacity.end)

    def run(self) -> QueueLog:
        """From the first submission to the last end."""
        moments: list[float] = self._capacity.time.tolist()
        accelerators: list[int] = self._capacity.accelerators.tolist()
        struck: list[int] = self._capacity.struck.tolist()
        watts: list[float] = self._capacity.watts.tolist()
        submit, arriving, ends = self._submit, self._arriving, self._ends
        change = arrival = 0
        while True:
            while ends and self._end[ends[0][1]] != ends[0][0]:
                heappop(ends)
            now = min(
                ends[0][0] if ends else math.inf,
                moments[change] if change < len(moments) else math.inf,
                submit[arriving[arrival]] if arrival < len(arriving) else math.inf,
            )
            if now == math.inf:
                break
            self._meter.spend(now, *self._levels())
            self._now = now
            while ends and ends[0][0] <= now:
                end, job = heappop(ends)
                if self._end[job] == end:
                    self._finish(job)
            while change < len(moments) and moments[change] <= now:
                self._change(accelerators[change], struck[change])
                self._watts = watts[change]
                change += 1
            before = arrival
            while arrival < len(arriving) and submit[arriving[arrival]] <= now:
                self._wait(arriving[arrival])
                arrival += 1
            if self._backlog:
                self._serve(arriving[before:arrival])
        self._meter.close(*self._levels())
        return self._log()

    def _levels(self) -> tuple[float, ...]:
        return self._there, self._busy, self._backlog, self._wanted, self._busy * self._watts

    # Who is served.

    def _serve(self, new: Sequence[int]) -> None:
        """Start whoever may start now; ``new`` has come at this moment."""
        while (head := self._head()) is not None:
            size = self._size[head]
            if size > self._there - self._busy and self._policy.preemption:
                self._preempt(size, self._priority[head])
            if size > self._there - self._busy:
                break
            self._start(head)
            self._promise_for = self._searched_for = -1  # another one may have come first in line
        if self._waiting is not None and head is not None and self._backlog > 1:
            self._backfill(self._waiting, head, new)

    def _head(self) -> int | None:
        line = self._line
        while line and not self._is_waiting[line[0]]:
            heappop(line)
        return line[0] if line else None

    def _backfill(self, waiting: Waiting, head: int, new: Sequence[int]) -> None:
        """Start jobs that do not delay the first one."""
        if self._searched_for == head:  # whoever could not start before still cannot: time only runs out for them
            for job in sorted(new):
                fits = self._is_waiting[job] and self._size[job] <= self._there - self._busy
                if fits and self._is_harmless(job, head):
                    self._start(job)
            return
        while (free := self._there - self._busy) >= waiting.smallest:
            self._promise(head)
            found = waiting.first(free, slack=self._shadow - self._now, spare=min(self._spare, free))
            if found is None:
                break
            if self._is_harmless(found, head):
                self._start(found)
        self._searched_for = head

    def _promise(self, head: int) -> None:
        """Find out when the first job can start at the latest, and how many accelerators it then leaves."""
        if self._promise_for != head:
            free, size = self._there - self._busy, self._size[head]
            self._shadow, released = self._promises.reach(size - free)
            self._spare = free + released - size if self._shadow < math.inf else free
            self._promise_for = head

    def _is_harmless(self, job: int, head: int) -> bool:
        """Whether a job that fits leaves the first one its promise; if so, it counts as started."""
        self._promise(head)
        if self._need[job] <= self._shadow - self._now:
            return True
        if self._size[job] > self._spare:
            return False
        self._spare -= self._size[job]
        return True

    def _preempt(self, size: int, priority: int) -> None:
        """Make room for a job from those of lower priority, if that is enough."""
        below = [other for other in self._held if other < priority]
        if size > self._there - self._busy + sum(self._held[other] for other in below):
            return
        for other in below:
            self._displace(other, until=self._there - size)

    def _displace(self, priority: int, *, until: int) -> None:
        """Stop jobs of a priority, the latest first, until at most so many accelerators are in use."""
        running = self._began_by[priority]
        while self._busy > until and (job := running.last) is not None:
            self._stop(job)

    def _change(self, accelerators: int, struck: int) -> None:
        """The queue's share of the cluster is another one from now on."""
        if struck and self._there:
            first = int(self._strikes() * max(1, self._there - struck + 1))
            for job in list(self._promises.between(first, first + struck)):
                self._struck[job] += 1
                self._stop(job)
        self._there, self._promise_for, self._searched_for = accelerators, -1, -1
        for priority in self._began_by if self._busy > accelerators else ():
            self._displace(priority, until=accelerators)

    # What a job goes through.

    def _wait(self, job: int) -> None:
        self._is_waiting[job] = True
        heappush(self._line, job)
        self._backlog += 1
        self._wanted += self._size[job]
        if self._waiting is not None:
            self._waiting.add(job, self._size[job], self._need[job])

    def _start(self, job: int) -> None:
        now, size, priority = self._now, self._size[job], self._priority[job]
        self._is_waiting[job] = False
        self._backlog -= 1
        self._wanted -= size
        if self._waiting is not None:
            self._waiting.remove(job)
        if self._started[job] != self._started[job]:
            self._started[job] = now
        self._began[job] = now
        self._busy += size
        self._held[priority] += size
        self._promised[job] = now + self._need[job]
        overhead = self._policy.restart if self._resumed[job] else 0.0
        self._end[job] = now + overhead + self._left[job]
        self._promises.add(self._promised[job], job)
        self._began_by[priority].add(now, job)
        heappush(self._ends, (self._end[job], job))

    def _leave(self, job: int) -> None:
        """It gives its accelerators back."""
        priority = self._priority[job]
        self._busy -= self._size[job]
        self._held[priority] -= self._size[job]
        self._began_by[priority].remove(self._began[job], job)
        self._promises.remove(self._promised[job], job)
        self._searched_for = -1
        if self._promised[job] != self._now:
            self._promise_for = -1  # it is over earlier than it promised
        self._promised[job] = math.nan

    def _finish(self, job: int) -> None:
        self._leave(job)
        if self._resumed[job]:
            self._restarting[job] += self._policy.restart
        self._kept[job] += self._left[job]
        self._left[job] = 0.0

    def _stop(self, job: int) -> None:
        """It loses its accelerators and waits again with what it has saved."""
        self._leave(job)
        self._stopped[job] += 1
        elapsed, policy = self._now - self._began[job], self._policy
        restarting = min(elapsed, policy.restart) if self._resumed[job] else 0.0
        worked = elapsed - restarting
        saves = math.floor(worked / policy.checkpoint + _ROUNDING)
        kept = min(saves * policy.checkpoint, worked, self._left[job]) if saves else 0.0
        self._restarting[job] += restarting
        self._kept[job] += kept
        self._lost[job] += worked - kept
        self._left[job] -= kept
        # an estimate covers a restart as well as the work
        self._need[job] += policy.restart - kept if not self._resumed[job] else -kept
        self._resumed[job] = True
        self._end[job] = math.nan
        self._wait(job)

    def _log(self) -> QueueLog:
        back = np.empty_like(self._order)
        back[self._order] = np.arange(len(self._order))
        meter = self._meter
        capacity, busy, waiting, wanted, drawn = meter.means()

        def told(values: list[float]) -> Floats:
            return np.array(values, dtype=float)[back]

        def counted(values: list[int]) -> NDArray[np.int64]:
            return np.array(values, dtype=np.int64)[back]

        return QueueLog(
            started=told(self._started),
            ended=told(self._end),
            stopped=counted(self._stopped),
            struck=counted(self._struck),
            kept=told(self._kept),
            lost=told(self._lost),
            restarting=told(self._restarting),
            in_use=meter.in_use,
            edges=meter.edges,
            capacity=capacity,
            busy=busy,
            waiting=waiting,
            wanted=wanted,
            drawn=drawn,
        )


class _Meter:
    """Levels over time as their means in bins of equal width, whatever the number of events."""

    def __init__(self, end: float) -> None:
        self.edges: Floats = np.linspace(0.0, end, _BINS + 1)
        self.in_use = 0.0
        self._end, self._width, self._now = end, end / _BINS, 0.0
        self._areas = [[0.0] * 5 for _ in range(_BINS)]

    def spend(self, now: float, *levels: float) -> None:
        """The levels were these from the moment before until ``now``."""
        self.in_use += levels[1] * (now - self._now)
        began, until = self._now, min(now, self._end)
        self._now = now
        if until <= began:
            return
        at = min(int(began / self._width), _BINS - 1)
        while True:
            stop = until if at == _BINS - 1 else min(until, (at + 1) * self._width)
            area, lasted = self._areas[at], stop - began
            for index, level in enumerate(levels):
                area[index] += level * lasted
            if stop >= until:
                return
            began, at = stop, at + 1

    def close(self, *levels: float) -> None:
        """Nothing changes until the end."""
        if self._now < self._end:
            self.spend(self._end, *levels)

    def means(self) -> Floats:
        """Mean levels by bin, one row each, in the order in which they were given."""
        means: Floats = np.array(self._areas).T / (self._width or 1.0)
        return means
