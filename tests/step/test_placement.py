"""Layers on stages: none lost, the slowest as quick as can be, memory and times by stage, requests that cannot be."""

from dataclasses import replace
from itertools import product

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
from simulator.step.memory import footprint
from simulator.step.placement import deal, dealt, ending, spread
from simulator.step.timing import cut, stage
from simulator.workload import LayoutRequest, Recipe, Transformer

LLAMA, SMALL, EXPERTS = (Transformer.load(name) for name in ("Llama-3.1-405B", "Llama-3-8B", "DeepSeek-V3"))
RECIPE = Recipe(batch=1024, sequence=8192)


def on(name, fabric="infiniband-ndr-400g", precision="bf16"):
    node = Node.load(name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load(fabric), precision=precision)


@pytest.fixture(scope="module")
def h100():
    return on("HGX-H100")


def slowest(layers, beside):
    return max(*layers[:-1], layers[-1] + beside)


def held(placed, pipeline, layers):
    """Layers on every stage, those in between as even as can be."""
    first, between, last = (int(one[0]) for one in placed)
    inner = pipeline - 2
    full = layers - first - last - inner * (between - 1)
    return [first, *[between] * full, *[between - 1] * (inner - full), last]


@settings(deadline=None, max_examples=150)
@given(layers=st.integers(2, 12), pipeline=st.integers(2, 4), beside=st.floats(0.01, 9))
def test_no_other_way_to_deal_whole_layers_is_quicker(layers, pipeline, beside):
    placed = held(dealt(layers, beside, Layouts.of([Layout(pipeline=pipeline)])), pipeline, layers)
    every = (ways for ways in product(range(layers + 1), repeat=pipeline) if sum(ways) == layers)
    assert slowest(placed, beside) == pytest.approx(min(slowest(ways, beside) for ways in every))


@given(
    pipeline=st.integers(1, 126), interleave=st.sampled_from([1, 2, 3, 8]),
    model=st.sampled_from([LLAMA, EXPERTS, SMALL]), ends=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)  # fmt: skip
def test_every_layer_is_on_one_stage(pipeline, interleave, model, ends):
    pipeline = min(pipeline, model.layers)
    first, last = ends if pipeline > 2 and sum(ends) + pipeline - 2 <= model.layers else (0, 0)
    layout = Layout(pipeline=pipeline, interleave=interleave, first_layers=first, last_layers=last)
    layers = spread(model, RECIPE, layout)
    assert (len(layers), sum(layers)) == (pipeline, model.layers)
    assert min(layers) >= 0
    assert max(layers[1:-1], default=0) - min(layers[1:-1], default=0) <= 1
    assert not first or layers[0] == first
    assert not last or layers[-1] == last


@given(st.integers(2, 64), st.integers(2, 16), st.floats(0.01, 5), st.floats(0, 5))
def test_a_heavier_end_gets_no_more_layers_and_makes_no_step_quicker(layers, pipeline, beside, more):
    one = Layouts.of([Layout(pipeline=min(pipeline, layers))])
    light, heavy = (dealt(layers, x, one) for x in (beside, beside + more))
    times = [slowest(list(p[:, 0]), x) for p, x in ((light, beside), (heavy, beside + more))]
    assert times[0] <= times[1] * (1 + 1e-9)
    assert heavy[2, 0] <= light[2, 0]


def test_llama_405b_is_dealt_as_it_ran():
    """126 layers on 16 stages, one fewer on the first and the last (The Llama 3 Herd of Models, section 3.3.2)."""
    assert spread(LLAMA, RECIPE, Layout(pipeline=16)) == (7, *[8] * 14, 7)


def test_a_light_end_leaves_even_stages_alone():
    assert ending(LLAMA, RECIPE) < 1
    assert spread(LLAMA, RECIPE, Layout(pipeline=18)) == (7,) * 18


def test_a_large_vocabulary_takes_layers_off_the_last_stage_and_chunks_keep_their_size():
    """32 layers in 4 stages, the logits as heavy as two: 9 + 9 + 8 + 6 rather than 8 and 10; in chunks of four even."""
    assert 2 < ending(SMALL, RECIPE) < 2.2
    assert spread(SMALL, RECIPE, Layout(pipeline=4)) == (8, 9, 9, 6)
    assert spread(SMALL, RECIPE, Layout(pipeline=4, interleave=4)) == (8,) * 4


def test_stages_that_are_alike_are_in_balance(h100):
    alike = SMALL.model_copy(update={"vocabulary": 1})
    parts = evaluate(h100, alike, RECIPE, Layouts.of([Layout(pipeline=p) for p in (1, 4)])).parts
    alone, staged = parts["stage imbalance"]
    assert alone == 0
    assert 0 <= staged < 1e-3 * parts["model arithmetic at peak"][1]


@pytest.mark.parametrize("model", [LLAMA, SMALL], ids=lambda model: model.name)
@pytest.mark.parametrize("pipeline", [2, 4, 7])
def test_no_stated_ends_are_much_quicker_by_the_clock(h100, model, pipeline):
    """The deal weighs in arithmetic; times differ a little, so a quarter of a layer's time is allowed."""
    even = -(-model.layers // pipeline)
    near = range(even - 4, even + 2)
    ends = [(first, last) for first, last in product(near, near) if pipeline > 2 or first + last == model.layers]
    stated = [Layout(tensor=8, pipeline=pipeline, first_layers=first, last_layers=last) for first, last in ends]
    layouts = Layouts.of([Layout(tensor=8, pipeline=pipeline), *stated])
    passes = cut(h100, model, RECIPE, layouts)
    times = stage(model, layouts, passes).paced.slowest
    assert times[0] <= times.min() + 0.25 * (passes.forward + passes.backward)[0]


def test_all_stages_together_take_what_the_average_says(h100):
    """Also where the first layers have no experts and are quicker than the others."""
    layouts = Layouts.of([Layout(tensor=8, pipeline=8, first_layers=8, last_layers=8)])
    model = EXPERTS.model_copy(update={"layers": 64, "dense_layers": 8, "next_tokens": 0, "vocabulary": 1000})
    passes = cut(h100, model, RECIPE, layouts)
    found, head = stage(model, layouts, passes), passes.head.total[0]
    routed = found.paced.slowest[0] - head  # the last stage's layers
    first = 8 * found.average[0] - 7 * routed - head
    assert 0 < first < 0.9 * routed
    times = passes.leading[:, 0]
    assert first == pytest.approx(8 * (times[0] + times[1] + times[4]))


def test_all_stages_together_hold_every_weight(h100):
    model = EXPERTS.model_copy(update={"layers": 64, "next_tokens": 0})
    one = Layouts.of([Layout(pipeline=8, zero=0, first_layers=8, last_layers=8)])
    first, between, last = footprint(h100, model, RECIPE, one).weights[:, 0]
    assert first + 6 * between + last == pytest.approx(2 * model.parameters)
    assert first < between
    assert between == pytest.approx(2 * 8 * (model.parameters - model.embedding_parameters
                                             - 3 * model.leading_parameters) / 61)  # fmt: skip


def test_layers_without_experts_keep_less(h100):
    """The first of 16 stages has three of them and as many microbatches in flight as there are."""
    stages = footprint(h100, EXPERTS, RECIPE, Layouts.of([Layout(tensor=8, pipeline=16, expert=8)])).stages(0, 16)
    assert stages["first"].activations / 16 < 0.85 * stages["middle"].activations / 15


def test_fewer_layers_on_an_end_free_its_memory_and_fill_the_others(h100):
    even, fewer = (Layout(tensor=8, pipeline=18, last_layers=last) for last in (7, 4))
    held = footprint(h100, LLAMA, RECIPE, Layouts.of([even, fewer]))
    before, after = (held.stages(index, 18) for index in (0, 1))
    assert after["last"].weights < before["last"].weights
    assert after["middle"].weights > before["middle"].weights


def test_every_candidate_is_cut_into_whole_chunks(h100):
    for model in (LLAMA, SMALL, EXPERTS):
        found = candidates(h100, model, RECIPE, 16384, LayoutRequest())
        assert (np.mod(deal(model, RECIPE, found).fullest, found.interleave) == 0).all()


def test_logits_hold_up_no_pipeline_that_can_deal_fewer_layers_to_their_stage(h100):
    """128 layers share out evenly over every power of two; 65 stages take two each, and one at both ends."""
    grok, recipe = Transformer.load("Grok-3-estimate"), Recipe(batch=31250, sequence=8192)
    found = fastest(h100, grok, recipe, 96_256)
    assert dict(found.step.parts)["stage imbalance"] < 0.03 * found.step.total
    even = fastest(h100, grok, recipe, 96_256, LayoutRequest(pipeline=128))
    assert dict(even.step.parts)["stage imbalance"] > 0.1 * even.step.total
    assert found.step.total < even.step.total


def test_what_a_request_says_of_the_ends_is_kept(h100):
    found = fastest(h100, LLAMA, RECIPE, 4096, LayoutRequest(first_layers=7, last_layers=7))
    layers = spread(LLAMA, RECIPE, found.layout)
    assert layers[0] == layers[-1] == 7
    assert len(set(layers[1:-1])) == 1
    assert "first 7, last 7 layers" in str(found.layout)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (
            LayoutRequest(pipeline=1, last_layers=3),
            "pipeline: expected at least 2, for layers of the first or the last of several stages are set; got 1",
        ),
        (LayoutRequest(pipeline=1, last_layers=2, tensor=8, recompute_layers=0), "pipeline: expected at least 2"),
        (
            LayoutRequest(pipeline=2, first_layers=3, last_layers=4),
            r"first_layers \+ last_layers: expected all 32 layers",
        ),
        (LayoutRequest(pipeline=16, first_layers=20), "first_layers: expected at most 17 of 32 layers, .* got 20"),
        (LayoutRequest(last_layers=40), "last_layers: expected at most 31 of 32 layers"),
        (
            LayoutRequest(pipeline=2, last_layers=40, tensor=5, interleave=3),
            "last_layers: expected at most 31 of 32 layers, for each other stage needs one; got 40\n"
            ".*tensor: expected a divisor of 32 heads; got 5\n.*nearest",
        ),
        (LayoutRequest(pipeline=4, last_layers=2, interleave=4), "interleave: expected a divisor of the 10 layers"),
        (LayoutRequest(tensor=7, pipeline=4, first_layers=16, last_layers=16), "last_layers: expected at most 30"),
        (LayoutRequest(pipeline=2, first_layers=12, last_layers=20, interleave=3), "a divisor of the 4 layers"),
    ],
)
def test_ends_that_cannot_be_are_refused_and_the_nearest_that_can_is_named(h100, request_, says):
    with pytest.raises(PlanError, match=says) as refused:
        fastest(h100, SMALL, RECIPE, 1024, request_)
    assert "the nearest layout that works is TP" in str(refused.value)


def test_two_stages_that_hold_everything_have_neighbours_to_be_compared_with(h100):
    request = LayoutRequest(pipeline=2, first_layers=15, last_layers=17)
    chosen = fastest(h100, SMALL, RECIPE, 1024, request)
    fitting = those_that_fit(h100, SMALL, RECIPE, candidates(h100, SMALL, RECIPE, 1024, request), request)
    others = {one.change: one for one in choice(h100, SMALL, RECIPE, 1024, request, chosen, fitting).alternatives}
    assert others["PP 4"].reason == "needs at most 30 of 32 layers, for each other stage needs one"


def test_chunks_can_be_asked_for_beside_ends_where_the_stages_are_left_open(h100):
    found = fastest(h100, LLAMA, RECIPE, 4096, LayoutRequest(first_layers=7, last_layers=7, interleave=8))
    assert (found.layout.pipeline, found.layout.interleave) == (16, 8)


def test_a_machine_without_stages_has_no_ends():
    with pytest.raises(PlanError, match="last_layers: expected none, for weights stream through, not stages; got 2"):
        fastest(on("CS-3", "swarmx", "fp16"), SMALL, replace(RECIPE, precision="fp16"), 8, LayoutRequest(last_layers=2))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (LayoutRequest(schedule="dualpipe"), "schedule: expected none, .* got dualpipe"),
        (LayoutRequest(shard=2), "shard: expected none, .* got 2"),
        (LayoutRequest(context_by="all-to-all"), "context_by: expected none, .* got all-to-all"),
    ],
)
def test_a_machine_without_stages_ignores_no_setting(request_, says):
    with pytest.raises(PlanError, match=says):
        fastest(on("CS-3", "swarmx", "fp16"), SMALL, replace(RECIPE, precision="fp16"), 8, request_)
