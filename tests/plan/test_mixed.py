"""Jobs on two kinds of node: shares by speed, or without the slow one."""

from __future__ import annotations

import pytest

from simulator import scenario as scenarios
from simulator.engine import sample
from simulator.plan import plan

_TWO = """
name: two
question: Do two kinds of node train together?
start: 2025-01-01
cluster:
  pools:
    - {name: h100, node: HGX-H100, arrivals: {2025-01-01: %d}}
    - {name: a100, node: DGX-A100, arrivals: {2025-01-01: %d}}
  fabric: infiniband-ndr-400g
site: us-average
jobs:
  - {name: job, model: Llama-3.1-70B, tokens: 300 Gtoken, batch: 4 Mtoken}
failures: llama-3-fleet
horizon: 2 y
"""


@pytest.fixture
def two(tmp_path):
    def made(h100, a100):
        file = tmp_path / "two.yaml"
        file.write_text(_TWO % (h100, a100))
        return plan(scenarios.read(file)).jobs[0]

    return made


def test_both_pools_work_where_both_pay(two):
    job = two(64, 128)
    best = job.rungs[0]
    assert all(best.nodes)
    assert job.left_out == ()
    assert len(best.shares) == 2
    alone = max(rung.useful_tokens_per_second for rung in job.rungs if not all(rung.nodes))
    assert best.useful_tokens_per_second > alone


def test_the_pool_that_does_not_pay_is_left_out_and_said(two):
    job = two(640, 64)
    assert job.rungs[0].nodes[1] == 0
    (without,) = job.left_out
    assert without.pool == "a100"
    assert without.useful < 1


def test_sizes_below_are_balanced_too_and_a_run_lives_on_them(two):
    job = two(64, 128)
    mixed = [rung for rung in job.rungs if all(rung.nodes)]
    assert len(mixed) > 3
    assert all(rung.shares for rung in mixed[:3])
    for rung in mixed:
        for (
            share,
            nodes,
        ) in zip(rung.shares, rung.nodes, strict=False):
            assert share.replicas * share.layout.model_parallel <= 8 * nodes


def test_a_run_on_two_pools_closes_its_books(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text(_TWO % (64, 128))
    books = sample(plan(scenarios.read(file)), seed=3)
    assert books.jobs[0].finished is not None
    assert sum(books.spent[0].values()) == pytest.approx(books.jobs[0].finished, rel=1e-9)
