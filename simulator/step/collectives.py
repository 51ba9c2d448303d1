"""Time of collectives over scale-up links and a tapered scale-out fabric.

A group of ``n`` accelerators whose members lie ``stride`` ranks apart; ranks fill scale-up domains first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.step.machine import Machine
from simulator.step.roofline import Numbers

_NEAR = 4.5e-6
"""One step of a ring within a scale-up domain. [s]

Between the 1.5 µs of the smallest messages (2 KiB all-gather over 8 A100: 15 µs less the launch, in seven steps;
aiconfigurator's published NCCL timings) and the 7 µs that would put the ZeRO-3 rows of Narayanan et al. 2021, table 2,
right, which are the only published measurements where it decides the step time and come out 16 to 31 % too fast.
"""

_FILL, _FILLED = 30e-6, 8e6
"""Time a collective takes to fill its pipeline of chunks, and the size at which half of that is due. [s], [B]

Above 1 MiB the published NCCL timings (aiconfigurator; all-gather and reduce-scatter, 8 GPUs) exceed launch and
bandwidth by 25 to 35 µs on H100, 45 to 80 µs on B200 and 50 to 100 µs on A100; the least is charged
to all, since the step between neighbours above is already too long at 1 MiB.
"""

_COPY, _USUAL = 0.7, 8
"""Time of copying a byte of the result over that of its way along the links; ranks for which rates are stated.

Every rank writes the whole result, of which only (n − 1)/n arrive over links, so that the bus bandwidth of two ranks is
three quarters of that of eight.  0.5 on A100, 0.7 on H100 and H200, 1.0 on B200 and B300, 1.3 on GB200 by the published
NCCL timings of 2, 4 and 8 ranks (aiconfigurator; all-gather and reduce-scatter from 64 MB, median error of the form 1
to 4 %); one for all.
"""

__all__ = ["Group", "all_gather", "all_reduce", "all_to_all", "group", "reach", "send"]


@dataclass(frozen=True, slots=True)
class Group:
    """Who talks to whom: members, and the rates and latency they see."""

    size: Numbers
    inside: Numbers  # members within one scale-up domain
    steps: Numbers  # from neighbour to neighbour, until a piece has been to all of these
    ring: Numbers  # rate of a ring through all members, per member [B/s]
    up: Numbers  # rate over scale-up links [B/s]
    swap: Numbers  # the same while each member sends to each [B/s]
    out: Numbers  # rate leaving the domain, taper of the tiers crossed included [B/s]
    hop: Numbers  # latency of one step between the domains furthest apart [s]
    below: Numbers  # members below each tier. Shape: tiers × groups
    tapers: Numbers  # of the tiers
    scattered: float  # rate at which exchanges among many leave [B/s]
    around: Numbers | float  # time of light in the fibres of a ring through all members [s]
    across: Numbers | float  # the same in those of a tree [s]

    @property
    def domains(self) -> Numbers:
        """Scale-up domains the group spans."""
        return np.ceil(self.size / self.inside)

    @property
    def spread(self) -> Numbers:
        """Seconds a byte of an all-to-all spends leaving domains and tiers. [s/B]"""
        beyond: Numbers = ((self.size - self.below) * self.tapers).max(axis=0)
        return np.maximum(self.size - self.inside, beyond) / self.size / self.scattered


def group(machine: Machine, size: Numbers, stride: Numbers) -> Group:
    """The group of ``size`` members ``stride`` ranks apart.

    A ring that leaves a domain with g' members in it can drive the g' network interfaces of those members, so
    ``ring = min(up, g'·out)``: this one rule separates the cost of data parallelism at TP = 1 from that at TP = 8.
    The taper above a tier binds only in as far as the group's rings really leave it: with m members below the tier,
    m/g' domains share one outgoing edge, hence ``out = nic · min(1, (m/g') / oversubscription)``.
    """
    spans, tapers, light = _tiers(machine, np.broadcast(size, stride).ndim)
    inside, below = (_within(ranks, size, stride) for ranks in (machine.domain, spans))
    crosses, leaves = size > inside, size > below
    shares = np.where(leaves, np.minimum(1, below / inside / tapers), 1.0)
    out = machine.scaleout * shares.min(axis=0)
    hop = np.where(crosses, machine.latency, machine.launch) + machine.hop_latency * leaves.sum(axis=0)
    up, swap, steps = _torus(machine, inside) if machine.torus else _switch(machine, inside)
    ring = np.where(crosses, np.minimum(np.where(inside > 1, up, np.inf), inside * out), up)
    around: Numbers | float = 0.0
    across: Numbers | float = 0.0
    if any(machine.fibre):  # a ring comes by each building once, a tree by their logarithm
        buildings = np.where(leaves, np.ceil(size / below), 1.0)
        around = (light * np.where(leaves, buildings, 0.0)).sum(axis=0)
        across = (light * np.log2(buildings)).sum(axis=0)
    return Group(
        size=size, inside=inside, steps=steps, ring=ring, up=up, swap=swap, out=out, hop=hop, below=below,
        tapers=tapers, scattered=machine.scaleout * machine.exchange, around=around, across=across,
    )  # fmt: skip


def _tiers(machine: Machine, dimensions: int) -> tuple[Numbers, Numbers, Numbers]:
    """Spans, tapers and light of the fabric's tiers, each along an axis before those of what meets them."""
    return _columns((machine.spans, machine.tapers, machine.fibre), dimensions)


@lru_cache(maxsize=64)
def _columns(tiers: tuple[tuple[float, ...], ...], dimensions: int) -> tuple[Numbers, Numbers, Numbers]:
    spans, tapers, light = (np.reshape(np.array(tier, float), (-1, *(1,) * dimensions)) for tier in tiers)
    return spans, tapers, light


def _switch(machine: Machine, inside: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Rates of a ring and of an exchange, and steps around the ring, where links reach every other member alike."""
    rate = machine.scaleup * reach(inside)
    return rate, rate, inside - 1


def _torus(machine: Machine, inside: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Rates of rings and of an exchange, and steps around the rings, of ``inside`` members in a torus.

    A slice of N chips in D dimensions has sides of N^(1/D).  A group fills side after side, as meshes of XLA do, and so
    has k = log n / log side of the D axes, at least one, and n^(1/k) members along each.  It drives the links of its
    axes only; with R the rate of all links of a chip:

        rings: R k / D,   around axis after axis in k (n^(1/k) − 1) steps
        all-to-all: 4 R / (D n^(1/k)), for each byte travels a quarter of a side on either of an axis' two links

    Source
    ------
    Google, "How to Scale Your Model", chapter on TPUs (axes, wrapped links, hops); the all-to-all is the arithmetic of
    a ring's bisection.
    """
    side = max(machine.domain, 2) ** (1 / machine.torus)
    axes = np.minimum(np.maximum(np.log(inside) / np.log(side), 1), machine.torus)
    along = inside ** (1 / axes)
    rings = machine.scaleup * axes / machine.torus
    return rings, np.minimum(rings, 4 * machine.scaleup / (machine.torus * along)), axes * (along - 1)


def reach(members: Numbers) -> Numbers:
    """Bus bandwidth of so many ranks over that of eight, at most 1: (1 + 8/7 c) / (1 + n/(n − 1) c)."""
    n = np.maximum(members, 2)
    whole = 1 + _COPY * _USUAL / (_USUAL - 1)
    share: Numbers = np.minimum(whole / (1 + _COPY * n / (n - 1)), 1.0)
    return share


def _within(ranks: Numbers | int, size: Numbers, stride: Numbers) -> Numbers:
    """Members among the first ``ranks`` ranks."""
    return np.minimum(np.maximum(np.floor(ranks / stride), 1), size)


def _fill(size: Numbers) -> Numbers:
    return _FILL * size / (size + _FILLED)


def all_reduce(who: Group, size: Numbers) -> Numbers:
    """Sum ``size`` bytes over the group: 2 (n−1)/n · S / B by a ring, log₂ n steps of latency each way (tree).

    Source
    ------
    Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication Operations in MPICH", IJHPCA 19(1), 2005:
    cost of ring and of recursive doubling; the cheaper term of each is taken, as libraries switch with the size.
    """
    n = who.size
    latency = 2 * (np.log2(np.maximum(n, 2)) * who.hop + who.across + _fill(size))
    return np.where(n > 1, 2 * (n - 1) / n * size / who.ring + latency, 0.0)


def all_gather(who: Group, size: Numbers) -> Numbers:
    """Collect ``size`` bytes in all (``size``/n from each); a reduce-scatter costs the same.

        (n−1)/n · S / B + n_out α_out + n_in α_in

    A piece travels around the whole ring, so latency grows with the group: α_out for each step between domains, α_in
    for each step within one.  This is what makes ZeRO-3 slow on a thousand accelerators when pieces are small.
    """
    n = who.size
    domains = who.domains
    between = np.where(domains > 1, domains, 0)
    latency = between * who.hop + n / who.inside * who.steps * _NEAR + who.around
    return np.where(n > 1, (n - 1) / n * size / who.ring + latency + _fill(size), 0.0)


def all_to_all(who: Group, size: Numbers, *, once: Numbers | float = 1.0) -> Numbers:
    """Exchange ``size`` bytes a member, an equal part with each.

    The part for other domains leaves by one interface, at the share of its rate that exchanges among many reach
    (``exchange``, below that of rings, whose flows are few and steady), and what leaves a tier shares its tapered
    links with all others: with m of n members below a tier, (n − m)/n of the bytes cross it.  Where copies for several
    members of one domain travel once, and are forwarded there over scale-up links, only the share ``once`` leaves.
    """
    n = who.size
    near = (who.inside - 1) / np.where(np.asarray(once) < 1, who.inside, n)
    slower = np.maximum(size * near / who.swap, size * once * who.spread)
    return np.where(n > 1, slower + np.log2(np.maximum(n, 2)) * who.hop + who.across, 0.0)


def send(machine: Machine, size: Numbers, stride: Numbers) -> Numbers:
    """Send ``size`` bytes to the member ``stride`` ranks further, as every rank does at the same time.

    Inside a domain over scale-up links; else over the fabric, where min(1, stride / span) of the ranks below a tier
    send beyond it and share its tapered links.
    """
    near = stride < machine.domain
    spans, tapers, light = _tiers(machine, stride.ndim)
    beyond = stride / spans
    slowdown = np.maximum((tapers * np.minimum(beyond, 1)).max(axis=0), 1.0)
    latency = machine.latency + ((machine.hop_latency + light) * (beyond >= 1)).sum(axis=0)
    far = size * slowdown / machine.scaleout + latency
    link = machine.scaleup / (2 * machine.torus or 1)  # of a torus, the one that leads there
    return np.asarray(np.where(near, size / link + machine.launch, far))
