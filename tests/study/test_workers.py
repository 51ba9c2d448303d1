"""Several processes give the replicas that one gives, also when one of them dies."""

import multiprocessing

import numpy as np
import pytest

import simulator
from simulator.study import replicate as study

REPLICAS = 40


@pytest.fixture(scope="module")
def plan():
    return simulator.make_plan(simulator.read("aws-p5", changes=["failures.scale=20"]))


@pytest.fixture(scope="module")
def alone(plan):
    return study.replicate(plan, REPLICAS)


@pytest.fixture(autouse=True)
def _processes_pay(monkeypatch):
    monkeypatch.setattr(study, "_WORTH_PROCESSES", 0.0)
    monkeypatch.setattr(study, "_TASK", 0.01)


@pytest.fixture
def ours():
    """Children that this test has started; an earlier test's sweep may have left some that wait for more."""
    others = {child.pid for child in multiprocessing.active_children()}
    return lambda: [child for child in multiprocessing.active_children() if child.pid not in others]


def assert_same(one: study.Replication, other: study.Replication) -> None:
    assert one.ensemble == other.ensemble
    for curve, twin in zip(one.curves, other.curves, strict=True):
        assert np.array_equal(curve.time, twin.time)
        assert all(np.array_equal(curve.totals[name], twin.totals[name]) for name in curve.totals)


def test_two_workers_give_what_one_gives(plan, alone, ours):
    seen = set()

    def look(_: int) -> None:
        seen.add(len(ours()))

    assert_same(study.replicate(plan, REPLICAS, workers=2, progress=look), alone)
    assert 2 in seen


def test_a_worker_that_is_killed_costs_time_and_no_replica(plan, alone, ours):
    def kill(done: int) -> None:
        if done == REPLICAS // 2:
            for worker in ours():
                worker.kill()

    with pytest.warns(RuntimeWarning, match="a worker process was killed"):
        shared = study.replicate(plan, REPLICAS, workers=2, progress=kill)
    assert_same(shared, alone)


def test_an_interrupt_among_workers_keeps_what_is_done_and_leaves_no_process(plan, alone, ours):
    def stop(done: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    found = study.replicate(plan, REPLICAS, workers=2, progress=stop)
    assert found.ensemble.summaries == alone.ensemble.summaries[:5]
    assert found.ensemble.asked == REPLICAS
    assert not ours()
