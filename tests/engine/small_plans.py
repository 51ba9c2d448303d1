"""Plans of a few lines, built by hand: the engine needs neither a scenario nor a catalogue."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

from simulator.engine import Activity, Log
from simulator.plan.model import Cause, Delivery, Elastic, JobPlan, Plan, PoolPlan, PowerStep, Repair, Rung

NOT_LOOKED_AT: Any = (
    None  # step time, layout, memory and tariff travel through the plan; the engine has no use for them
)


def rung(
    *nodes: int,
    speed: float | None = None,
    useful: float | None = None,
    power: float | None = None,
    interval: float = 600.0,
    save: float = 10.0,
    restart: float = 100.0,
    load: float = 20.0,
    mtti: float = math.inf,
    **more: Any,
) -> Rung:
    total = sum(nodes)
    speed = 100.0 * total if speed is None else speed
    return Rung(
        nodes=nodes,
        accelerators=8 * total,
        tokens_per_second=speed,
        useful_tokens_per_second=speed if useful is None else useful,
        power=1000.0 * total if power is None else power,
        interval=interval,
        save=save,
        restart=restart,
        load=load,
        mtti=mtti,
        running=1.0,
        hiding_batch=None,
        step=NOT_LOOKED_AT,
        layout=NOT_LOOKED_AT,
        memory=NOT_LOOKED_AT,
        **more,
    )


def job(tokens: float, *rungs: Rung, name: str = "pretrain", elastic: float | None = None) -> JobPlan:
    return JobPlan(
        name=name,
        model="toy",
        tokens=tokens,
        flops_per_token=6.0,
        parameters=1.0,
        rungs=rungs,
        elastic=None if elastic is None else Elastic(elastic),
    )


def pool(
    *deliveries: tuple[float, int], spare_share: float = 0.0, weight: float = 1.0, name: str = "h100", **more: float
) -> PoolPlan:
    return PoolPlan(
        name=name,
        node="HGX",
        accelerator="H100",
        accelerators=8,
        deliveries=tuple(Delivery(time, nodes) for time, nodes in deliveries),
        spare_share=spare_share,
        training_power=1000.0,
        idle_power=300.0,
        failure_weight=weight,
        **more,
    )


def plan(
    pools: Sequence[PoolPlan],
    jobs: Sequence[JobPlan],
    *,
    causes: Sequence[Cause] = (),
    repairs: Sequence[Repair] = (Repair("reset", 1.0, 3600.0),),
    power: Sequence[tuple[float, float]] = (),
    horizon: float = 1e7,
    standby: float = 60.0,
    seed: int = 1,
    **life: Any,
) -> Plan:
    return Plan(
        name="toy",
        question="",
        start=dt.date(2024, 9, 2),
        horizon=horizon,
        seed=seed,
        pools=tuple(pools),
        power=tuple(PowerStep(time, watts) for time, watts in power),
        jobs=tuple(jobs),
        causes=tuple(causes),
        repairs=tuple(repairs),
        standby=standby,
        tariff=NOT_LOOKED_AT,
        carbon=0.0,
        references=(),
        **life,
    )


def ledger(log: Log, job_index: int = 0) -> dict[Activity, float]:
    """Seconds of a job by activity."""
    spent = dict.fromkeys(Activity, 0.0)
    for interval in log.intervals:
        if interval.job == job_index:
            spent[interval.activity] += interval.end - interval.start
    return spent


def story(log: Log, job_index: int = 0) -> list[tuple[Activity, float, float]]:
    return [(i.activity, i.start, i.end) for i in log.intervals if i.job == job_index]


def kinds(log: Log) -> list[str]:
    return [event.kind for event in log.events]
