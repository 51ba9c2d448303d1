"""Each field of a plan is known to leaps: changed, the plan is lived in leaps as event by event, or in no leap at all.

A field that is added needs a value here, and whatever that value makes of a life has to be right.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from small_plans import job, plan, pool, rung
from test_leaps import Counted, assert_same_life

from simulator.engine import leap, sample
from simulator.plan import model
from simulator.plan.model import (
    Ageing,
    Cause,
    Cold,
    Delivery,
    Domain,
    Elastic,
    Instead,
    JobPlan,
    LeftOut,
    Maintenance,
    Plan,
    PoolPlan,
    PowerStep,
    Removal,
    Repair,
    Rung,
    Source,
)
from simulator.plan.replay import RecordedFaults

OTHER: Any = "something else, for nobody looks at it"
SOURCES = (Source("grid", (PowerStep(0.0, 60_000.0),), 1e-8, 1e-7), Source("gas", (PowerStep(0.0, 1e6),), 2e-8, 2e-7))

BASE = plan(
    [pool((0.0, 80), (300_000.0, 10), spare_share=0.2, holding_power=400.0, standing_power=10.0)],
    [job(1e30, rung(60, interval=100.0, save=5.0, mtti=3000.0, every=4, quick=1.0, quick_load=2.0), rung(50))],
    causes=[Cause("host", 1e-7, 1.0, 5.0), Cause("gpu", 3e-6, 0.8, 7.0, evicted=2), Cause("software", 2e-6, 0.0, 30.0)],
    repairs=[Repair("reset", 0.6, 500.0), Repair("part", 0.4, 9000.0, 3000.0)],
    power=[(0.0, 90_000.0), (350_000.0, 120_000.0)],
    horizon=400_000.0,
    domains=(Domain("rack", 3, 2e-8, 1.0, 2000.0, 1.0),),
    maintenance=Maintenance(150_000.0, 600.0),
    sources=SOURCES,
    crews=3,
    hot=2,
    warm=300.0,
)

# Where a part stands in the plan.
PUT: dict[type, Callable[..., Plan]] = {
    Plan: replace,
    PoolPlan: lambda life, **new: replace(life, pools=(replace(life.pools[0], **new),)),
    Delivery: lambda life, **new: PUT[PoolPlan](life, deliveries=(replace(life.pools[0].deliveries[0], **new),)),
    PowerStep: lambda life, **new: replace(life, power=(life.power[0], replace(life.power[1], **new))),
    Source: lambda life, **new: replace(life, sources=(replace(life.sources[0], **new), life.sources[1])),
    Cause: lambda life, **new: replace(life, causes=(replace(life.causes[0], **new), *life.causes[1:])),
    Domain: lambda life, **new: replace(life, domains=(replace(life.domains[0], **new),)),
    Ageing: lambda life, **new: replace(life, ageing=replace(life.ageing, **new)),
    Repair: lambda life, **new: replace(life, repairs=(life.repairs[0], replace(life.repairs[1], **new))),
    Maintenance: lambda life, **new: replace(life, maintenance=replace(life.maintenance, **new)),
    JobPlan: lambda life, **new: replace(life, jobs=(replace(life.jobs[0], **new),)),
    Rung: lambda life, **new: PUT[JobPlan](life, rungs=(replace(life.jobs[0].rungs[0], **new), life.jobs[0].rungs[1])),
}

CHANGES: dict[type, dict[str, Any]] = {
    Plan: {
        "name": OTHER, "question": OTHER, "start": dt.date(2030, 1, 1), "horizon": 300_000.0, "seed": 2,
        "pools": (pool((0.0, 85), spare_share=0.2),), "power": (),
        "jobs": (*BASE.jobs, job(1e6, rung(4), name="second")),
        "causes": BASE.causes[1:], "repairs": BASE.repairs[:1], "standby": 90.0, "tariff": OTHER, "carbon": 1.0,
        "references": (OTHER,), "scenario": OTHER, "domains": (), "ageing": Ageing(lemons=1.0), "crews": 1,
        "removal": Removal(2, 30_000.0, 5000.0), "hot": None, "warm": 600.0, "cold": Cold(1, 100.0), "copies": 3,
        "maintenance": None, "follow": True, "sources": (),
        "recorded": RecordedFaults(stays=(), servers=80, lasts=1e6, causes=(), mapping=""),
    },
    PoolPlan: {
        "name": OTHER, "node": OTHER, "accelerator": OTHER, "accelerators": 16, "deliveries": (Delivery(0.0, 85),),
        "spare_share": 0.1, "training_power": 2000.0, "idle_power": 350.0, "failure_weight": 2.0,
        "holding_power": 500.0, "standing_power": 20.0,
    },
    Delivery: {"time": 1000.0, "nodes": 90},
    PowerStep: {"time": 200_000.0, "watts": 60_000.0},
    Source: {"name": OTHER, "steps": (PowerStep(0.0, 70_000.0),), "price": 1.0, "carbon": 1.0},
    Cause: {
        "name": "nic", "rate": 6e-6, "node_lost": 0.3, "detection": 70.0, "per_job": True, "evicted": 4,
        "latency": 2000.0, "speed": 0.9, "repeats": 0.3,
    },
    Domain: {
        "name": OTHER, "nodes": 6, "rate": 2e-7, "share": 0.5, "outage": 9000.0, "detection": 60.0, "whole": True,
        "begin": 100_000.0, "end": 200_000.0,
    },
    Ageing: {
        "early": 2.0, "settling": 2000.0, "doubling": 1e6, "wear": 2.0, "lemons": 1.0, "refail": 0.3,
        "refail_after": 100.0,
    },
    Repair: {"name": OTHER, "share": 0.5, "mean": 20_000.0, "hands": 8000.0},
    Maintenance: {"every": 90_000.0, "lasts": 3000.0},
    JobPlan: {
        "name": OTHER, "model": OTHER, "tokens": 2e9, "flops_per_token": 1.0, "parameters": 2.0,
        "rungs": BASE.jobs[0].rungs[:1], "elastic": Elastic(20.0), "left_out": (LeftOut(OTHER, 1.0),),
    },
    Rung: {
        "nodes": (55,), "accelerators": 400, "tokens_per_second": 5000.0, "useful_tokens_per_second": 7000.0,
        "power": 50_000.0, "interval": 200.0, "save": 9.0, "restart": 200.0, "load": 40.0, "mtti": 9000.0,
        "running": 0.5, "hiding_batch": 1.0, "step": OTHER, "layout": OTHER, "memory": OTHER, "drain": 40.0, "every": 2,
        "quick": 2.0, "quick_load": 4.0, "replicas": 6, "shares": (OTHER,), "running_power": 50_000.0, "clock": 0.9,
        "instead": Instead(8, 1.0, 1.0), "stages": ((OTHER, 1.0),), "cut": (1,),
    },
}  # fmt: skip
# Whatever is in these, a plan that has one is lived event by event, or nobody looks: see Plan, JobPlan and Rung above.
WITHOUT = {Cold, Elastic, Removal, LeftOut, Instead}


def test_no_part_of_a_plan_and_no_field_of_it_is_unknown_here():
    parts = {part for part in vars(model).values() if is_dataclass(part) and part.__module__ == model.__name__}
    assert parts == {*CHANGES, *WITHOUT}
    assert set(PUT) == set(CHANGES)
    for part, changes in CHANGES.items():
        assert set(changes) == {field.name for field in fields(part)}, f"a field of {part.__name__} has no other value"


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, changes in CHANGES.items() for name in changes])
def test_a_plan_with_another_value_is_lived_in_leaps_as_event_by_event_or_in_none(monkeypatch, part, name):
    counted = Counted(monkeypatch, worth=4)
    life = PUT[part](BASE, **{name: CHANGES[part][name]})
    assert repr(life) != repr(BASE)
    stepwise = sample(life, seed=life.seed, leaping=False)
    assert_same_life(sample(life, seed=life.seed), stepwise, life.horizon)
    assert bool(counted.leaps) != bool(leap.hindrances(life))
