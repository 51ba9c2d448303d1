"""The books: what a run needs to be summed up, always; what it needs to be told, when somebody will read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.engine.cluster import Cluster, State
from simulator.engine.log import Activity, Event, Interval, Loss, Mark, Sample
from simulator.plan.model import split

if TYPE_CHECKING:
    from simulator.plan.model import Plan, Source

__all__ = ["Record"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MARKS = 1000  # in a horizon
_ROUNDING = 1e-6  # [s]


class Record:
    """Sums by job, cause and activity; intervals by job, events and samples in the order of time if it is told."""

    def __init__(self, plan: Plan, *, told: bool) -> None:
        jobs, pools = len(plan.jobs), len(plan.pools)
        self.told = told
        self.intervals: list[list[Interval]] = [[] for _ in range(jobs)]
        self.events: list[Event] = []
        self.samples: list[Sample] = []
        self.spent: list[dict[Activity, float]] = [dict.fromkeys(Activity, 0.0) for _ in range(jobs)]
        self.last: list[Activity | None] = [None] * jobs
        self.losses: dict[str, Loss] = defaultdict(Loss)
        self.down: dict[int, float] = defaultdict(float)
        self.marks: list[Mark] = []
        self.faults = self.replaced = 0
        self.crew_seconds = self.crew_wait = 0.0
        self.energy = self.peak = self.working = 0.0
        self._sources, self.supplied = plan.sources, [0.0] * len(plan.sources)
        self.node_seconds = [0.0] * pools
        self._since = 0.0
        nothing = (0,) * pools
        self._state = State(nothing, nothing, nothing, 0, 0, 0.0, 0.0, 0.0)  # since then
        self._every = plan.horizon / _MARKS
        self._due = 0.0

    def event(self, time: float, kind: str, job: str, detail: str) -> None:
        """Something happened."""
        if self.told:
            self.events.append(Event(time, kind, job, detail))

    def lay(self, job: int, start: float, end: float, parts: Iterable[tuple[Activity, float]]) -> None:
        """Lay ``parts`` [s] end to end from ``start`` and cut them at ``end``.

        Each interval begins at the very float at which the one before ended, and the last one ends at ``end``: rounding
        cannot open a gap.  An interval that goes on with the activity of the one before is made one with it.
        """
        spent = self.spent[job]
        laid = [part for part in parts if part[1] > 0]
        cursor, final = start, len(laid)
        for position, (activity, seconds) in enumerate(laid, 1):
            stop = cursor + seconds
            if stop > end or position == final:
                stop = end
            if stop <= cursor:
                continue
            spent[activity] += stop - cursor
            self.last[job] = activity
            if self.told:
                self._tell(job, cursor, stop, activity)
            cursor = stop

    def _tell(self, job: int, start: float, stop: float, activity: Activity) -> None:
        told = self.intervals[job]
        if told:
            _, began, _, before = told[-1]
            if before is activity:
                told[-1] = Interval(job, began, stop, activity)
                return
        told.append(Interval(job, start, stop, activity))

    def void(self, job: int, seconds: dict[Activity, float]) -> None:
        """The latest so many seconds of each activity were in vain: move them to lost progress."""
        spent = self.spent[job]
        for activity, lost in seconds.items():
            spent[activity] -= lost
            spent[Activity.WASTED] += lost
        if not self.told:
            return
        told, left, renamed = self.intervals[job], dict(seconds), []
        while told and any(more > _ROUNDING for more in left.values()):
            one = told.pop()
            length = one.end - one.start
            lost = min(left.get(one.activity, 0.0), length)
            if lost <= 0:
                renamed.append(one)
                continue
            left[one.activity] -= lost
            begins = one.start if length - lost <= _ROUNDING else one.end - lost
            renamed.append(Interval(job, begins, one.end, Activity.WASTED))
            if begins > one.start:
                told.append(Interval(job, one.start, begins, one.activity))
        for one in reversed(renamed):
            self._tell(job, one.start, one.end, one.activity)

    def meter(self, time: float, cluster: Cluster) -> None:
        """The cluster has changed: book what it was until now, and note what it is."""
        passed, state = time - self._since, self._state
        if passed > 0:
            self.energy += state.watts * passed
            if self._sources:
                for source, watts in enumerate(split(self._sources, state.watts, self._since)):
                    self.supplied[source] += watts * passed
            self.working += state.at_work * passed
            self.down[state.broken] += passed
            for pool, nodes in enumerate(state.installed):
                self.node_seconds[pool] += nodes * passed
        self._since = time
        self._state = now = cluster.state()
        if now.installed != state.installed:
            self._due = time  # a mark at each delivery
        self.peak = max(self.peak, now.peak)
        if time >= self._due:
            self._due = time + self._every
            self.mark(time, cluster)
        if self.told:
            self._sample(time, cluster)
        cluster.dirty = False

    def meter_many(
        self, moments: Floats, watts: Floats, peaks: Floats, broken: Ints, tokens: Callable[[Floats], Floats]
    ) -> None:
        """What :meth:`meter` would have booked at each moment for the only job, while nothing is delivered."""
        state = self._state
        passed, drawn = np.diff(moments, prepend=self._since), np.concatenate([[state.watts], watts[:-1]])
        lasted = moments - self._since
        energy = self.energy + np.cumsum(drawn * passed)
        began = np.concatenate([[self._since], moments[:-1]])
        carried = [np.cumsum(some * passed) for some in _split(self._sources, drawn, began)]
        supplied = [so_far + more for so_far, more in zip(self.supplied, carried, strict=True)]
        nodes = [so_far + count * lasted for so_far, count in zip(self.node_seconds, state.installed, strict=True)]
        held = self.working + state.at_work * lasted
        down = np.bincount(np.concatenate([[state.broken], broken[:-1]]), passed)
        for count in np.flatnonzero(down).tolist():
            self.down[count] += float(down[count])
        marked = []
        at = int(np.searchsorted(moments, self._due))
        while at < len(moments):
            marked.append(at)
            self._due = float(moments[at]) + self._every
            at = int(np.searchsorted(moments, self._due))
        if marked:
            rows = np.array([moments[marked], tokens(moments[marked]), energy[marked], held[marked]]).T.tolist()
            by_pool, by_source = (np.array([one[marked] for one in some]).T.tolist() for some in (nodes, supplied))
            for row, (time, trained, joules, at_work) in enumerate(rows):
                sources = tuple(by_source[row]) if supplied else ()
                self.marks.append(Mark(time, (trained,), joules, tuple(by_pool[row]), at_work, sources))
        self.energy, self.working = float(energy[-1]), float(held[-1])
        self.node_seconds, self.supplied = [float(some[-1]) for some in nodes], [float(some[-1]) for some in supplied]
        self.peak = max(self.peak, float(peaks.max()))
        self._since = float(moments[-1])
        self._state = state._replace(broken=int(broken[-1]), watts=float(watts[-1]))

    def mark(self, time: float, cluster: Cluster) -> None:
        """Note the totals."""
        tokens = tuple([tenant.safe_tokens(time) for tenant in cluster.tenants])
        self.marks.append(Mark(time, tokens, self.energy, tuple(self.node_seconds), self.working, tuple(self.supplied)))

    def _sample(self, time: float, cluster: Cluster) -> None:
        state, samples = self._state, self.samples
        if samples and samples[-1].time == time:
            samples.pop()
        tokens = tuple([tenant.safe_tokens(time) for tenant in cluster.tenants])
        samples.append(
            Sample(time, state.installed, state.healthy, state.working, state.watts, tokens, state.spare_watts)
        )


def _split(sources: Sequence[Source], watts: Floats, times: Floats) -> list[Floats]:
    """:func:`simulator.plan.model.split` of many draws, each at its moment."""
    carried, left = [], watts
    for source in sources:
        at = np.searchsorted([step.time for step in source.steps], times, side="right")
        available = np.array([0.0, *(step.watts for step in source.steps)])[at]
        carried.append(np.minimum(left, available))
        left = left - carried[-1]
    if carried:
        carried[-1] = carried[-1] + left
    return carried
