"""A run that was not getting anywhere says why, and the reason is true."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import handmade
from handmade import DAY

from simulator.engine import simulate
from simulator.report.unfinished import stuck
from simulator.results.projection import project
from simulator.results.series import series

PLAN = handmade.plan(power=())


def _rungs(planned, **changes):
    (job,) = planned.jobs
    return replace(planned, jobs=(replace(job, rungs=tuple(replace(rung, **changes) for rung in job.rungs)),))


def _reason(planned):
    log = simulate(planned, seed=1)
    found = project(planned, log, series(planned, log))
    assert found[0].remaining is None
    return found[0].hindrance, stuck(planned, found)


def test_a_horizon_shorter_than_the_start_is_the_reason():
    found, said = _reason(replace(PLAN, horizon=1.0))
    assert (found.kind, found.needed, found.given) == ("start", 400.0, 1.0)
    assert "starting pretrain takes 6.7 min, and the run ended 1 s after its nodes were there" in said


def test_a_start_longer_than_the_horizon_is_the_reason():
    found, said = _reason(_rungs(replace(PLAN, horizon=10 * DAY, causes=()), restart=30 * DAY))
    assert found.kind == "start"
    assert "starting pretrain takes 30.0 d, and the run ended 10.0 d after" in said


def test_restarts_that_never_end_are_the_reason():
    causes = tuple(replace(cause, rate=1000 * cause.rate, node_lost=0.0) for cause in PLAN.causes)
    found, said = _reason(_rungs(replace(PLAN, causes=causes, horizon=10 * DAY), restart=DAY, mtti=600.0))
    assert (found.kind, found.given) == ("restart", 600.0)
    assert found.needed == DAY + 60.0
    assert "a restart of pretrain takes 1.0 d, and something interrupts it every 10.0 min on average" in said


def test_nodes_that_never_come_are_the_reason():
    few = tuple(replace(pool, deliveries=(handmade.Delivery(0.0, 10),)) for pool in PLAN.pools)
    found, said = _reason(replace(PLAN, pools=few))
    assert found.kind == "nodes"
    assert "pretrain was waiting for nodes: its smallest size needs 768 accelerators" in said
    assert "the cluster has at most 160 accelerators" in said


@pytest.mark.parametrize("horizon", [5 * DAY, 30 * DAY])
def test_a_run_that_was_training_has_no_hindrance(horizon):
    planned = replace(PLAN, horizon=horizon)
    log = simulate(planned, seed=1)
    (found,) = project(planned, log, series(planned, log))
    assert found.remaining > 0
    assert found.hindrance is None
