"""Jobs that save to one store: what their writes cost each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator import scenario as scenarios
from simulator.engine import sample
from simulator.hardware import Storage
from simulator.plan import plan
from simulator.plan.contention import Neighbours, Writer, crowding

JOB = "model: Llama-3.1-70B, tokens: 0.5 Ttoken, batch: 4 Mtoken, accelerators: 8000"
STORE = ["checkpoint={interval: 10 min}", "cluster.storage=parallel-filesystem"]  # 1 TB/s, which 834 nodes fill
ONE = [*STORE, f"jobs=[{{name: one, {JOB}}}]"]
TWO = [*STORE, f"jobs=[{{name: one, {JOB}}}, {{name: two, {JOB}}}]"]


def planned(*changes: str):
    return plan(scenarios.read("llama-3-405b", changes=changes))


def delay(own: float, other: float, begins: float, rate: float) -> float:
    """How much longer a write that begins at zero takes for one that begins then, both at a rate while they meet."""
    if begins >= own:
        return 0.0
    left = other if begins >= 0 else max(0.0, other + begins)
    meets = own - max(0.0, begins)
    return min(meets, left) * (1 / rate - 1)


@pytest.mark.parametrize(("own", "other"), [(30.0, 30.0), (10.0, 45.0), (45.0, 10.0)])
@pytest.mark.parametrize("rates", [(1.0, 1.0), (0.8, 0.5), (0.4, 0.3)])
def test_the_closed_form_is_the_mean_over_all_phases_of_two_writers(own, other, rates):
    round_of_other, begins = 600.0, np.arange(-300.0, 300.0, 0.05) + 0.025
    together = min(1.0, 1 / sum(rates))
    mean = np.mean([delay(own, other, begin, together) for begin in begins.tolist()])
    found = crowding(rates[0], [Writer(rates[1], other / round_of_other)], store=1.0)
    assert own * found == pytest.approx(own + mean, rel=1e-4)


def test_who_is_alone_or_far_from_the_stores_limit_loses_nothing():
    assert crowding(5.0, [], store=1.0) == 1.0
    assert crowding(0.2, [Writer(0.3, 0.5), Writer(0.7, 0.5)], store=1.0) == 1.0


def test_two_jobs_save_longer_beside_each_other_than_each_alone():
    alone = planned(*ONE).jobs[0].rungs[0]
    first, second = (job.rungs[0] for job in planned(*TWO).jobs)
    assert alone.accelerators == first.accelerators == second.accelerators
    assert alone.save < first.save == second.save
    share = alone.running * alone.save / (alone.interval + alone.save)
    assert first.save / alone.save == pytest.approx(1 + share)
    assert first.load == alone.load


def test_a_store_without_a_bound_and_a_time_that_was_asked_for_know_no_contention():
    for change in ("cluster.storage=node-local-nvme", "checkpoint.save=20 s"):
        first = planned(*TWO, change).jobs[0].rungs[0]
        alone = planned(*ONE, change).jobs[0].rungs[0]
        assert first.save == alone.save


def test_a_write_beside_the_training_takes_longer_and_the_save_does_not():
    first, alone = (planned(*jobs, "checkpoint.snapshot=1 s").jobs[0].rungs[0] for jobs in (TWO, ONE))
    assert first.save == alone.save == 1.0
    assert first.drain > alone.drain


def test_jobs_that_cannot_run_at_the_same_time_do_not_meet():
    made = planned(*TWO)
    others = Neighbours((made.jobs[1].rungs,), made.pools, Storage.load("parallel-filesystem"))
    assert others.crowding((made.pools[0].nodes,)) == 1.0
    assert others.crowding(made.jobs[0].rungs[0].nodes) > 1.0


def test_a_drain_is_over_before_the_next_write_to_the_store_begins():
    """Also where those between stay in memory."""
    tiers = planned("checkpoint={snapshot: 1 s, save: 140 s, interval: 140 s, memory: {interval: 100 s, save: 1 s}}")
    rung = tiers.jobs[0].rungs[0]
    assert rung.every * rung.interval >= rung.drain


def test_the_engine_lives_with_the_longer_saves():
    beside, apart = planned(*TWO), planned(*TWO, "cluster.storage=node-local-nvme")
    longer = [sample(one, seed=1).jobs[0].finished for one in (beside, apart)]
    assert math.isfinite(longer[0])
    assert longer[0] > longer[1]
