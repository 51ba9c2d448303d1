"""The search evaluates few candidates and answers as if it had evaluated all; it recomputes no more than it must."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, fastest, machine
from simulator.step.candidates import candidates
from simulator.step.fitting import Answer, quickest, those_that_fit
from simulator.step.layout import FULL
from simulator.step.memory import footprint, usable
from simulator.step.recomputation import eased
from simulator.step.timing import at_least, cut, stage
from simulator.workload import LayoutRequest, Recipe, Transformer

MODELS = ("Llama-3-8B", "Llama-3.1-70B", "Llama-3.1-405B", "DeepSeek-V3", "Grok-1", "GPT-3")
REQUESTS = (
    LayoutRequest(), LayoutRequest(pipeline=8), LayoutRequest(schedule="any", zero=1), LayoutRequest(recompute="full"),
    LayoutRequest(recompute="selective"), LayoutRequest(recompute_layers=2), LayoutRequest(data=32),
    LayoutRequest(shard=8, zero=3),
)  # fmt: skip


def on(node="HGX-H100", fabric="infiniband-ndr-400g", precision="bf16"):
    known = Node.load(node)
    return machine(known, Accelerator.load(known.accelerator), Fabric.load(fabric), precision=precision)


problems = st.tuples(
    st.builds(
        on,
        st.sampled_from(("HGX-H100", "DGX-A100", "DGX-B200")),
        st.sampled_from(("infiniband-ndr-400g", "meta-roce-24k", "ethernet-400g")),
    ),
    st.sampled_from(MODELS).map(Transformer.load),
    st.builds(
        Recipe,
        batch=st.sampled_from((96, 1024, 4096)),
        sequence=st.sampled_from((2048, 8192, 65536)),
        overlap=st.booleans(),
        fused_attention=st.sampled_from((True, True, False)),
        sharding=st.sampled_from(("layer", "tensor")),
        split_experts=st.sampled_from((False, False, True)),
        offload=st.sampled_from(("none", "none", "optimizer", "both")),
    ),
    st.sampled_from((8, 64, 192, 1000, 4096, 30_000, 200_000)),
    st.sampled_from(REQUESTS),
)


@settings(deadline=None, max_examples=60)
@given(problems)
def test_the_search_finds_what_evaluating_all_candidates_finds(problem):
    box, model, recipe, accelerators, request = problem
    layouts = candidates(box, model, recipe, accelerators, request)
    every = those_that_fit(box, model, recipe, layouts, request) if len(layouts) else None
    best = None if every is None else Answer.of(every, int(np.argmin(every.total)))
    assert quickest(box, model, recipe, accelerators, request) == best


@settings(deadline=None, max_examples=30)
@given(problems)
def test_no_step_is_shorter_than_its_bound(problem):
    """Also where layers are recomputed that the bound does not know of."""
    box, model, recipe, accelerators, request = problem
    layouts = candidates(box, model, recipe, accelerators, request)
    paced = stage(model, layouts, cut(box, model, recipe, layouts)).paced
    bound = at_least(box, recipe, layouts, paced)
    more = replace(layouts, recompute_layers=np.where(layouts.recompute == FULL, 0.0, layouts.recompute_layers + 1))
    for one in (layouts, more):
        assert (evaluate(box, model, recipe, one).total >= bound * (1 - 1e-9)).all()


@settings(deadline=None, max_examples=30)
@given(problems)
def test_a_layout_recomputes_as_few_layers_as_fit(problem):
    box, model, recipe, accelerators, _ = problem
    layouts = candidates(box, model, recipe, accelerators, LayoutRequest())
    room = usable(box)
    lean, memory = eased(box, model, recipe, layouts, room)
    fits = memory.margin >= 0
    some = lean.where(fits & (lean.recompute_layers > 0))
    assert (footprint(box, model, recipe, lean.where(fits)).total.max(axis=0) <= room * (1 + 1e-12)).all()
    less = replace(some, recompute_layers=some.recompute_layers - 1)
    assert (footprint(box, model, recipe, less).total.max(axis=0) > room * (1 - 1e-12)).all()


@settings(deadline=None, max_examples=25)
@given(problems, st.floats(1.01, 3))
def test_more_memory_never_slows_the_fastest_step(problem, factor):
    box, model, recipe, accelerators, request = problem
    now = quickest(box, model, recipe, accelerators, request)
    then = quickest(replace(box, memory=factor * box.memory), model, recipe, accelerators, request)
    assert now is None or (then is not None and then.step.total <= now.step.total * (1 + 1e-12))


def test_recomputing_some_layers_lies_between_none_and_all():
    box, model, recipe = on(), Transformer.load("Llama-3.1-70B"), Recipe(batch=1024, sequence=8192)
    cut = Layout(tensor=4, pipeline=4, data=16)  # 20 layers a stage
    layouts = Layouts.of([*(replace(cut, recompute_layers=n) for n in range(0, 20, 5)), replace(cut, recompute="full")])
    result = evaluate(box, model, recipe, layouts)
    times, bytes_needed = result.total, result.memory.activations[0]
    assert (np.diff(times) > 0).all()
    assert (np.diff(bytes_needed)[1:] < 0).all()
    assert times[2] - times[0] == pytest.approx((times[4] - times[0]) / 2, rel=0.05)


def test_a_large_model_on_small_memories_recomputes_in_part():
    """Llama 3.1 405B on few H100: whole stages recomputed would cost a quarter, what is needed a part of it."""
    model, recipe = Transformer.load("Llama-3.1-405B"), Recipe(batch=512, sequence=8192)
    partly, wholly = (
        fastest(on(), model, recipe, 512, LayoutRequest(tensor=8, pipeline=8, context=1, recompute=kind))
        for kind in (None, "full")
    )
    assert 0 < partly.layout.recompute_layers < 16
    assert "recompute selective + " in str(partly.layout)
    assert partly.step.total < 0.97 * wholly.step.total


def test_layers_to_recompute_can_be_asked_for():
    model, recipe = Transformer.load("Llama-3-8B"), Recipe(batch=512, sequence=8192)
    answer = fastest(on(), model, recipe, 64, LayoutRequest(recompute="none", recompute_layers=3, pipeline=4))
    assert (answer.layout.recompute, answer.layout.recompute_layers) == ("none", 3)
    with pytest.raises(PlanError, match="recompute_layers: expected at most the 9 of a stage; got 10"):
        fastest(on(), model, recipe, 64, LayoutRequest(recompute_layers=10, pipeline=4))
    with pytest.raises(PlanError, match="recompute_layers: expected none beside full recomputation; got 1"):
        fastest(on(), model, recipe, 64, LayoutRequest(recompute="full", recompute_layers=1))
