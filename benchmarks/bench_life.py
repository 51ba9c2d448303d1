"""How long a cluster's life takes to simulate: by failures, by accelerators, and on the work of others.

``pytest benchmarks/bench_life.py --benchmark-only``; with ``--benchmark-json`` and table.py it becomes part of
docs/speed.md.
"""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pytest
from joblib import cpu_count

from simulator import scenario as scenarios
from simulator.engine import Tally, sample, simulate
from simulator.plan import plan
from simulator.plan.model import Ageing, Cause, Delivery, JobPlan, Plan, PoolPlan, Repair, Rung
from simulator.study.replicate import replicate
from simulator.units import DAY

NOT_LOOKED_AT: Any = None
LEMONS = Ageing(lemons=1.0)  # of which there are no leaps


def cluster(nodes: int, failures: float, days: float, *, spares: float = 0.05, ageing: Ageing = Ageing()) -> Plan:  # noqa: B008
    """One job on almost all nodes, and so many failures expected in so many days."""
    working = nodes - math.floor(nodes * spares)
    rate = failures / (nodes * days * DAY)
    only = Rung(
        nodes=(working,), accelerators=8 * working, tokens_per_second=1.0, useful_tokens_per_second=1.0, power=1.0,
        interval=600.0, save=10.0, restart=300.0, load=0.0, mtti=1 / (rate * working), running=1.0, hiding_batch=None,
        step=NOT_LOOKED_AT, layout=NOT_LOOKED_AT, memory=NOT_LOOKED_AT,
    )  # fmt: skip
    return Plan(
        name="benchmark", question="", start=dt.date(2024, 9, 2), horizon=days * DAY, seed=1,
        pools=(PoolPlan("h100", "", "", 8, (Delivery(0.0, nodes),), spares, 1.0, 1.0, 1.0),), power=(),
        jobs=(JobPlan("job", "", 1e30, 1.0, 1.0, (only,)),),
        causes=(Cause("hardware", 0.78 * rate, 1.0, 60.0), Cause("software", 0.22 * rate, 0.0, 60.0)),
        repairs=(Repair("repair", 1.0, 2 * DAY),), standby=60.0, tariff=NOT_LOOKED_AT, carbon=0.0, references=(),
        ageing=ageing,
    )  # fmt: skip


@pytest.mark.parametrize("accelerators", [1_000, 10_000, 100_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("ageing", [Ageing(), LEMONS], ids=["leaps", "lemons, event by event"])
def test_two_thousand_failures(benchmark, accelerators, ageing):
    """Whatever the number of accelerators."""
    toy = cluster(accelerators // 8, 2000.0, 100.0, spares=0.6, ageing=ageing)
    books: Tally = benchmark.pedantic(sample, (toy,), {"seed": 1}, rounds=5, warmup_rounds=1)
    assert books.faults > 0


@pytest.mark.parametrize("days", [10, 100, 1000])
def test_two_thousand_failures_in_days(benchmark, days):
    """Whatever the number of days."""
    benchmark.pedantic(sample, (cluster(125_000, 2000.0, days, spares=0.6),), {"seed": 1}, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("failures", [1000, 10_000, 100_000])
@pytest.mark.parametrize("leaping", [True, False], ids=["leaps", "event by event"])
def test_failures(benchmark, failures, leaping):
    """Cost grows with these."""
    toy = cluster(125_000, failures, 100.0, spares=0.2)
    benchmark.pedantic(sample, (toy,), {"seed": 1, "leaping": leaping}, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize(
    ("servers", "days", "failures"),
    [(12_500, 100, 14_510), (25_000, 100, 29_203)],
    ids=["100k GPUs", "200k GPUs"],
)
def test_the_failures_of_airesim(benchmark, servers, days, failures):
    """AIReSim 7b139c7 took 250 and 1,056 CPU-seconds for one replica with so many failures."""
    benchmark.pedantic(sample, (cluster(servers, failures, days),), {"seed": 1}, rounds=3, warmup_rounds=1)


def test_airesim_defaults(benchmark):
    """Of which AIReSim took 28 to 40 CPU-seconds a replica."""
    work = plan(scenarios.read(Path(__file__).parent / "airesim-defaults.yaml"))
    benchmark.pedantic(sample, (work,), {"seed": 1}, rounds=3, warmup_rounds=1)


@pytest.fixture(scope="module")
def colossus() -> Plan:
    return plan(scenarios.read("colossus"))


def test_one_told_replica_of_colossus(benchmark, colossus):
    benchmark.pedantic(simulate, (colossus,), {"seed": 1}, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("leaping", [True, False], ids=["leaps", "event by event"])
def test_one_replica_of_colossus(benchmark, colossus, leaping):
    benchmark.pedantic(sample, (colossus,), {"seed": 1, "leaping": leaping}, rounds=5, warmup_rounds=1)


def test_a_thousand_replicas_of_colossus(benchmark, colossus):
    benchmark.pedantic(replicate, (colossus, 1000), {"workers": cpu_count()}, rounds=1)
