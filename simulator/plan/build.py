"""Scenario → Plan."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simulator.plan.contention import Neighbours
from simulator.plan.ladder import Nodes, ladder, recipe_of, sizes
from simulator.plan.model import (
    Ageing,
    Cause,
    Cold,
    Delivery,
    Domain,
    Elastic,
    JobPlan,
    LeftOut,
    Maintenance,
    Plan,
    PoolPlan,
    Removal,
    Repair,
    Rung,
    Size,
)
from simulator.plan.parts import Change, Parts, as_it_is, parts, seconds_from
from simulator.plan.power import node_power, power_steps
from simulator.plan.replay import recorded_faults
from simulator.plan.supply import blackouts, mean_blackout, sources
from simulator.plan.tariff import tariff
from simulator.plan.upkeep import check_upkeep
from simulator.plan.weather import Risk
from simulator.scenario import Scenario, digest

__all__ = ["plan"]


def plan(
    scenario: Scenario,
    *,
    degraded: bool = True,
    change: Change = as_it_is,
    sizes_of: Sequence[Sequence[Size]] | None = None,
) -> Plan:
    """Everything that is known before the clock starts.

    Parameters
    ----------
    degraded
        Also plan the sizes that are left when nodes are in repair, and say what the plan rests on; what-ifs that only
        compare rates do without.
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
    causes, trees, outages = _causes(known, pools), _domains(known, pools), blackouts(known, pools)
    domains = (*trees, *mean_blackout(outages, scenario.horizon))
    if recorded is not None:  # a server of the record is a node, whatever it has on board
        causes, pools = recorded.causes, tuple(replace(pool, failure_weight=1.0) for pool in pools)
    tunable = all(accelerator.execution == "gpu" for accelerator in known.accelerators)
    curtailment = known.site.curtailment if tunable else "nodes"
    risks: tuple[Risk, ...] = (*causes, *domains)
    found: list[tuple[tuple[Rung, ...], tuple[LeftOut, ...]]] = []
    wanted: list[Sequence[Size]] = []
    taken: Nodes = (0,) * len(pools)
    for index, (job, model) in enumerate(zip(scenario.jobs, known.models, strict=True)):
        if sizes_of is None:
            horizon, most = scenario.horizon, job.accelerators
            wanted.append(sizes(pools, steps, horizon, most, taken=taken, curtailment=curtailment))
        else:
            wanted.append(sizes_of[index])
        found.append(ladder(known, job, model, pools, risks, wanted[index], degraded=degraded))
        taken = tuple(a + b for a, b in zip(taken, found[index][0][0].nodes, strict=True))
    if len(found) > 1:  # now that it is known how often the others write
        alone = [rungs for rungs, _ in found]
        for index, (job, model) in enumerate(zip(scenario.jobs, known.models, strict=True)):
            others = Neighbours((*alone[:index], *alone[index + 1 :]), pools, known.storage)
            found[index] = ladder(known, job, model, pools, risks, wanted[index], degraded=degraded, others=others)
    jobs = [
        JobPlan(
            name=job.name,
            model=model.name,
            tokens=job.tokens,
            flops_per_token=model.flops_per_token(recipe_of(known, index).sequence),
            parameters=float(model.parameters),
            rungs=rungs,
            elastic=None if job.elastic is None else Elastic(job.elastic),
            left_out=without,
        )
        for index, (job, model, (rungs, without)) in enumerate(zip(scenario.jobs, known.models, found, strict=True))
    ]
    made = Plan(
        name=scenario.name,
        question=scenario.question,
        start=scenario.start,
        horizon=scenario.horizon,
        seed=scenario.seed,
        pools=pools,
        power=steps,
        jobs=tuple(jobs),
        causes=causes,
        repairs=tuple(Repair(band.name, band.share, band.mean, band.hands) for band in known.fleet.repair),
        standby=scenario.failures.standby,
        domains=(*trees, *outages),
        **_life(known),
        tariff=tariff(known),
        carbon=known.site.carbon,
        references=known.references() if degraded else (),
        scenario=digest(scenario) if degraded else "",
        recorded=recorded,
        sources=sources(known),
    )
    if degraded:  # what-ifs compare rates of a plan that has passed
        check_upkeep(made)
    return made


def _pool(known: Parts, index: int) -> PoolPlan:
    pool, node = known.scenario.cluster.pools[index], known.nodes[index]
    power = node_power(node, known)
    execution = known.accelerators[index].execution
    return PoolPlan(
        name=pool.name,
        node=node.name,
        accelerator=node.accelerator,
        accelerators=node.accelerators,
        deliveries=_deliveries(known, index),
        spare_share=known.scenario.cluster.spares,
        training_power=power.training,
        idle_power=power.idle,
        # a wafer or a tile fails as a node does, not as one accelerator of eight: host, supplies and links are the same
        failure_weight=node.accelerators / known.fleet.accelerators if execution == "gpu" else 1.0,
        holding_power=power.holding,
        standing_power=power.standing,
    )


def _deliveries(known: Parts, index: int) -> tuple[Delivery, ...]:
    """Nodes by the moment they go into service: after their tests, and after their rework where they fail those."""
    pool = known.scenario.cluster.pools[index]
    counts: dict[float, int] = {}
    for date, count in pool.arrivals.items():  # cumulative; dates before the start all count at the start
        counts[seconds_from(known.scenario.start, date)] = count
    serving: dict[float, int] = defaultdict(int)
    tests, before = pool.acceptance, 0
    for time, count in counts.items():
        new, before = count - before, count
        if tests is None:
            serving[time] += new
        else:
            rejected = round(new * tests.rejects)
            serving[time + tests.burn_in] += new - rejected
            serving[time + tests.burn_in + tests.rework] += rejected
    return tuple(Delivery(time, nodes) for time, nodes in sorted(serving.items()) if nodes)


def _causes(known: Parts, pools: Sequence[PoolPlan]) -> tuple[Cause, ...]:
    """A group that is evicted on suspicion is the whole cluster at most."""
    nodes = sum(pool.nodes for pool in pools)
    return tuple(
        Cause(
            name, one.rate, one.node_lost, one.detection, one.per == "job", min(one.evicts, nodes), one.latency,
            one.speed, one.repeats,
        )
        for name, one in known.fleet.classes.items()
        if one.rate > 0
    )  # fmt: skip


def _domains(known: Parts, pools: Sequence[PoolPlan]) -> tuple[Domain, ...]:
    """Vertices above nodes; one above more nodes than there will be is one above all of them.

    Clocks count nodes by their failure weight, which a rack knows nothing of: rates are per weighted node.
    """
    nodes = sum(pool.nodes for pool in pools)
    weight = sum(pool.nodes * pool.failure_weight for pool in pools) / nodes
    found = []
    for name, one in known.fleet.domains.items():
        if one.rate > 0:
            whole = one.nodes >= nodes
            below, rate = (nodes * weight, one.rate) if whole else (one.nodes, one.rate / weight)
            found.append(Domain(name, below, rate, one.share, one.outage, one.detection, whole=whole))
    return tuple(found)


def _ageing(known: Parts) -> Ageing:
    nodes = known.fleet.nodes
    return Ageing(
        early=nodes.early.excess if nodes.early else 0.0,
        settling=nodes.early.settling if nodes.early else 1.0,
        doubling=nodes.wear.doubling if nodes.wear else math.inf,
        wear=nodes.wear.power if nodes.wear else 1.0,
        lemons=nodes.lemons if nodes.lemons is not None else math.inf,
        refail=nodes.refails,
        refail_after=nodes.refails_after,
    )


def _life(known: Parts) -> dict[str, Any]:
    """What may differ from a plain cluster: how its nodes fail, who mends them, and what is kept ready."""
    failures, checkpoint = known.scenario.failures, known.scenario.checkpoint
    removal, cold, maintenance = failures.removal, failures.cold, failures.maintenance
    return {
        "ageing": _ageing(known),
        "crews": failures.crews,
        "removal": None if removal is None else Removal(removal.faults, removal.within, removal.lead),
        "hot": failures.hot,
        "warm": failures.warm,
        "cold": None if cold is None else Cold(cold.nodes, cold.lead),
        "copies": checkpoint.memory.copies if checkpoint.memory else 1,
        "maintenance": None if maintenance is None else Maintenance(maintenance.every, maintenance.lasts),
        "follow": checkpoint.interval == "observed",
    }
