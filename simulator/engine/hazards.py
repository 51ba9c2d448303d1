"""Failures: what strikes next, and whom.

All rates of one kind share a clock that counts exposure, i.e. node-seconds, weighted by whatever makes a node more or
less likely to fail.  A cause strikes when the clock reaches a number drawn for it.  Deliveries, ageing and lemons
change how fast the clock runs and nothing else: the draws stay the same whatever the cluster does, and one timer is
enough.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from itertools import accumulate

from simulator.engine.calendar import Calendar, Timer
from simulator.engine.cluster import Cluster
from simulator.engine.repair import Node, Visit, Workshop
from simulator.engine.streams import Stream
from simulator.errors import PlanError
from simulator.plan.model import Ageing, Cause, Domain, Plan

__all__ = ["Clock", "Hazards", "check_count"]

_STEP = 0.02
_WEEK = 7 * 86400.0
MOST_FAILURES = 5_000_000  # minutes of computing, and a log that still fits into memory


def check_count(plan: Plan) -> None:
    """Refuse a plan with more failures than anyone could wait for.

    Raises
    ------
    PlanError
        More than five million are expected before the horizon.
    """
    exposure = sum(
        delivery.nodes * pool.failure_weight * max(0.0, plan.horizon - max(0.0, delivery.time))
        for pool in plan.pools
        for delivery in pool.deliveries
    )
    rate = sum(cause.rate for cause in plan.causes if not cause.per_job)
    rate += sum(domain.rate / domain.nodes for domain in plan.domains)
    once = sum(cause.rate for cause in plan.causes if cause.per_job) * len(plan.jobs) * plan.horizon
    expected = rate * exposure + once
    if not expected <= MOST_FAILURES:
        days, days_allowed = exposure / 86400, MOST_FAILURES / max(rate, 1e-300) / 86400
        raise PlanError(
            f"failures: {expected:.3g} expected before the horizon ({rate * 86400:.3g} per node-day over {days:.3g} "
            f"node-days); at most {MOST_FAILURES:,} are simulated one by one. A rate {expected / MOST_FAILURES:.3g} "
            f"times lower, or a shorter horizon or smaller cluster of {days_allowed:.3g} node-days, would fit"
        )


@dataclass(slots=True)
class Cohort:
    """Nodes of one pool that went into service at one moment, and the faults they have had.

    Frailty is never drawn.  A node whose hazard is a gamma variable z of shape k times Λ(t) and that had n faults fails
    next at the rate (k + n) / (k + Λ) in units of dΛ: the faults of a cohort of N nodes are a Pólya urn of N k fresh
    balls and one for each fault there was.  That is exact, costs nothing per node, and needs no node that never failed.
    """

    pool: int
    born: float
    nodes: int
    weight: float  # the pool's
    aged: float = 0.0  # Λ: hazard of one node so far
    level: float = 0.0  # Λ in the middle of the present step, for which it is taken as constant
    factor: float = 1.0  # likewise
    past: list[int] = field(default_factory=list)  # nodes of the faults so far, one entry a fault

    def exposure(self, k: float) -> float:
        """Nodes, each with what makes it likelier to fail than a settled average one."""
        urn = self.nodes if math.isinf(k) else (self.nodes * k + len(self.past)) / (k + self.level)
        return self.weight * self.factor * urn

    def pick(self, share: float, k: float) -> int:
        """The node at ``share`` of the urn."""
        if math.isinf(k):
            return int(share * self.nodes)
        position = share * (self.nodes * k + len(self.past))
        if position < self.nodes * k:
            return int(position / k)
        return self.past[min(int(position - self.nodes * k), len(self.past) - 1)]


class Clock:
    """Exposure at one moment, how fast it has grown since, and the readings at which its members strike."""

    __slots__ = ("due", "moment", "next", "rate", "reading")

    def __init__(self) -> None:
        self.moment, self.reading, self.rate = 0.0, 0.0, 0.0
        self.due: list[tuple[float, int]] = []
        self.next = math.inf  # when it strikes, if nothing changes [s]

    def turn(self, now: float, rate: float) -> None:
        """Run at another speed from now on."""
        self.reading += self.rate * (now - self.moment)
        self.moment, self.rate = now, rate
        self.aim()

    def aim(self) -> None:
        """Work out the next strike."""
        due = self.due
        self.next = self.moment + (due[0][0] - self.reading) / self.rate if due and self.rate > 0 else math.inf


_NODES, _AGEING, _JOBS = range(3)


class Hazards:
    """Strikes nodes, domains and jobs, again and again, and tells jobs and workshop."""

    def __init__(self, calendar: Calendar, plan: Plan, cluster: Cluster, workshop: Workshop, seed: int) -> None:
        self._calendar, self._plan, self._cluster, self._workshop = calendar, plan, cluster, workshop
        self._ageing: Ageing = plan.ageing
        self.clocks = [Clock() for _ in range(3)]
        self.members: list[Cause | Domain] = [*plan.causes, *plan.domains]
        self.rates: list[float] = []
        self.arrivals: list[Stream] = []
        self.victims: list[Stream] = []
        self.repairs: list[Stream] = []
        self._places = Stream(seed, "places")
        self._again = Stream(seed, "failures of repaired nodes")
        self._cohorts: list[Cohort] = []
        self._since = 0.0
        self.timer: Timer | None = None
        self._nearest = self.clocks[0]
        self._refreshing: Timer | None = None
        self._hardware = 0.0  # rate at which a settled node has faults that take it out [1/s]
        for index, member in enumerate(self.members):
            self.arrivals.append(Stream(seed, f"arrivals of {member.name}"))
            self.victims.append(Stream(seed, f"victims of {member.name}"))
            self.repairs.append(Stream(seed, f"repairs after {member.name}"))
            self.rates.append(self._first_faults(member))
            if self.rates[index] > 0:
                reading = self.arrivals[index].exponential(1.0) / self.rates[index]
                self.clocks[_clock_of(member)].due.append((reading, index))
            if _clock_of(member) == _AGEING:
                self._hardware += self.rates[index]
        for clock in self.clocks:
            heapify(clock.due)
        workshop.on_return = self._returned
        workshop.on_new = self._renewed
        self._set_rates()

    def _first_faults(self, member: Cause | Domain) -> float:
        """Rate of faults that no bad repair explains: published rates count those too. [1/s]"""
        if isinstance(member, Domain):
            return member.rate / member.nodes
        return member.rate * (1 - self._ageing.refail * member.node_lost)

    # The clocks.

    def install(self, pool: int, nodes: int) -> None:
        """Nodes have gone into service."""
        self._begin(pool, nodes)
        self._refresh()

    def _begin(self, pool: int, nodes: int) -> None:
        self._cohorts.append(Cohort(pool, self._calendar.now, nodes, self._plan.pools[pool].failure_weight))

    def _advance(self) -> None:
        """Bring all hazards to now."""
        passed, self._since = self._calendar.now - self._since, self._calendar.now
        if passed > 0:
            for cohort in self._cohorts:
                cohort.aged += self._hardware * cohort.weight * cohort.factor * passed

    def _set_rates(self) -> None:
        k, now = self._ageing.lemons, self._calendar.now
        nodes, ageing, jobs = self.clocks
        nodes.turn(now, sum(cohort.nodes * cohort.weight for cohort in self._cohorts))
        ageing.turn(now, sum(cohort.exposure(k) for cohort in self._cohorts))
        jobs.turn(now, float(len(self._plan.jobs)))
        if self.timer is not None:
            self.timer.cancel()
        self.arm()

    def arm(self) -> None:
        """Wait for the next strike."""
        nearest = self.clocks[0]
        for clock in self.clocks:
            if clock.next < nearest.next:
                nearest = clock
        self._nearest, wait = nearest, max(nearest.next - self._calendar.now, 0.0)
        self.timer = self._calendar.after(wait, self._strike) if wait < math.inf else None

    def _refresh(self) -> None:
        """Bring ages and hazards of all cohorts to the middle of the time until this is called again."""
        self._advance()
        if self._ageing.varies and self._cohorts:
            now = self._calendar.now
            step = min([self._constant_for(cohort) for cohort in self._cohorts])
            half = step / 2 if step < math.inf else 0.0
            for cohort in self._cohorts:
                cohort.factor = self._ageing.factor(now - cohort.born + half)
                cohort.level = cohort.aged + self._hardware * cohort.weight * cohort.factor * half
            if self._refreshing is not None:
                self._refreshing.cancel()
            self._refreshing = self._calendar.after(step, self._refresh) if step < math.inf else None
        self._set_rates()

    def _constant_for(self, cohort: Cohort) -> float:
        """How long age and hazard of a cohort may be taken for constant: either moves its rate by 2 % at most. [s]"""
        ageing, hazard = self._ageing, self._hardware * cohort.weight * cohort.factor
        step = ageing.step(self._calendar.now - cohort.born)
        if ageing.lemons < math.inf and hazard > 0:
            step = min(step, _STEP * (ageing.lemons + cohort.aged) / hazard)
        return step

    def skip_to(self, due: Mapping[int, float], struck: Mapping[int, int]) -> None:
        """Strikes have come, so many of each member, in no need of being told; the readings of those due next."""
        for clock in self.clocks:
            clock.due = [(due.get(index, reading), index) for reading, index in clock.due]
            heapify(clock.due)
            clock.aim()
        for index, count in struck.items():
            member = self.members[index]
            self.arrivals[index].skip(count)
            per_node = isinstance(member, Cause) and not member.per_job
            self.victims[index].skip(2 * count if per_node else count)
            if isinstance(member, Cause) and per_node:
                self.repairs[index].skip(self._workshop.numbers_of(member) * count)
        if self.timer is not None:
            self.timer.cancel()
        self.arm()

    # Strikes.

    def _strike(self) -> None:
        clock = self._nearest
        reading, index = clock.due[0]
        heapreplace(clock.due, (reading + self.arrivals[index].exponential(1.0) / self.rates[index], index))
        clock.aim()
        member, victims = self.members[index], self.victims[index]
        if isinstance(member, Domain):
            self._darken(member, victims)
        elif member.per_job:
            self._cluster.tenants[int(victims.uniform() * len(self._plan.jobs))].strike(member)
        else:
            share, lost = victims.uniform(), victims.uniform() < member.node_lost
            repair = self._workshop.prepare(member, self.repairs[index])
            if clock is self.clocks[_AGEING] and self._ageing.varies:
                self._hit_one_of_many_kinds(member, share, repair if lost else None)
            else:
                where = self._cluster.victim(share)
                if where is not None:
                    self._hit(member, *where, repair if lost else None, node=None)
        self.arm()

    def _hit_one_of_many_kinds(self, cause: Cause, share: float, repair: Visit | None) -> None:
        """A node of the urn; one that is in repair or switched off does not notice, but it was its turn."""
        k, clock = self._ageing.lemons, self.clocks[_AGEING]
        position = share * clock.rate
        for number, cohort in enumerate(self._cohorts):  # noqa: B007  the last one takes what rounding leaves
            exposure = cohort.exposure(k)
            if position < exposure:
                break
            position -= exposure
        node = cohort.pick(min(position / exposure, 1 - 1e-12), k)
        if k < math.inf:
            cohort.past.append(node)
            clock.turn(self._calendar.now, clock.rate + cohort.exposure(k) - exposure)
        where = None
        if (number, node) not in self._workshop.inside:
            where = self._cluster.victim_in(cohort.pool, self._places.uniform())
        if where is not None:
            self._hit(cause, *where, repair, node=(number, node))

    def _hit(self, cause: Cause, pool: int, job: int | None, repair: Visit | None, *, node: Node | None) -> None:
        """A fault of one node, that goes to ``repair`` if it is lost: what that does now, or is found to have done."""
        if job is None:
            if repair is not None:
                self._cluster.lose(pool, None)
                self._workshop.take(pool, cause, node, repair)
            return
        tenant = self._cluster.tenants[job]
        if cause.latency or cause.speed < 1:
            if tenant.suffer(cause):
                delay = self._again.exponential(cause.latency) if cause.latency else cause.detection
                self._calendar.after(delay, lambda: self._find(cause, pool, job, repair, node))
            return
        if repair is not None:
            self._take_out(cause, pool, job, node, repair)
        tenant.strike(cause)

    def _find(self, cause: Cause, pool: int, job: int, repair: Visit | None, node: Node | None) -> None:
        """Somebody has noticed what a node has been doing to its job; the node leaves if it is still there."""
        tenant = self._cluster.tenants[job]
        if repair is not None and self._cluster.held[job][pool] > 0 and not self._cluster.finished[job]:
            self._take_out(cause, pool, job, node, repair)
            tenant.recover_from(cause, stop=True)
        else:
            tenant.recover_from(cause, stop=bool(cause.latency))

    def _take_out(self, cause: Cause, pool: int, job: int, node: Node | None, repair: Visit) -> None:
        """The node and those evicted with it leave the job."""
        self._cluster.lose(pool, job)
        self._workshop.take(pool, cause, node, repair)
        for time in repair.evicted[: self._cluster.held[job][pool]]:
            self._cluster.lose(pool, job)
            self._workshop.examine(pool, time)

    def _darken(self, domain: Domain, victims: Stream) -> None:
        """A vertex of the tree fails: a share of its nodes goes dark, and comes back together."""
        share, cluster = victims.uniform(), self._cluster
        if not domain.begin <= self._calendar.now < domain.end:
            return
        places = [(share, int(domain.nodes))]
        if domain.whole:  # the middle of every pool, and all of it
            ends = list(accumulate(cluster.installed))
            places = [((end - n / 2) / ends[-1], n) for end, n in zip(ends, cluster.installed, strict=True) if n]
        struck: dict[int, int] = defaultdict(int)
        for place, nodes in places:
            pool, hit = cluster.neighbours(place, nodes, domain.share)
            for job, lost in hit.items():
                for _ in range(lost):
                    cluster.lose(pool, job)
                if job is not None and lost:
                    struck[job] += lost
            if sum(hit.values()):
                self._workshop.black_out(pool, sum(hit.values()), domain)
        for job, lost in struck.items():
            cluster.tenants[job].strike(Cause(domain.name, 0.0, 1.0, domain.detection, evicted=lost))

    # What the workshop tells.

    def _returned(self, pool: int, cause: Cause, node: Node | None) -> None:
        """A repaired node is back in service, and may fail again soon."""
        if self._ageing.refail and self._again.uniform() < self._ageing.refail:
            delay = self._again.exponential(self._ageing.refail_after)
            self._calendar.after(delay, lambda: self._fail_again(pool, cause, node))

    def _fail_again(self, pool: int, cause: Cause, node: Node | None) -> None:
        where = self._cluster.victim_in(pool, self._places.uniform())
        if where is not None and node not in self._workshop.inside:
            self._hit(cause, *where, self._workshop.prepare(cause, self._again), node=node)

    def _renewed(self, number: int, node: int) -> None:
        """A repeat offender was replaced: its faults leave the urn, and the new node joins those of its week."""
        cohort, now = self._cohorts[number], self._calendar.now
        cohort.past = [other for other in cohort.past if other != node]
        cohort.nodes -= 1
        latest = self._cohorts[-1]
        if latest.pool == cohort.pool and now - latest.born < _WEEK:
            latest.nodes += 1
        else:
            self._begin(cohort.pool, 1)
        self._refresh()


def _clock_of(member: Cause | Domain) -> int:
    """Faults that take nodes out depend on the nodes; all others only on how many there are, or on the jobs."""
    if isinstance(member, Domain):
        return _NODES
    if member.per_job:
        return _JOBS
    return _AGEING if member.node_lost > 0 else _NODES
