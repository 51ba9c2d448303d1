"""Who has which nodes: counts by pool, never single nodes, and the watts they may draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heapreplace
from typing import NamedTuple, Protocol

from simulator.plan.model import Cause, Plan, Rung

__all__ = ["Cluster", "State", "Tenant"]

_ROUNDING = 1 + 1e-9  # a cap that a rung was sized for must hold it
_STATES = 10_000  # that are remembered


class Tenant(Protocol):
    """What the cluster asks of a job."""

    def consider(self) -> None:
        """Nodes or watts have changed: start, grow, shrink or do nothing."""

    def strike(self, cause: Cause) -> None:
        """A failure has hit one of the job's nodes."""

    def suffer(self, cause: Cause) -> bool:
        """A fault that nobody notices yet has hit one of the job's nodes; whether it does any harm."""

    def recover_from(self, cause: Cause, *, stop: bool) -> None:
        """That fault has been found; ``stop``: the job has to."""

    def maintain(self, lasts: float) -> None:
        """Stand still for a while, after a save."""

    def safe_tokens(self, time: float) -> float:
        """Tokens trained and saved by now."""


class State(NamedTuple):
    """What the books ask of a moment."""

    installed: tuple[int, ...]  # nodes by pool
    healthy: tuple[int, ...]
    working: tuple[int, ...]
    broken: int  # in all pools
    at_work: int
    watts: float  # facility power
    peak: float  # the same between two saves
    spare_watts: float  # what the cap leaves beside the building and the nodes of training jobs


class Cluster:
    """The state all processes share.

    A node is broken (in repair), held by one job, or idle; an idle node is switched off when the power cap has nothing
    left for it.  Jobs come in order of priority: each is entitled to what is left when the higher ones have all nodes
    and watts of the best rung they could run on if nothing were broken.  The spare share of each pool belongs to
    nobody's entitlement; it is where replacements come from.
    """

    def __init__(self, plan: Plan) -> None:
        self.pools, self.jobs = plan.pools, plan.jobs
        self.installed = [0] * len(plan.pools)
        self.broken = [0] * len(plan.pools)
        self.working = [0] * len(plan.pools)  # held by any job
        self.held = [[0] * len(plan.pools) for _ in plan.jobs]  # by job; one short where a node was just lost
        self.rungs: list[Rung | None] = [None] * len(plan.jobs)  # what each job holds nodes for
        self.computing = [False] * len(plan.jobs)
        self.finished = [False] * len(plan.jobs)
        self.tenants: list[Tenant] = []
        self._standby, self._warm = plan.standby, plan.warm
        self._all_hot = plan.hot is None
        self.hot = [0.0] * (plan.hot or 0)  # heap: when each place of a hot spare is filled, unless all spares are hot
        self.cap = math.inf
        self.exposure = 0.0  # installed nodes, each with its pool's failure weight
        self.planned: list[Rung | None] = [None] * len(plan.jobs)
        self.dirty = True  # changed since the last sample
        self._idle_power = [pool.idle_power for pool in plan.pools]
        self._holding_power = [pool.holding_power for pool in plan.pools]
        self._building = 0.0  # what it draws for the installed nodes, whatever they do [W]
        self._ladder: list[tuple[Rung, ...]] = [() for _ in plan.jobs]  # the planned rung and those below it
        self._room: list[tuple[int, ...]] = [() for _ in plan.jobs]
        self._watts = [0.0] * len(plan.jobs)
        self._at_most = 0.0  # what all nodes together draw when idle [W]
        self._promised = 0.0  # what all jobs together may draw [W]
        self._states: dict[tuple[tuple[int, ...], ...], State] = {}  # by what changes more often than cap and rungs
        self.entitle()

    def install(self, pool: int, nodes: int) -> None:
        """Nodes have arrived."""
        self.installed[pool] += nodes
        self._at_most += nodes * self.pools[pool].idle_power
        self._building += nodes * self.pools[pool].standing_power
        self.exposure = sum(n * p.failure_weight for n, p in zip(self.installed, self.pools, strict=True))

    def entitle(self) -> None:
        """Work out each job's entitlement; for when deliveries, the cap or the jobs themselves have changed."""
        room = [n - int(n * pool.spare_share) for n, pool in zip(self.installed, self.pools, strict=True)]
        watts = self.cap - self._building
        for index, job in enumerate(self.jobs):
            self._room[index], self._watts[index] = tuple(room), watts
            rungs = () if self.finished[index] else job.rungs
            first = next((at for at, rung in enumerate(rungs) if _fits(rung, room, watts)), len(rungs))
            self._ladder[index] = rungs[first:]
            self.planned[index] = planned = rungs[first] if first < len(rungs) else None
            if planned is not None:
                room = [have - need for have, need in zip(room, planned.nodes, strict=True)]
                watts -= planned.power
        self.dirty = True
        self._states.clear()

    def changed(self, by: int | None = None) -> None:
        """Tell the jobs, the highest priority first, that there may be more nodes or watts, or fewer watts."""
        for index, tenant in enumerate(self.tenants):
            if index != by:
                tenant.consider()

    def best(self, job: int) -> Rung | None:
        """The best rung the job is entitled to whose healthy nodes and watts nobody else holds."""
        ladder = self._ladder[job]
        if not ladder:
            return None
        every = zip(self._room[job], self.installed, self.broken, self.working, self.held[job], strict=True)
        nodes = [min(room, there - broken - working + held) for room, there, broken, working, held in every]
        free = self.cap - self._building
        watts = math.inf if free == math.inf else min(self._watts[job], free - self._committed(but=job))
        for rung in ladder:
            if _fits(rung, nodes, watts):
                return rung
        return None

    def is_entitled(self, job: int, rung: Rung) -> bool:
        """Whether the job may stay on this rung."""
        return _fits(rung, self._room[job], self._watts[job])

    def missing(self, job: int) -> int:
        """Nodes the job has lost and not yet replaced."""
        rung = self.rungs[job]
        return sum(rung.nodes) - sum(self.held[job]) if rung is not None else 0

    def assign(self, job: int, rung: Rung | None) -> tuple[int, ...]:
        """Give the job a rung's nodes, and back those it no longer needs; how many it took from the idle, by pool."""
        held = self.held[job]
        need = rung.nodes if rung is not None else (0,) * len(held)
        taken = tuple([want - have for want, have in zip(need, held, strict=True)])
        if any(taken):
            for pool, more in enumerate(taken):
                self.working[pool] += more
            self.held[job] = list(need)
        if rung is not self.rungs[job]:
            self.rungs[job] = rung
            self._promised = self._committed()
            self._states.clear()
        self.dirty = True
        return taken

    def time_to_join(self, now: float, nodes: int) -> float:
        """How long until so many spares have taken their places; hot ones first, which are then replaced. [s]"""
        if self._all_hot:
            return self._standby if nodes else 0.0
        longest = 0.0
        for _ in range(nodes):
            if not self.hot or self.hot[0] > now:
                return self._warm
            heapreplace(self.hot, now + self._warm)
            longest = self._standby
        return longest

    def refill(self, job: int) -> bool:
        """Give the job idle nodes for those it has lost, if there are enough; whether there were."""
        rung = self.rungs[job]
        assert rung is not None, "asked only of a job that has nodes"
        idle, held = self.idle_on(), self.held[job]
        if any(need - have > free for need, have, free in zip(rung.nodes, held, idle, strict=True)):
            return False
        self.assign(job, rung)
        return True

    def leave(self, job: int) -> None:
        """The job is done and needs nothing any more."""
        self.assign(job, None)
        self.finished[job] = True
        self.entitle()

    def compute(self, job: int, on: bool) -> None:
        """The job's nodes draw the power of training, or that of idling."""
        self.computing[job] = on
        self.dirty = True

    def lose(self, pool: int, job: int | None) -> None:
        """A node of a job, or an idle one, goes to repair."""
        self.broken[pool] += 1
        if job is not None:
            self.held[job][pool] -= 1
            self.working[pool] -= 1
        self.dirty = True

    def mend(self, pool: int) -> None:
        """A node comes back from repair."""
        self.broken[pool] -= 1
        self.dirty = True

    def victim(self, share: float) -> tuple[int, int | None] | None:
        """Pool and job of the installed node at ``share`` of all failure weight; None if it is broken or off.

        Drawing among the installed and dropping what cannot fail is exact (thinning of a Poisson process), and the
        rate need not follow every repair.
        """
        position = share * self.exposure
        for index, pool in enumerate(self.pools):
            weight = self.installed[index] * pool.failure_weight
            if position >= weight:
                position -= weight
                continue
            node = position / pool.failure_weight
            for job, held in enumerate(self.held):
                if node < held[index]:
                    return index, job
                node -= held[index]
            return (index, None) if node < self.idle_on()[index] else None
        return None

    def victim_in(self, pool: int, share: float) -> tuple[int, int | None] | None:
        """Pool and job of the node at ``share`` of a pool's healthy ones; None if it is switched off."""
        node = share * (self.installed[pool] - self.broken[pool])
        for job, held in enumerate(self.held):
            if node < held[pool]:
                return pool, job
            node -= held[pool]
        return (pool, None) if node < self.idle_on()[pool] else None

    def neighbours(self, share: float, nodes: int, part: float) -> tuple[int, dict[int | None, int]]:
        """Pool of the vertex at ``share`` of all nodes, and the nodes that go dark when a part of its nodes does.

        Jobs sit side by side, each on neighbouring nodes, then the idle ones and the broken ones: what schedulers that
        know the topology aim at.
        """
        position = share * sum(self.installed)
        for pool in range(len(self.pools) - 1):
            if position < self.installed[pool]:
                break
            position -= self.installed[pool]
        else:
            pool = len(self.pools) - 1
        nodes = min(nodes, self.installed[pool])
        first = int(position) // nodes * nodes if nodes else 0
        last = min(first + nodes, self.installed[pool])
        hit: dict[int | None, int] = {}
        begins = 0
        idle = self.idle_on()[pool]
        groups: list[tuple[int | None, int]] = [(job, held[pool]) for job, held in enumerate(self.held)]
        for job, there in (*groups, (None, idle)):
            inside = min(last, begins + there) - max(first, begins)
            if inside > 0:
                hit[job] = math.ceil(inside * part)
            begins += there
        return pool, hit

    def idle_on(self) -> list[int]:
        """Idle nodes that the cap lets stay on, by pool."""
        idle = [
            nodes - broken - working
            for nodes, broken, working in zip(self.installed, self.broken, self.working, strict=True)
        ]
        if self.cap == math.inf:
            return idle
        left, at_most = self.left_for_idle()
        if left >= at_most:
            return idle
        for index, pool in enumerate(self.pools):
            if pool.idle_power > 0 and idle[index] * pool.idle_power > left:
                idle[index] = max(0, int(left / pool.idle_power))
            left -= idle[index] * pool.idle_power
        return idle

    def left_for_idle(self) -> tuple[float, float]:
        """What the cap leaves for idle nodes, and what all nodes together would draw as such. [W]"""
        return self.cap * _ROUNDING - self._building - self._promised, self._at_most

    def state(self) -> State:
        """All of it that is booked.  A cluster is in few states, so most have been worked out before."""
        key = (tuple(self.broken), tuple(self.computing), *map(tuple, self.held))
        known = self._states.get(key)
        if known is None:
            if len(self._states) >= _STATES:
                self._states.clear()
            known = self._states[key] = self._work_out()
        return known

    def _work_out(self) -> State:
        watts = self._draw()
        return State(
            installed=tuple(self.installed),
            healthy=tuple([nodes - broken for nodes, broken in zip(self.installed, self.broken, strict=True)]),
            working=tuple(self.working),
            broken=sum(self.broken),
            at_work=sum(self.working),
            watts=watts,
            peak=watts + self._swing(),
            spare_watts=max(0.0, self.cap - self._building - self._promised),
        )

    def _draw(self) -> float:
        """Facility power now, as a mean over steps and saves; what a job holds without computing draws less. [W]"""
        watts, idling = self.standing(), self.idle_on()
        for job, rung in enumerate(self.rungs):
            watts += rung.running_power if rung is not None and self.computing[job] else self.holding(job)
        for nodes, each in zip(idling, self._idle_power, strict=True):
            watts += nodes * each
        return watts

    def standing(self) -> float:
        """What the building draws whatever the nodes do. [W]"""
        return min(self._building, self.cap)

    def holding(self, job: int) -> float:
        """What a job's nodes draw while it does not compute. [W]"""
        return sum([nodes * each for nodes, each in zip(self.held[job], self._holding_power, strict=True)])

    def _swing(self) -> float:
        """What the jobs that compute draw between their saves beyond that mean. [W]"""
        extra = 0.0
        for job, on in enumerate(self.computing):
            rung = self.rungs[job]
            if on and rung is not None:
                extra += rung.power - rung.running_power
        return extra

    def _committed(self, but: int | None = None) -> float:
        """Watts set aside for jobs, whether they compute at this moment or not. [W]"""
        watts = 0.0
        for job, rung in enumerate(self.rungs):
            if rung is not None and job != but:
                watts += rung.power
        return watts


def _fits(rung: Rung, nodes: Sequence[int], watts: float) -> bool:
    if rung.power > watts * _ROUNDING:
        return False
    for pool, need in enumerate(rung.nodes):  # a loop is twice as fast as `all`  # noqa: SIM110
        if need > nodes[pool]:
            return False
    return True
