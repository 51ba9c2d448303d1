"""Recorded faults lived through again: exactly on a cluster of the same size, and by a stated mapping on others."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_plans import job, plan, pool, rung

from simulator.engine import simulate
from simulator.engine.replay import schedule
from simulator.plan.model import Cause
from simulator.plan.replay import RecordedFaults, recorded_faults
from simulator.reliability import Failures, Fleet
from simulator.reliability.record import Stay, servers_down
from simulator.scenario.recorded_faults import read_faults

TRACE = Path(__file__).parents[2] / "seeds" / "traces" / "stepfun_fault_trace.json"
GPU = Cause("GPU", 0.0, 1.0, 10.0)
DAY = 86400.0


def recorded(*stays, servers=4, lasts=1000.0):
    return RecordedFaults(tuple(Stay(*stay, 0) for stay in stays), servers, lasts, (GPU,), "")


def cluster(nodes, faults, *, horizon, pools=None):
    """One job on half of the nodes that outlasts the horizon."""
    made = pools or (pool((0.0, nodes)),)
    size = nodes // 2
    zeros = (0,) * (len(made) - 1)
    endless = job(1e12, *(rung(n, *zeros) for n in range(size, 0, -1)))
    return replace(plan(made, [endless], horizon=horizon), recorded=faults)


def down(log):
    """Moments and nodes down from each of them."""
    time = np.array([sample.time for sample in log.samples])
    broken = np.array([sum(sample.installed) - sum(sample.healthy) for sample in log.samples])
    return time, broken


def struck(log):
    """Moments at which the job was struck."""
    return tuple(event.time for event in log.events if event.kind in ("interruption", "setback"))


def test_the_published_trace_gives_its_own_curve_of_servers_down_exactly():
    record = read_faults(TRACE, 400)
    faults = recorded_faults(
        Failures(fleet="llama-3-fleet", trace=str(TRACE), servers=400), Fleet.load("llama-3-fleet"), 400
    )  # fmt: skip
    log = simulate(cluster(400, faults, horizon=record.lasts), seed=5)
    time, broken = down(log)
    moments, count = servers_down(record)
    lived = broken[np.searchsorted(time, moments, side="right") - 1]
    inside = moments < record.lasts
    assert np.array_equal(lived[inside], count[inside])
    assert set(time[np.flatnonzero(np.diff(broken, prepend=0))]) <= set(moments)


def test_the_curve_does_not_depend_on_the_seed_but_the_job_that_is_struck_does():
    faults = recorded(*((10.0 * k, 10.0 * k + 5, k % 4) for k in range(1, 90)))
    logs = [simulate(cluster(4, faults, horizon=1000.0), seed=seed) for seed in range(6)]
    curves = {
        tuple(zip(*(part[np.diff(down(log)[1], prepend=0) != 0] for part in down(log)), strict=True)) for log in logs
    }
    assert len(curves) == 1
    assert len({struck(log) for log in logs}) > 1


def test_a_job_is_struck_as_often_as_its_share_of_the_nodes():
    faults = recorded(*((10.0 * k, 10.0 * k + 5, k % 40) for k in range(1, 90)), servers=40)
    strikes = sum(len(struck(simulate(cluster(40, faults, horizon=1000.0), seed=seed))) for seed in range(20))
    assert strikes / (20 * 89) == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / (20 * 40)))


def test_more_nodes_than_servers_live_through_the_record_at_different_times():
    visits = schedule(recorded((100.0, 150.0, 0), servers=1), 4, 1000.0, seed=1)
    assert [(start, end) for start, end, _, _ in visits] == [(100, 150), (350, 400), (600, 650), (850, 900)]
    assert sorted(node for _, _, node, _ in visits) == [0, 1, 2, 3]


def test_fewer_nodes_than_servers_are_a_sample_of_them():
    faults = recorded(*((float(server), server + 0.5, server) for server in range(100)), servers=100)
    seen = Counter(len(schedule(faults, 30, 100.0, seed=seed)) for seed in range(5))
    assert seen == {30: 5}


def test_a_record_that_ends_begins_anew():
    visits = schedule(recorded((100.0, 150.0, 0), servers=1, lasts=200.0), 1, 500.0, seed=1)
    assert [start for start, *_ in visits] == [100, 300, 500]


def test_a_copy_may_begin_in_the_middle_of_a_fault():
    visits = schedule(recorded((400.0, 700.0, 0), servers=1), 2, 900.0, seed=1)
    assert [(start, end, node) for start, end, node, _ in visits] == [(0, 200, 1), (400, 700, 0), (900, 1200, 1)]


def test_a_node_misses_what_happens_before_it_arrives():
    faults = recorded((100.0, 150.0, 0), (100.0, 150.0, 1), (300.0, 350.0, 0), (300.0, 350.0, 1), servers=2)
    late = (pool((0.0, 1)), pool((200.0, 1), name="late"))
    _, broken = down(simulate(cluster(2, faults, horizon=400.0, pools=late), seed=1))
    assert broken.max() == 2
    _, broken = down(simulate(cluster(2, faults, horizon=250.0, pools=late), seed=1))
    assert broken.max() == 1


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (400, "each on a node of its own"),
        (100, "100 of the servers are drawn"),
        (1000, "up to 3 nodes live through each"),
    ],
)
def test_the_mapping_is_told(nodes, said):
    failures = Failures(fleet="llama-3-fleet", trace=str(TRACE), servers=400)
    assert said in recorded_faults(failures, Fleet.load("llama-3-fleet"), nodes).mapping


def test_the_plan_expects_the_rate_of_the_record():
    failures = Failures(fleet="llama-3-fleet", trace=str(TRACE), servers=400)
    made = recorded_faults(failures, Fleet.load("llama-3-fleet"), 400)
    assert sum(cause.rate for cause in made.causes) * 1000 * DAY == pytest.approx(4.18, rel=0.01)
