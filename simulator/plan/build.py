"""Scenario → Plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simulator.plan.ladder import Nodes, ladder, recipe_of, sizes
from simulator.plan.model import Cause, Delivery, JobPlan, Plan, PoolPlan, Repair
from simulator.plan.parts import Change, Parts, as_it_is, parts, seconds_from
from simulator.plan.power import node_power, power_steps
from simulator.plan.replay import recorded_faults
from simulator.plan.tariff import tariff
from simulator.scenario import Scenario, digest

__all__ = ["plan"]


def plan(
    scenario: Scenario,
    *,
    degraded: bool = True,
    change: Change = as_it_is,
    sizes_of: Sequence[Sequence[Nodes]] | None = None,
) -> Plan:
    """Everything that is known before the clock starts.

    Parameters
    ----------
    degraded
        Also plan the sizes that are left when nodes are in repair; what-ifs that only compare rates do without.
    change
        What to alter on every machine, to ask what a faster link or memory would do.
    sizes_of
        Node counts to plan for, job by job, instead of those that deliveries and power suggest.

    Raises
    ------
    PlanError
        The plan cannot work: by how much, and what would help.
    """
    known = parts(scenario, change)
    pools = tuple(_pool(known, index) for index in range(len(known.nodes)))
    steps = power_steps(known)
    recorded = recorded_faults(scenario.failures, known.fleet, sum(pool.nodes for pool in pools))
    causes = _causes(known)
    if recorded is not None:  # a server of the record is a node, whatever it has on board
        causes, pools = recorded.causes, tuple(replace(pool, failure_weight=1.0) for pool in pools)
    jobs: list[JobPlan] = []
    taken: Nodes = (0,) * len(pools)
    for index, (job, model) in enumerate(zip(scenario.jobs, known.models, strict=True)):
        if sizes_of is None:
            wanted: Sequence[Nodes] = sizes(pools, steps, scenario.horizon, job.accelerators, taken=taken)
        else:
            wanted = sizes_of[index]
        rungs = ladder(known, job, model, pools, causes, wanted, degraded=degraded)
        jobs.append(
            JobPlan(
                name=job.name,
                model=model.name,
                tokens=job.tokens,
                flops_per_token=model.flops_per_token(recipe_of(known, index).sequence),
                parameters=float(model.parameters),
                rungs=rungs,
            )
        )
        taken = tuple(a + b for a, b in zip(taken, rungs[0].nodes, strict=True))
    return Plan(
        name=scenario.name,
        question=scenario.question,
        start=scenario.start,
        horizon=scenario.horizon,
        seed=scenario.seed,
        pools=pools,
        power=steps,
        jobs=tuple(jobs),
        causes=causes,
        repairs=tuple(Repair(band.name, band.share, band.mean) for band in known.fleet.repair),
        standby=scenario.failures.standby,
        tariff=tariff(known),
        carbon=known.site.carbon,
        references=known.references(),
        scenario=digest(scenario),
        recorded=recorded,
    )


def _pool(known: Parts, index: int) -> PoolPlan:
    pool, node = known.scenario.cluster.pools[index], known.nodes[index]
    training, idle = node_power(node, known)
    execution = known.accelerators[index].execution
    counts: dict[float, int] = {}
    for date, count in pool.arrivals.items():  # cumulative; dates before the start all count at the start
        counts[seconds_from(known.scenario.start, date)] = count
    deliveries, before = [], 0
    for time, count in counts.items():
        if count > before:
            deliveries.append(Delivery(time, count - before))
            before = count
    return PoolPlan(
        name=pool.name,
        node=node.name,
        accelerator=node.accelerator,
        accelerators=node.accelerators,
        deliveries=tuple(deliveries),
        spare_share=known.scenario.cluster.spares,
        training_power=training,
        idle_power=idle,
        # a wafer or a tile fails as a node does, not as one accelerator of eight: host, supplies and links are the same
        failure_weight=node.accelerators / known.fleet.accelerators if execution == "gpu" else 1.0,
    )


def _causes(known: Parts) -> tuple[Cause, ...]:
    scale = known.scenario.failures.scale
    return tuple(
        Cause(name, one.rate * scale, one.node_lost, one.detection)
        for name, one in known.fleet.classes.items()
        if one.rate > 0
    )
