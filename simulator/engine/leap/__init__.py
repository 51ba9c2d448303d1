"""Leaps: what the engine does event by event, done on arrays, for as long as the plan's own size stands.

While a job runs on its planned rung and enough nodes are healthy for it, a fault changes nothing but counts: the job
loses its progress, a spare takes the place, and the node comes back some day.  Strikes, victims, repairs and restarts
of weeks can then be worked out at once, from the very numbers the engine would draw.  A leap ends before anything else
is due and before a strike that would leave the job short of nodes or does something of another kind; there the engine
goes on.  The life is the same as without leaps, but for the last bits of its sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from simulator.engine.calendar import HeapCalendar
from simulator.engine.cluster import Cluster
from simulator.engine.hazards import Hazards
from simulator.engine.leap.chain import Chain, Ways, chain, stored_after
from simulator.engine.leap.crews import crews_of
from simulator.engine.leap.nodes import Broken, Floats, Settled, idle_on, settle
from simulator.engine.leap.strikes import Coming, Ints, Strikes, come, foresee
from simulator.engine.log import Activity
from simulator.engine.record import Record
from simulator.engine.repair import Ask, Hands, Return, Workshop
from simulator.engine.training import Training
from simulator.plan.model import Cause, Plan, Rung

__all__ = ["Leaps", "hindrances"]

WORTH = 100  # strikes: a leap takes as long as some hundred events
_REACH = 16_000, 64_000  # strikes to look ahead: at first, and at most, so that memory stays small
_PATIENCE = 16, 4096  # events until the next attempt: at first, and at most


def hindrances(plan: Plan) -> tuple[str, ...]:
    """What in a plan only the event-by-event engine lives through; with any of it no leap is tried."""
    found = (
        (len(plan.jobs) > 1, "several jobs"),
        (plan.recorded is not None, "recorded faults"),
        (plan.ageing.varies, "nodes that age or differ"),
        (plan.ageing.refail > 0, "repairs that do not hold"),
        (plan.cold is not None, "nodes in store"),
        (any(job.elastic is not None for job in plan.jobs), "jobs that go on without a replica"),
    )
    return tuple(words for hinders, words in found if hinders)


class Leaps:
    """Tries to leap, more and more rarely while it does not pay."""

    def __init__(
        self, calendar: HeapCalendar, plan: Plan, cluster: Cluster, record: Record, workshop: Workshop,
        hazards: Hazards, training: Training,
    ) -> None:  # fmt: skip
        self._calendar, self._plan, self._cluster, self._record = calendar, plan, cluster, record
        self._workshop, self._hazards, self._training = workshop, hazards, training
        self._ways = Ways.of(hazards.members, plan.copies)
        self._by_hand = any(band.hands for band in plan.repairs)
        self._patience = self._asked = _PATIENCE[0]
        self._reach = _REACH[0]

    def leap(self) -> bool:
        """Leap if it pays; whether it did."""
        self._patience -= 1
        if self._patience > 0:
            return False
        if not self._training.is_plain() or self._cluster.dirty:
            self._patience = 1
            return False
        clocks = self._hazards.clocks
        rate = sum([clock.rate * sum([self._hazards.rates[index] for _, index in clock.due]) for clock in clocks])
        until = min(self._until(), self._calendar.now + self._reach / max(rate, 1e-300))
        expected = rate * (until - self._calendar.now)
        if expected < WORTH:
            self._patience = _PATIENCE[0]
            return False
        lived = self._leap(until)
        # What is looked at in vain costs as much as what is lived.
        if lived > expected / 2:
            self._reach = _REACH[1]
        else:
            self._reach = max(2 * lived, self._reach // 4, 2 * WORTH)
        self._asked = _PATIENCE[0] if lived else min(2 * self._asked, _PATIENCE[1])
        self._patience = self._asked
        return lived > 0

    def _until(self) -> float:
        """The next entry of the calendar that is no strike, no return and not the job's; or the horizon."""
        own = (self._hazards.timer, self._training.timer)
        others = [
            moment
            for moment, timer in self._calendar.entries()
            if timer not in own and not isinstance(timer.action, Return | Ask | Hands)
        ]
        return min([self._plan.horizon, *others])

    def _leap(self, until: float) -> int:
        """Leap at most so far; how many strikes that took, of those that mattered or not."""
        hazards, cluster = self._hazards, self._cluster
        rates = [(clock, first, index) for clock in hazards.clocks if clock.rate > 0 for first, index in clock.due]
        coming = {
            index: come(clock, first, hazards.rates[index], hazards.arrivals[index], until)
            for clock, first, index in rates
        }
        strikes = foresee(hazards, cluster, self._workshop, self._plan.repairs, coming)
        entries = self._calendar.entries()
        returns = [(moment, _pool(timer.action)) for moment, timer in entries]
        due = [np.array([moment for moment, at in returns if at == pool]) for pool in range(len(cluster.pools))]
        crews = crews_of(self._workshop, self._plan.crews, entries) if self._by_hand else None
        settled = settle(cluster, strikes, due, crews)
        if settled is None:
            return 0
        until = min(until, strikes.end, self._short_of_nodes(settled.broken))
        own = np.flatnonzero((strikes.beyond < 0) & (strikes.time < until))
        lived = self._live(strikes, own, until)
        if lived is None or lived.strikes < WORTH / 2:
            return 0
        own = own[: lived.strikes]
        self._book(lived, strikes, own, settled.broken)
        self._go(lived, strikes, own, settled, coming)
        return sum(those.before(lived.end) for those in coming.values())

    def _short_of_nodes(self, broken: list[Broken]) -> float:
        """The first strike after which fewer nodes are healthy than the job needs."""
        first = math.inf
        for installed, held, one in zip(self._cluster.installed, self._cluster.held[0], broken, strict=True):
            short = np.flatnonzero(one.after(one.gone) > installed - held)
            if len(short):
                first = min(first, float(one.gone[short[0]]))
        return first

    def _live(self, strikes: Strikes, own: Ints, until: float) -> Chain | None:
        if not len(own):
            return None
        cause = strikes.member[own]
        attempts = np.ones(len(own), int)
        for index, member in enumerate(self._hazards.members):
            if isinstance(member, Cause) and member.repeats:
                attempts[cause == index] = self._training.attempts_ahead(member, int((cause == index).sum()))
        run = self._training.run
        assert run is not None, "a leap begins while the job runs"
        return chain(
            strikes.time[own], self._ways.found[cause] + self._join(strikes, own), attempts, self._ways.memory[cause],
            rung=self._rung(), begun=self._training.since, tokens=self._training.tokens,
            target=self._plan.jobs[0].tokens, until=until, intervals=self._training.intervals_ahead,
        )  # fmt: skip

    def _join(self, strikes: Strikes, own: Ints) -> Floats:
        """How long the spares take that replace what each strike takes out. [s]"""
        lost, plan = np.isfinite(strikes.back[own]), self._plan
        if plan.hot is None:
            return plan.standby * lost
        places = list(self._cluster.hot)
        joined = self._join_hot(strikes, own)
        self._cluster.hot = places  # nothing has happened yet
        return joined

    def _join_hot(self, strikes: Strikes, own: Ints) -> Floats:
        evicted = [member.evicted if isinstance(member, Cause) else 0 for member in self._hazards.members]
        lost = np.where(np.isfinite(strikes.back[own]), np.array(evicted)[strikes.member[own]], 0)
        each = zip(strikes.time[own].tolist(), lost.tolist(), strict=True)
        return np.array([self._cluster.time_to_join(time, nodes) for time, nodes in each])

    def _rung(self) -> Rung:
        rung = self._cluster.rungs[0]
        assert rung is not None, "a leap begins while the job has nodes"
        return rung

    def _book(self, lived: Chain, strikes: Strikes, own: Ints, broken: list[Broken]) -> None:
        """What the leap adds to the books."""
        record, rung, cause = self._record, self._rung(), strikes.member[own]
        away = lived.recovery + lived.restore
        parts = {
            Activity.COMPUTE: lived.work, Activity.SAVE: lived.saving, Activity.WASTED: lived.wasted,
            Activity.RECOVERY: lived.recovery, Activity.RESTORE: lived.restore,
        }  # fmt: skip
        for activity, seconds in parts.items():
            record.spent[0][activity] += float(seconds.sum())
        record.last[0] = Activity.RESTORE if lived.restore[-1] > 0 else Activity.RECOVERY
        members = len(self._hazards.members)
        strikes_of = np.bincount(cause, minlength=members)
        stops_of = np.bincount(cause[lived.ended_by], minlength=members)
        lost = np.bincount(cause, away, members) + np.bincount(cause[lived.ended_by], lived.wasted, members)
        for index in np.flatnonzero(strikes_of):
            loss = record.losses[self._hazards.members[index].name]
            loss.stops += int(stops_of[index])
            loss.setbacks += int(strikes_of[index] - stops_of[index])
            loss.seconds += float(lost[index])
            loss.accelerator_seconds += float(lost[index]) * rung.accelerators
        self._meter(lived, strikes.time[own], broken)

    def _meter(self, lived: Chain, struck: Floats, broken: list[Broken]) -> None:
        """The moments at which the cluster changes, and what it draws from each on."""
        cluster, rung = self._cluster, self._rung()
        begin = lived.begin[1:]
        changes = [struck, begin, *(some[some <= lived.end] for one in broken for some in (one.gone, one.back))]
        moments = np.unique(np.concatenate(changes))
        moments = moments[moments > self._calendar.now]
        down = [one.after(moments) for one in broken]
        running = np.searchsorted(begin, moments, side="right") == np.searchsorted(lived.over, moments, side="right")
        watts = cluster.standing() + np.where(running, rung.running_power, cluster.holding(0))
        for idle, pool in zip(idle_on(cluster, down), cluster.pools, strict=True):
            watts = watts + idle * pool.idle_power

        def safe(times: Floats) -> Floats:
            number = np.searchsorted(lived.begin, times, side="right") - 1
            stored = stored_after(times - lived.begin[number], rung, lived.interval[number]) * lived.interval[number]
            so_far = lived.tokens[number] + stored * rung.tokens_per_second
            return np.where(times >= lived.over[number], lived.tokens[number + 1], so_far)

        swing = np.where(running, rung.power - rung.running_power, 0.0)
        self._record.meter_many(moments, watts, watts + swing, sum(down[1:], down[0]), safe)

    def _go(self, lived: Chain, strikes: Strikes, own: Ints, settled: Settled, coming: dict[int, Coming]) -> None:
        """Put everybody where they are at the end, and let the job run."""
        end, cluster, training = lived.end, self._cluster, self._training
        busy = 0
        for moment, timer in self._calendar.entries():
            if isinstance(timer.action, Ask) or (moment <= end and _pool(timer.action) is not None):
                timer.cancel()
            elif isinstance(timer.action, Hands):
                busy += 1
        self._calendar.skip_to(end)
        cluster.broken = [int(one.after(np.array([end]))[0]) for one in settled.broken]
        when, where, until = strikes.examined
        out = np.flatnonzero(settled.out & (strikes.time <= end))
        alone, suspected = out[strikes.hours[out] == 0], np.flatnonzero(when <= end)
        away = zip(
            np.concatenate([strikes.pool[alone], where[suspected]]).tolist(),
            np.concatenate([strikes.back[alone], until[suspected]]).tolist(),
            strict=True,
        )
        for pool, back in away:
            if back > end:
                self._workshop.expect(pool, back)
        if settled.served is not None:
            known = settled.served.broke <= end
            columns = (settled.served.asked, settled.served.began, settled.served.hours, settled.served.pool)
            self._workshop.rearrange(zip(*(column[known].tolist() for column in columns), strict=True), busy)
        if self._plan.hot is not None:
            self._join_hot(strikes, own)
        self._record.faults += len(out)
        self._record.replaced += int(np.isfinite(strikes.back[own]).sum()) + len(suspected)
        struck = {index: those.before(end) for index, those in coming.items()}
        self._hazards.skip_to({index: float(coming[index].dues[count]) for index, count in struck.items()}, struck)
        for index, member in enumerate(self._hazards.members):
            if isinstance(member, Cause) and member.repeats:
                training.skip_attempts(member, int((strikes.member[own] == index).sum()))
        training.run_on(
            self._hazards.members[int(strikes.member[own[-1]])].name,
            tokens=float(lived.tokens[-1]),
            worked=float(lived.work.sum()),
            running=float((lived.over - lived.begin).sum()),
            interruptions=len(lived.begin),
        )


def _pool(action: Callable[[], None] | None) -> int | None:
    """Pool of the node that an entry of the calendar brings back."""
    if isinstance(action, Return):
        return action.pool
    return action.done.pool if isinstance(action, Hands) else None
