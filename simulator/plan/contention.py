"""Jobs whose checkpoints go to one store: a write takes longer where it meets another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.hardware import Storage
from simulator.plan.model import PoolPlan, Rung

__all__ = ["Neighbours", "Writer", "crowding"]


class Writer(NamedTuple):
    """A job as the store sees it."""

    rate: float  # while it writes alone [B/s]
    share: float  # of the time that it would write if it were alone


def crowding(rate: float, others: Sequence[Writer], store: float) -> float:
    """How many times as long a write at ``rate`` takes beside the others' than alone.

        C′ / C = 1 + Σ ρ_j max(0, (b + b_j) / B − 1)

    with b the rates of writers alone, ρ_j the share of the time that j writes and B what the store takes from all.
    While two write that want more than B, each gets its share of it: both go on at 1 − κ = B / (b + b_j) of their rates
    until the shorter one is through, which delays each by κ / (1 − κ) of what the shorter one had left.  Over all
    phases of two writes C and C_j, met once in j's round of T_j, what is left comes to

        [∫₀^C min(y, C_j) dy + ∫₀^C_j min(C, y) dy] / T_j = C C_j / T_j = C ρ_j

    Exact for pairs of writes that meet once, and of first order in ρ where three meet.

    Assumes that rounds of different jobs know nothing of each other, and that the jobs run at the same time; loads
    after an interruption are rare and meet nobody.
    """
    return 1 + sum(other.share * max(0.0, (rate + other.rate) / store - 1) for other in others)


@dataclass(frozen=True)
class Neighbours:
    """The other jobs of a cluster, each by its rungs, best first, as they would be with the store to themselves."""

    jobs: tuple[Sequence[Rung], ...]
    pools: Sequence[PoolPlan]
    store: Storage

    def crowding(self, nodes: tuple[int, ...]) -> float:
        """:func:`crowding` of a job on these nodes: each other one at the best size that finds room beside it."""
        if self.store.write is None:
            return 1.0
        beside = [next((rung for rung in rungs if self._fits(nodes, rung)), None) for rungs in self.jobs]
        writers = [self._writer(rung) for rung in beside if rung is not None]
        return crowding(self.store.write_rate(sum(nodes)), writers, self.store.write)

    def _fits(self, nodes: tuple[int, ...], rung: Rung) -> bool:
        return all(a + b <= pool.nodes for a, b, pool in zip(nodes, rung.nodes, self.pools, strict=True))

    def _writer(self, rung: Rung) -> Writer:
        """Each round of a job's saves has one write to the store, beside the training or instead of it."""
        length = rung.every * rung.interval + (rung.every - 1) * rung.quick + rung.save
        write = rung.drain or rung.save
        return Writer(self.store.write_rate(sum(rung.nodes)), rung.running * write / length if write else 0.0)
