"""The whole step: conservation, bounds, monotonicity, and layouts that are refused."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, fastest, machine, slowest
from simulator.step.candidates import candidates
from simulator.workload import LayoutRequest, Recipe, Transformer

LLAMA = Transformer.load("Llama-3.1-405B")
SMALL = Transformer.load("Llama-3-8B")
EXPERTS = Transformer.load("DeepSeek-V3")


def on(node_name, fabric, precision="bf16"):
    node = Node.load(node_name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load(fabric), precision=precision)


@pytest.fixture(scope="module")
def h100():
    return on("HGX-H100", "infiniband-ndr-400g")


@pytest.fixture(scope="module")
def a100():
    return on("DGX-A100", "infiniband-hdr-200g")


layouts = st.builds(
    Layout,
    tensor=st.sampled_from([1, 2, 4, 8]),
    pipeline=st.sampled_from([1, 2, 4, 8]),
    interleave=st.sampled_from([1, 2, 4]),
    context=st.sampled_from([1, 2]),
    data=st.integers(1, 64),
    microbatch=st.sampled_from([1, 2, 4]),
    recompute=st.sampled_from(["none", "selective", "full"]),
    zero=st.integers(0, 3),
    sequence_parallel=st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(layout=layouts, model=st.sampled_from([SMALL, LLAMA]))
def test_parts_add_up_and_no_step_beats_the_peak(h100, layout, model):
    evaluation = evaluate(h100, model, Recipe(batch=512, sequence=4096), Layouts.of([layout]))
    step = evaluation.at(0)
    assert step.total == pytest.approx(float(evaluation.total[0]))
    assert 0 < step.mfu < 1
    assert all(np.isfinite(seconds) for _, seconds in step.parts)
    assert all(seconds >= 0 for name, seconds in step.parts if name != "masked attention skipped")


@settings(deadline=None, max_examples=40)
@given(layout=layouts, name=st.sampled_from(["scaleout", "scaleup", "stream", "peak", "peak16"]))
def test_better_hardware_never_slows_a_step(h100, layout, name):
    better = replace(h100, **{name: 2 * getattr(h100, name)})
    recipe, one = Recipe(batch=512, sequence=4096), Layouts.of([layout])
    assert evaluate(better, SMALL, recipe, one).total[0] <= evaluate(h100, SMALL, recipe, one).total[0] * (1 + 1e-9)


@settings(deadline=None, max_examples=40)
@given(layout=layouts)
def test_layouts_alone_and_in_company_get_the_same_time(h100, layout):
    recipe = Recipe(batch=512, sequence=4096)
    alone = evaluate(h100, SMALL, recipe, Layouts.of([layout])).total[0]
    together = evaluate(h100, SMALL, recipe, Layouts.of([Layout(), layout])).total[1]
    assert alone == together


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_each_zero_stage_needs_less_memory(h100, stage):
    recipe = Recipe(batch=512, sequence=4096)
    pair = Layouts.of([Layout(tensor=8, data=64, zero=stage - 1), Layout(tensor=8, data=64, zero=stage)])
    before, after = evaluate(h100, SMALL, recipe, pair).memory.margin
    assert after > before


def test_recomputation_trades_time_for_memory(h100):
    recipe = Recipe(batch=512, sequence=8192)
    choices = [Layout(tensor=8, pipeline=8, data=8, recompute=r) for r in ("none", "selective", "full")]
    evaluation = evaluate(h100, LLAMA, recipe, Layouts.of(choices))
    assert list(evaluation.total) == sorted(evaluation.total)
    assert list(evaluation.memory.margin) == sorted(evaluation.memory.margin)


def test_interleaving_shrinks_the_bubble_in_proportion(h100):
    recipe = Recipe(batch=256, sequence=4096)
    even = Layout(tensor=8, pipeline=8, data=8, first_layers=4, last_layers=4)
    pair = Layouts.of([even, replace(even, interleave=2)])
    once, twice = evaluate(h100, SMALL, recipe, pair).parts["pipeline bubble"]
    assert once == pytest.approx(2 * twice)


@settings(deadline=None, max_examples=60)
@given(
    pipeline=st.sampled_from([2, 4, 8, 16]),
    interleave=st.sampled_from([1, 2, 4]),
    microbatches=st.integers(1, 64),
)
def test_a_microbatch_passes_every_stage_however_fine_the_chunks(h100, pipeline, interleave, microbatches):
    """The step is never shorter than one microbatch through all stages, nor than the slowest's work on all of them."""
    layout = Layout(tensor=8, pipeline=pipeline, interleave=interleave, data=1)
    parts = evaluate(h100, SMALL, Recipe(batch=microbatches, sequence=4096), Layouts.of([layout])).at(0).parts
    named = dict(parts)
    outside = ("pipeline bubble", "pipeline transfers", "data parallel", "optimizer")
    work = sum(seconds for name, seconds in parts if name not in outside)
    once = pipeline * (work - named.get("stage imbalance", 0.0)) / microbatches
    assert work + named["pipeline bubble"] >= max(once, work) * (1 - 1e-9)


def test_experts_are_spread_over_ranks_they_divide(h100):
    found = candidates(h100, EXPERTS, Recipe(batch=4096, sequence=4096), 1000, LayoutRequest())
    assert (np.mod(found.tensor * found.context * found.data, found.expert) == 0).all()
    with pytest.raises(PlanError, match="expected a divisor of tensor × context × data = 1421 ranks; got 8"):
        fastest(h100, EXPERTS, Recipe(batch=4096, sequence=4096), 1421, LayoutRequest(tensor=1, expert=8, data=1421))


def test_degrees_a_wafer_does_not_have_are_refused():
    recipe = Recipe(batch=64, sequence=2048, precision="fp16")
    with pytest.raises(PlanError, match="pipeline: expected 1, for weights stream through whole systems; got 4"):
        fastest(on("CS-3", "swarmx", "fp16"), SMALL, recipe, 8, LayoutRequest(pipeline=4, zero=3))


def test_a_tapered_fabric_slows_transfers_that_leave_the_pod(h100):
    tapered = on("HGX-H100", "meta-roce-24k")
    free = replace(tapered, tapers=tuple(1.0 for _ in tapered.tapers))
    layout = Layouts.of([Layout(tensor=8, pipeline=2, data=512)])
    recipe = Recipe(batch=4096, sequence=4096)
    name = "pipeline transfers"
    assert evaluate(tapered, SMALL, recipe, layout).parts[name] > evaluate(free, SMALL, recipe, layout).parts[name]


def test_a_small_model_waits_for_the_host_unless_its_kernels_are_replayed(h100):
    tiny = Transformer(name="tiny", layers=12, hidden=768, ffn=3072, heads=12, vocabulary=50257, gated=False)
    recipe, layout = Recipe(batch=64, sequence=1024), Layouts.of([Layout(data=8)])
    launched = evaluate(h100, tiny, recipe, layout)
    replayed = evaluate(h100, tiny, replace(recipe, cuda_graphs=True), layout)
    assert launched.parts["host"] > 0
    assert replayed.parts["host"] == 0
    assert launched.total > 1.5 * replayed.total
    assert evaluate(h100, LLAMA, Recipe(batch=512, sequence=8192), layout).parts["host"] == 0


def test_a_format_no_faster_than_16_bit_costs_nothing():
    wide, narrow = on("Dojo-tile", "dojo-mesh"), on("Dojo-tile", "dojo-mesh", "fp8")
    assert narrow.peak == wide.peak
    assert narrow.narrow == 1


def test_mfu_on_mixed_pools_is_measured_by_all_their_peaks(h100, a100):
    mixed = slowest([h100, a100], [8, 24])
    assert mixed.rated == pytest.approx((8 * 989e12 + 24 * 312e12) / 32)
    step = evaluate(mixed, SMALL, Recipe(batch=64, sequence=2048), Layouts.of([Layout(tensor=8, data=4)])).at(0)
    assert step.peak == pytest.approx(32 * mixed.rated)


def test_weights_of_llama_405b_take_two_bytes_each(a100):
    whole = Layouts.of([Layout(zero=0)])
    memory = evaluate(a100, LLAMA, Recipe(batch=1, sequence=1), whole).memory.at(0)
    assert memory.weights == pytest.approx(2 * LLAMA.parameters, rel=1e-6)
    assert memory.optimizer == pytest.approx(12 * LLAMA.parameters, rel=1e-6)


def test_llama_405b_on_16384_h100_reaches_about_forty_percent(h100):
    """The Llama 3 Herd of Models, table 4: 41 % MFU at a sequence of 8,192, in 16 stages."""
    found = fastest(h100, LLAMA, Recipe(batch=2048, sequence=8192), 16384, LayoutRequest(tensor=8, pipeline=16))
    assert 0.36 < found.step.mfu < 0.44
    assert found.memory.margin >= 0
    assert found.layout.accelerators <= 16384


def test_the_search_never_loses_to_a_layout_it_could_have_chosen(h100):
    recipe = Recipe(batch=2048, sequence=8192)
    found = fastest(h100, LLAMA, recipe, 16384)
    fixed = LayoutRequest(tensor=8, pipeline=18, microbatch=1, recompute="full")
    assert found.step.total <= fastest(h100, LLAMA, recipe, 16384, fixed).step.total


def test_a_partly_fixed_layout_is_kept(h100):
    found = fastest(h100, SMALL, Recipe(batch=1024, sequence=8192), 512, LayoutRequest(tensor=2, zero=3))
    assert (found.layout.tensor, found.layout.zero) == (2, 3)


@pytest.mark.parametrize(
    ("model", "request_", "says"),
    [
        (LLAMA, LayoutRequest(tensor=3), "tensor: expected a divisor of 128 heads; got 3"),
        (LLAMA, LayoutRequest(tensor=16), "the 8 accelerators of one scale-up domain; got 16"),
        (LLAMA, LayoutRequest(pipeline=200), "at most 126 layers; got 200"),
        (LLAMA, LayoutRequest(pipeline=16, interleave=3), "a divisor of the 8 layers of a stage; got 3"),
        (EXPERTS, LayoutRequest(expert=7), "a divisor of 256 experts; got 7"),
        (LLAMA, LayoutRequest(microbatch=4096), "at most the global batch of 2048 sequences; got 4096"),
        (LLAMA, LayoutRequest(tensor=8, pipeline=18, data=200), "at most 16384 accelerators; got 28800"),
    ],
)
def test_an_impossible_layout_is_refused_with_the_arithmetic(h100, model, request_, says):
    with pytest.raises(PlanError, match=says):
        fastest(h100, model, Recipe(batch=2048, sequence=8192), 16384, request_)


def test_a_model_that_does_not_fit_says_by_how_much_and_what_would_help(h100):
    says = r"needs .* per accelerator, has 80.7 GB usable, .* too little; it would fit on \d+ accel"
    with pytest.raises(PlanError, match=says):
        fastest(h100, LLAMA, Recipe(batch=64, sequence=8192), 16)


def test_a_number_format_the_accelerator_lacks_is_refused():
    with pytest.raises(PlanError, match="A100-SXM-80GB has no dense peak for fp8; it has bf16"):
        on("DGX-A100", "infiniband-hdr-200g", precision="fp8")


def test_fp8_is_faster_but_less_than_twice(h100):
    recipe = Recipe(batch=2048, sequence=8192)
    narrow = fastest(on("HGX-H100", "infiniband-ndr-400g", "fp8"), LLAMA, replace(recipe, precision="fp8"), 16384)
    wide = fastest(h100, LLAMA, recipe, 16384)
    assert 0.5 * wide.step.total < narrow.step.total < wide.step.total


def test_mixed_pools_go_at_the_pace_of_the_slower(h100):
    h200 = on("HGX-H200", "infiniband-ndr-400g")
    recipe, layout = Recipe(batch=2048, sequence=8192), Layouts.of([Layout(tensor=8, pipeline=18, data=64)])
    mixed = evaluate(slowest([h100, h200], [8, 8]), LLAMA, recipe, layout)
    each = [evaluate(one, LLAMA, recipe, layout) for one in (h100, h200)]
    assert mixed.total[0] == pytest.approx(max(one.total[0] for one in each))
    assert mixed.memory.capacity == min(one.memory.capacity for one in each)


def test_machines_that_execute_differently_share_no_job(h100):
    with pytest.raises(PlanError, match="execute differently"):
        slowest([h100, on("CS-3", "swarmx", "fp16")], [8, 1])


@settings(deadline=None, max_examples=25)
@given(accelerators=st.integers(1, 10**9), batch=st.integers(1, 10**6), sequence=st.sampled_from([1, 128, 8192, 10**6]))
def test_absurd_sizes_get_an_answer_or_a_reason(h100, accelerators, batch, sequence):
    with suppress(PlanError):  # a refusal is an answer; its words are tested elsewhere
        found = fastest(h100, EXPERTS, Recipe(batch=batch, sequence=sequence), accelerators)
        assert np.isfinite(found.step.total)
        assert found.step.total > 0
