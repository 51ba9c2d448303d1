"""Schedules of a pipeline and groups of shards: what they buy, and what they cost in memory."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, fastest, machine
from simulator.step.alternatives import choice
from simulator.step.candidates import candidates
from simulator.step.fitting import those_that_fit
from simulator.step.pipeline import bubble, transfers
from simulator.workload import LayoutRequest, Recipe, Transformer

LLAMA = Transformer.load("Llama-3.1-405B")
EXPERTS = Transformer.load("DeepSeek-V3")
RECIPE = Recipe(batch=1024, sequence=4096)
KINDS = ("1f1b", "zero-bubble", "dualpipe")


@pytest.fixture(scope="module")
def h100():
    node = Node.load("HGX-H100")
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("infiniband-ndr-400g"), precision="bf16")


def layouts(**shape):
    return Layouts.of([Layout(schedule=kind, **shape) for kind in KINDS])


def test_bubbles_are_the_published_ones():
    """With F = 1, input gradients 1 and weight gradients 1, eight stages and microbatches enough."""
    three = np.ones(3)
    idle = bubble(3 * three, 3 * three, 2 * three, three, 64 * three, layouts(pipeline=8))
    forward, backward, weights = 1, 2, 1
    assert list(idle) == [7 * (forward + backward), 7 * (forward + backward - 2 * weights),
                          3 * (forward + backward + backward - 3 * weights)]  # fmt: skip


def test_the_slowest_stage_waits_for_the_others_and_not_for_itself():
    """One microbatch passes 7 stages of 3 s and one of 5 s; then 63 more leave the slow one every 5 s."""
    L, one = Layouts.of([Layout(pipeline=8)]), np.ones(1)
    assert 64 * 5 + bubble(5 * one, 3 * one, 2 * one, one, 64 * one, L)[0] == 7 * 3 + 5 + 63 * 5


def test_interleaved_stages_send_behind_the_chunk_they_compute(h100):
    L = Layouts.of([Layout(tensor=8, pipeline=8, data=8, interleave=v) for v in (1, 4)])
    count, long, short = np.full(2, 64.0), np.ones(2), np.full(2, 1e-6)

    def waits(stage, *, overlap):
        return transfers(h100, 8192, 4096, count, stage, L, overlap=overlap)

    alone = waits(long, overlap=False)
    assert alone[1] > 3 * alone[0]
    hidden = waits(long, overlap=True)
    assert hidden[0] == alone[0]
    assert hidden[1] == pytest.approx(alone[0] * (2 * 7 + 3 * 8) / (64 + 7))  # while the pipeline fills and drains
    assert hidden[1] < waits(short, overlap=True)[1] < alone[1]


@settings(deadline=None, max_examples=60)
@given(pipeline=st.sampled_from([2, 4, 8, 16]), microbatches=st.integers(1, 64), share=st.floats(0.0, 0.33))
def test_putting_weight_gradients_off_never_makes_a_bubble_longer_nor_a_step_impossible(pipeline, microbatches, share):
    """No step is shorter than one microbatch through all stages with the last weight gradient where it belongs."""
    both = Layouts.of([Layout(pipeline=pipeline), Layout(pipeline=pipeline, schedule="zero-bubble")])
    ones, count = np.ones(2), np.full(2, float(microbatches))
    plain, filled = bubble(ones, ones, 0.66 * ones, share * ones, count, both)
    assert 0 <= filled <= plain
    chain = pipeline * (1 - share) + share
    assert microbatches + filled >= min(chain, microbatches + plain) * (1 - 1e-12)


def test_zero_bubble_is_faster_and_fills_the_last_stage(h100):
    plain, filled, _ = (
        evaluate(h100, LLAMA, RECIPE, layouts(tensor=8, pipeline=16, data=8)).memory.stages(i, 16) for i in range(3)
    )
    assert filled["first"] == plain["first"]
    assert filled["last"].activations > plain["last"].activations
    times = evaluate(h100, LLAMA, RECIPE, layouts(tensor=8, pipeline=16, data=8)).total
    assert times[1] < times[0]


def test_dualpipe_holds_two_stages_and_shares_the_optimizer(h100):
    held = evaluate(h100, LLAMA, RECIPE, layouts(tensor=8, pipeline=16, data=8)).memory
    plain, both = held.stages(0, 16), held.stages(2, 16)
    assert both["middle"].weights == 2 * plain["middle"].weights
    assert both["middle"].optimizer == pytest.approx(plain["middle"].optimizer)
    assert both["first"] == both["last"]
    assert both["middle"].activations / plain["middle"].activations == pytest.approx(17 / 15)


def test_dualpipe_hides_the_exchange_of_tokens(h100):
    parts = evaluate(h100, EXPERTS, RECIPE, layouts(pipeline=16, data=64, expert=64)).parts
    exposed = parts["expert parallel"]
    assert exposed[0] == exposed[1] > exposed[2]


def test_a_search_tries_other_schedules_only_when_asked(h100):
    usual = fastest(h100, LLAMA, RECIPE, 2048)
    asked = fastest(h100, LLAMA, RECIPE, 2048, LayoutRequest(schedule="any"))
    assert usual.layout.schedule == "1f1b"
    assert asked.step.total <= usual.step.total
    staged = LayoutRequest(schedule="zero-bubble", pipeline=16)
    assert "zero-bubble" in str(fastest(h100, LLAMA, RECIPE, 2048, staged).layout)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (LayoutRequest(schedule="dualpipe", pipeline=9), "an even number, for dualpipe pairs stages; got 9"),
        (
            LayoutRequest(schedule="zero-bubble", pipeline=9, interleave=2),
            "expected 1, for zero-bubble has one chunk a stage; got 2",
        ),
        (
            LayoutRequest(schedule="dualpipe", pipeline=8, data=16, microbatch=8),
            f"at most the global batch of {RECIPE.batch} sequences, for dualpipe feeds both ends; got 2048",
        ),
        (LayoutRequest(data=64, shard=24), "expected a divisor of data × context = 64 ranks; got 24"),
    ],
)
def test_what_a_schedule_or_a_shard_cannot_have_is_refused(h100, request_, says):
    with pytest.raises(PlanError, match=says):
        fastest(h100, LLAMA, RECIPE, 2048, request_)


def test_dualpipe_takes_as_many_replicas_as_its_batch_can_pair(h100):
    recipe = replace(RECIPE, batch=1000)
    request = LayoutRequest(schedule="dualpipe", tensor=8, pipeline=16, context=1, microbatch=1)
    taken = candidates(h100, LLAMA, recipe, 8192, request)
    assert set(taken.data) == {31.0}
    chosen = fastest(h100, LLAMA, recipe, 8192, request)
    fitting = those_that_fit(h100, LLAMA, recipe, taken, request)
    others = choice(h100, LLAMA, recipe, 8192, request, chosen, fitting).alternatives
    staged = next(one for one in others if one.change == "PP 32")
    assert staged.layout.data == 15
    assert all(one.retuned <= one.slower for one in others if None not in (one.retuned, one.slower))


def test_what_no_combination_can_have_is_refused_with_the_nearest_that_works(h100):
    with pytest.raises(PlanError, match=r"shard has to divide data × context; the nearest layout that works is TP"):
        fastest(h100, LLAMA, RECIPE, 2048, LayoutRequest(shard=5000))


def test_sharding_inside_a_node_trades_memory_for_traffic(h100):
    """HSDP: weights gathered over fast links only, copied in every node; over all ranks it is FSDP."""
    small, recipe = Transformer.load("Llama-3-8B"), replace(RECIPE, overlap=False)
    choices = [Layout(data=512, zero=3), Layout(data=512, zero=3, shard=8), Layout(data=512, zero=3, shard=512)]
    found = evaluate(h100, small, recipe, Layouts.of(choices))
    everywhere, node, again = found.total
    assert again == everywhere > node
    assert found.memory.margin[0] > found.memory.margin[1]
    assert found.memory.at(1).optimizer == pytest.approx(64 * found.memory.at(0).optimizer)


def test_no_stage_gets_chunks_without_a_layer(h100):
    """126 layers in 16 stages leave eight a stage, but not eight chunks in each."""
    found = candidates(h100, LLAMA, RECIPE, 2048, LayoutRequest(schedule="any"))
    assert (found.pipeline * found.interleave <= LLAMA.layers).all()
