"""Sizes on several pools: each pool's share of the batch, the nodes that takes, and the pools that do not pay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import ceil

from simulator.plan.model import LeftOut, PoolPlan, Rung
from simulator.plan.parts import Parts
from simulator.step import Answer, Machine, Share, balanced, rebalanced, slowed
from simulator.workload import LayoutRequest, Recipe, TrainingJob, Transformer

__all__ = ["left_out", "nodes_of", "shared"]

Nodes = tuple[int, ...]


def shared(
    parts: Parts, job: TrainingJob, model: Transformer, nodes: Nodes, clock: float, equal: Answer,
    like: Sequence[Share] | None = None,
) -> tuple[Answer, tuple[Share, ...]]:  # fmt: skip
    """The step with shares balanced by speed, where that beats ``equal`` shares; one pool has nothing to balance.

    Parameters
    ----------
    clock
        Over the highest, in all pools.
    like
        The shares of a larger size that this one is what failures left of; none where equal shares were best there,
        and so are here.
    """
    used = [pool for pool, count in enumerate(nodes) if count]
    if len(used) < 2 or (like is not None and not like):
        return equal, ()
    machines = tuple(slowed(parts.machine(pool, job), clock) for pool in used)
    counts = tuple(nodes[pool] * parts.nodes[pool].accelerators for pool in used)
    recipe, request = job.recipe(model.context), LayoutRequest() if job.layout == "fastest" else job.layout
    if like is not None and len(like) == len(used):
        found = rebalanced(machines, counts, model, recipe, request, like)
    else:
        found = _balanced(machines, counts, model.name, recipe, request, equal)
    return found if found and found[0].step.total < equal.step.total else (equal, ())


@lru_cache(maxsize=512)
def _balanced(
    machines: tuple[Machine, ...], counts: tuple[int, ...], model: str, recipe: Recipe, request: LayoutRequest,
    equal: Answer,
) -> tuple[Answer, tuple[Share, ...]] | None:  # fmt: skip
    """What-ifs that leave machines and model alone meet the same sizes again; the catalogue never changes."""
    return balanced(machines, counts, Transformer.load(model), recipe, request, equal)


def nodes_of(shares: Sequence[Share], nodes: Nodes, pools: Sequence[PoolPlan]) -> Nodes:
    """The nodes that the replicas of each pool fill."""
    filled = iter([share.replicas * share.layout.model_parallel for share in shares])
    return tuple(ceil(next(filled) / pool.accelerators) if n else 0 for n, pool in zip(nodes, pools, strict=True))


def left_out(rungs: Iterable[Rung], best: Rung, pools: Sequence[PoolPlan]) -> tuple[LeftOut, ...]:
    """Pools that the best size does without, each with the most that a size with it would train, over the best's."""
    found = []
    for index, pool in enumerate(pools):
        mixed = [rung for rung in rungs if rung.nodes[index] and sum(map(bool, rung.nodes)) > 1]
        beside = [rung.useful_tokens_per_second for rung in mixed]
        if not best.nodes[index] and beside:
            found.append(LeftOut(pool.name, max(beside) / best.useful_tokens_per_second))
    return tuple(found)
