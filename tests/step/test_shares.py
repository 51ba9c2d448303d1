"""Pools of unequal speed in one synchronous job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layouts, balanced, evaluate, fastest, machine, rebalanced, slowest
from simulator.workload import LayoutRequest, Recipe, Transformer

LLAMA = Transformer.load("Llama-3.1-70B")
RECIPE = Recipe(batch=1024, sequence=8192)
FREE = LayoutRequest()


def on(node):
    known = Node.load(node)
    return machine(known, Accelerator.load(known.accelerator), Fabric.load("infiniband-ndr-400g"), precision="bf16")


H100, A100, H200, B200 = (on(node) for node in ("HGX-H100", "DGX-A100", "HGX-H200", "HGX-B200"))
MIXES = [
    ([H100, A100], [512, 1024]),
    ([H100, A100], [256, 256]),
    ([H100, B200], [1024, 512]),
    ([H100, H200], [512, 512]),
    ([A100, H100, B200], [512, 256, 128]),
]
IDS = ["h100-a100", "few", "h100-b200", "h100-h200", "three"]


def equal_shares(machines, counts, recipe=RECIPE):
    return fastest(slowest(machines, counts), LLAMA, recipe, sum(counts))


def pace(machines, counts):
    equal = equal_shares(machines, counts)
    found = balanced(machines, counts, LLAMA, RECIPE, FREE, equal)
    return (found[0] if found else equal), (found[1] if found else ()), equal


@pytest.mark.parametrize(("machines", "counts"), MIXES, ids=IDS)
def test_never_slower_than_the_slower_pace_and_never_faster_than_all_pools_together(machines, counts):
    answer, _, equal = pace(machines, counts)
    alone = [fastest(m, LLAMA, RECIPE, n).step.tokens_per_second for m, n in zip(machines, counts, strict=True)]
    assert equal.step.tokens_per_second <= answer.step.tokens_per_second <= sum(alone)


@pytest.mark.parametrize(("machines", "counts"), MIXES, ids=IDS)
def test_the_whole_batch_is_trained_in_whole_microbatches_that_fit(machines, counts):
    answer, shares, _ = pace(machines, counts)
    if not shares:
        return
    assert sum(s.replicas * s.microbatches * s.layout.microbatch for s in shares) >= RECIPE.batch
    assert sum(s.replicas for s in shares) == answer.layout.data
    for share, count in zip(shares, counts, strict=True):
        assert share.replicas * share.layout.model_parallel <= count
    assert answer.memory.margin >= 0
    assert answer.step.total == pytest.approx(max(s.seconds for s in shares))


def test_where_speeds_differ_by_much_the_balance_wins_most_of_the_difference():
    answer, shares, equal = pace([H100, A100], [512, 1024])
    assert answer.step.tokens_per_second > 1.3 * equal.step.tokens_per_second
    quick, slow = shares
    assert quick.microbatches * quick.layout.microbatch > slow.microbatches * slow.layout.microbatch


def test_equal_pools_are_one_pool():
    whole = fastest(H100, LLAMA, RECIPE, 1024)
    assert balanced([H100, H100], [512, 512], LLAMA, RECIPE, FREE, whole) is None
    again = replace(whole.layout, data=whole.layout.data)
    assert evaluate(H100, LLAMA, RECIPE, Layouts.of([again])).total[0] == pytest.approx(whole.step.total)


def test_a_faster_second_pool_never_slows_the_job():
    paces = [pace([A100, replace(A100, gemm=A100.gemm * f)], [512, 512])[0].step.total for f in (1.0, 1.2, 1.5, 2.0)]
    assert paces == sorted(paces, reverse=True)


def test_mfu_is_the_model_s_arithmetic_over_the_peak_of_both_pools():
    answer, shares, _ = pace([H100, A100], [512, 1024])
    peak = sum(s.replicas * s.layout.model_parallel * m.peak for s, m in zip(shares, (H100, A100), strict=True))
    flops = RECIPE.tokens * LLAMA.flops_per_token(RECIPE.sequence)
    assert answer.step.mfu == pytest.approx(flops / peak / answer.step.total)
    assert answer.step.parts[0][1] / answer.step.total == pytest.approx(answer.step.mfu)


def test_fixed_degrees_are_kept():
    request = LayoutRequest(tensor=8, pipeline=2, data=48, microbatch=1)
    machines, counts = [H100, A100], [512, 512]
    equal = fastest(slowest(machines, counts), LLAMA, RECIPE, 1024, request)
    found = balanced(machines, counts, LLAMA, RECIPE, request, equal)
    assert found is not None
    layout = found[0].layout
    assert (layout.tensor, layout.pipeline, layout.data, layout.microbatch) == (8, 2, 48, 1)
    assert [share.replicas for share in found[1]] == [32, 16]


def test_what_failures_leave_is_dealt_out_anew():
    machines, counts = [H100, A100], [512, 1024]
    _, shares, _ = pace(machines, counts)
    fewer = rebalanced(machines, [504, 992], LLAMA, RECIPE, FREE, shares)
    assert fewer is not None
    trained = sum(s.replicas * s.microbatches * s.layout.microbatch for s in fewer[1])
    assert trained >= RECIPE.batch
    assert sum(s.replicas for s in fewer[1]) < sum(s.replicas for s in shares)
    assert rebalanced(machines, [504, 0], LLAMA, RECIPE, FREE, shares) is None


def test_a_batch_of_fewer_sequences_than_replicas_is_not_dealt_out():
    tiny = replace(RECIPE, batch=16)
    equal = equal_shares([H100, A100], [512, 512], tiny)
    found = balanced([H100, A100], [512, 512], LLAMA, tiny, FREE, equal)
    assert found is None or found[0].layout.data <= 16
