"""Repair: where broken nodes go, and when they come back."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from simulator.engine.calendar import Calendar
from simulator.engine.cluster import Cluster
from simulator.engine.record import Record
from simulator.engine.streams import Stream
from simulator.plan.model import Cause, Domain, Plan, Repair

__all__ = ["Ask", "Hands", "Node", "Return", "Visit", "Workshop"]

Node = tuple[int, int]  # cohort and number in it


class Visit(NamedTuple):
    """What is drawn for a fault: the way back, and how long that and what it needs of hands and examinations take.

    Every fault that could take its node out has one of its own, whether it does or not and whenever it is: a change of
    plan then changes no other's.
    """

    band: Repair
    away: float  # without hands [s]
    hands: float  # [s]
    evicted: tuple[float, ...]  # until a node that left on suspicion is back [s]


class Return:
    """A node's way back, as an entry of the calendar."""

    __slots__ = ("cause", "give_back", "how", "node", "pool")

    def __init__(
        self, give_back: Callable[[int, Cause | None, Node | None, str], None],
        pool: int, cause: Cause | None, node: Node | None, how: str,
    ) -> None:  # fmt: skip
        self.give_back, self.pool, self.cause, self.node, self.how = give_back, pool, cause, node, how

    def __call__(self) -> None:
        """It is back."""
        self.give_back(self.pool, self.cause, self.node, self.how)


class Ask:
    """A broken node that will need hands, as an entry of the calendar."""

    __slots__ = ("ask", "done", "hours")

    def __init__(self, ask: Callable[[float, Return], None], hours: float, done: Return) -> None:
        self.ask, self.hours, self.done = ask, hours, done

    def __call__(self) -> None:
        """It needs them now."""
        self.ask(self.hours, self.done)


class Hands:
    """Hands on a node, as an entry of the calendar."""

    __slots__ = ("done", "over")

    def __init__(self, over: Callable[[Return], None], done: Return) -> None:
        self.over, self.done = over, done

    def __call__(self) -> None:
        """They have done."""
        self.over(self.done)


class Workshop:
    """Mends broken nodes, each in a time from the plan's mixture.

    Waiting for a part or a maker occupies nobody; only the hours with hands on the node need one of the crews, and
    nodes queue for those in the order in which they come to need them.
    """

    def __init__(self, calendar: Calendar, plan: Plan, cluster: Cluster, record: Record, seed: int) -> None:
        self._calendar, self._plan, self._cluster, self._record = calendar, plan, cluster, record
        self._outages = Stream(seed, "outages")
        self._by_hand = any(band.hands for band in plan.repairs)
        self._free = plan.crews if plan.crews is not None else -1  # -1: never short of them
        self._queue: deque[tuple[float, float, Return]] = deque()
        self._history: dict[Node, list[float]] = defaultdict(list)
        self._cold = plan.cold.nodes if plan.cold else 0  # still in store
        self._lent = [0] * len(plan.pools)  # nodes out of the store
        self.inside: set[Node] = set()
        self.on_return: Callable[[int, Cause, Node | None], None] = lambda pool, cause, node: None
        self.on_new: Callable[[int, int], None] = lambda cohort, node: None

    def prepare(self, cause: Cause, numbers: Stream) -> Visit | None:
        """Draw what repair would take; nothing for a cause that loses no node."""
        if not cause.node_lost:
            return None
        band, time = self._band(numbers.uniform()), numbers.exponential(1.0)
        hands = numbers.exponential(band.hands) if self._by_hand else 0.0
        first = self._plan.repairs[0].mean
        evicted = tuple([numbers.exponential(first) for _ in range(cause.evicted - 1)]) if cause.evicted > 1 else ()
        return Visit(band, (band.mean - band.hands) * time, hands, evicted)

    def numbers_of(self, cause: Cause) -> int:
        """How many numbers :meth:`prepare` draws."""
        return 1 + self._by_hand + cause.evicted if cause.node_lost else 0

    def take(self, pool: int, cause: Cause, node: Node | None, visit: Visit) -> None:
        """A node comes in."""
        self._record.faults += 1
        self._fetch(pool)
        if node in self.inside:  # found out late, when it had been taken out for another reason: so it is another one
            node = None
        if node is not None:
            self.inside.add(node)
        if self._is_to_go(node):
            assert self._plan.removal is not None
            self._calendar.after(self._plan.removal.lead, lambda: self._replace(pool, node))
            return
        done = Return(self._give_back, pool, cause, node, visit.band.name)
        if not visit.band.hands:
            # Most repairs: an entry with one call, for a queue would cost as much again.
            self._calendar.after(visit.away, done)
            return
        self._calendar.after(visit.away, Ask(self._ask_for_hands, visit.hands, done))

    def examine(self, pool: int, time: float) -> None:
        """A node that was evicted on suspicion: nothing is wrong with it."""
        self._calendar.after(time, Return(self._give_back, pool, None, None, "examined"))

    def expect(self, pool: int, moment: float) -> None:
        """A node of which no more needs to be known is back at a moment. [s]"""
        self._calendar.after(moment - self._calendar.now, Return(self._give_back, pool, None, None, ""))

    def black_out(self, pool: int, nodes: int, domain: Domain) -> None:
        """Nodes that went dark together come back together."""
        self._record.faults += nodes

        def back() -> None:
            for _ in range(nodes):
                self._cluster.mend(pool)
                self._restock(pool)
            self._record.event(self._calendar.now, "repair", "", f"{domain.name}: {nodes} nodes")
            self._cluster.changed()

        self._calendar.after(self._outages.exponential(domain.outage), back)

    # Hands.

    def queue(self) -> list[tuple[float, float, int]]:
        """Broken nodes that wait for hands: since when, for how long they need them, and their pool."""
        return [(asked, hours, done.pool) for asked, hours, done in self._queue]

    def rearrange(self, nodes: Iterable[tuple[float, float, float, int]], busy: int) -> None:
        """Hands have done what they have done by now.

        Parameters
        ----------
        nodes
            When each came to need hands, when it got or gets them, for how long, and its pool; in that order.
        busy
            Hands that are on other nodes.
        """
        now = self._calendar.now
        self._queue.clear()
        for asked, began, hours, pool in nodes:
            done = Return(self._give_back, pool, None, None, "")
            if asked > now:
                self._calendar.after(asked - now, Ask(self._ask_for_hands, hours, done))
            elif began > now:
                self._queue.append((asked, hours, done))
            else:
                self._record.crew_seconds += hours
                self._record.crew_wait += began - asked
                if began + hours > now:
                    busy += 1
                    self._calendar.after(began + hours - now, Hands(self._over, done))
        if self._plan.crews is not None:
            self._free = self._plan.crews - busy

    def _ask_for_hands(self, hours: float, done: Return) -> None:
        if self._free == 0:
            self._queue.append((self._calendar.now, hours, done))
            return
        self._free -= 1 if self._free > 0 else 0
        self._work(hours, done)

    def _work(self, hours: float, done: Return) -> None:
        self._record.crew_seconds += hours
        self._calendar.after(hours, Hands(self._over, done))

    def _over(self, done: Return) -> None:
        done()
        if self._queue:
            asked, needed, then = self._queue.popleft()
            self._record.crew_wait += self._calendar.now - asked
            self._work(needed, then)
        elif self._free >= 0:
            self._free += 1

    # Ways back.

    def _band(self, share: float) -> Repair:
        for band in self._plan.repairs:
            share -= band.share
            if share < 0:
                return band
        return self._plan.repairs[-1]  # shares that add up to one but for rounding

    def _is_to_go(self, node: Node | None) -> bool:
        """Whether this was one fault too many."""
        removal = self._plan.removal
        if removal is None or node is None:
            return False
        now = self._calendar.now
        times = [time for time in self._history[node] if time > now - removal.within]
        self._history[node] = [*times, now]
        return len(times) + 1 >= removal.faults

    def _replace(self, pool: int, node: Node | None) -> None:
        assert node is not None, "only a node with a history is replaced"
        self.inside.discard(node)
        del self._history[node]
        self.on_new(*node)
        self._mend(pool, "replaced")

    def _give_back(self, pool: int, cause: Cause | None, node: Node | None, how: str) -> None:
        if node is not None:
            self.inside.discard(node)
        if cause is not None:
            self.on_return(pool, cause, node)
        self._mend(pool, how)

    def _mend(self, pool: int, how: str) -> None:
        self._cluster.mend(pool)
        if self._record.told:
            self._record.event(self._calendar.now, "repair", "", f"{self._plan.pools[pool].name}: {how}")
        self._restock(pool)
        self._cluster.changed()

    # Nodes in store.

    def _fetch(self, pool: int) -> None:
        """Bring a node in from the store for the one that came, if there is one."""
        cold = self._plan.cold
        if cold is None or not self._cold:
            return
        self._cold -= 1

        def arrive() -> None:
            if not self._cluster.broken[pool]:  # the broken one is back already
                self._cold += 1
                return
            self._lent[pool] += 1
            self._cluster.mend(pool)
            self._record.event(self._calendar.now, "spare", "", f"{self._plan.pools[pool].name}: from the store")
            self._cluster.changed()

        self._calendar.after(cold.lead, arrive)

    def _restock(self, pool: int) -> None:
        """A repaired node goes to the store when one of the store's has taken its place."""
        if self._lent[pool]:
            self._lent[pool] -= 1
            self._cold += 1
            self._cluster.broken[pool] += 1
