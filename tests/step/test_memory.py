"""Bytes on an accelerator: the published formulas, and laws that hold for every layout."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, machine
from simulator.step.memory import activation_bytes, footprint
from simulator.step.pipeline import in_flight
from simulator.validation import measurements, read
from simulator.validation.machines import found
from simulator.validation.predict import predict
from simulator.validation.rows import UnreadableError
from simulator.workload import Recipe, Transformer

GPT3 = Transformer.load("GPT-3-175B")
LLAMA = Transformer.load("Llama-3-8B")
EXPERTS = Transformer.load("DeepSeek-V3")
OLD = Recipe(batch=64, sequence=2048, precision="fp16", fused_attention=False, dropout=True, gradient_bytes=2.0)
NEW = Recipe(batch=512, sequence=4096)


@pytest.fixture(scope="module")
def h100():
    node = Node.load("HGX-H100")
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("infiniband-ndr-400g"), precision="bf16")


def kept(recipe, **layout):
    """Bytes of one layer over s b h."""
    one = Layouts.of([Layout(microbatch=4, **layout)])
    return activation_bytes(GPT3, recipe, one)[0] / (4 * recipe.sequence * GPT3.hidden)


def test_activations_are_those_of_korthikanti():
    """arXiv:2205.05198, section 4, equations 1, 2 and 4, and what selective and full recomputation leave."""
    scores = 5 * GPT3.heads * 2048 / GPT3.hidden
    assert kept(OLD) == pytest.approx(34 + scores)
    assert kept(OLD, tensor=8, sequence_parallel=False) == pytest.approx(10 + 24 / 8 + scores / 8)
    assert kept(OLD, tensor=8) == pytest.approx((34 + scores) / 8)
    assert kept(OLD, tensor=8, recompute="selective") == pytest.approx(34 / 8)
    assert kept(OLD, tensor=8, recompute="full") == pytest.approx(2 / 8)


@pytest.mark.parametrize(("stage", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_model_states_are_those_of_the_zero_paper(h100, stage, gigabytes):
    """arXiv:1910.02054, figure 1: 7.5 billion parameters on 64 replicas."""
    model = Transformer(name="7.5B", layers=36, hidden=4096, ffn=16384, heads=32, vocabulary=50304, gated=False,
                        tied_embeddings=True)  # fmt: skip
    one = Layouts.of([Layout(data=64, zero=stage)])
    held = footprint(h100, model, replace(OLD, sharding="tensor"), one).at(0)
    state = held.weights + held.gradients + held.optimizer
    at_work = 6 * (model.parameters - model.embedding_parameters) / model.layers / 4 if stage == 3 else 0
    assert (state - at_work) * 7.5e9 / model.parameters == pytest.approx(gigabytes * 1e9, rel=0.02)


def test_interleaving_holds_what_narayanan_says():
    """p (1 + (p − 1) / (p v)) microbatches on the first stage; 1F1B holds p there and one on the last."""
    both = Layouts.of([Layout(pipeline=8), Layout(pipeline=8, interleave=4)])
    many = np.array([64.0, 64.0])
    assert list(in_flight(0, many, both)) == pytest.approx([8, 8 * (1 + 7 / 32)])
    assert list(in_flight(7, many, both)) == pytest.approx([1, (3 * 8 + 1) / 4])
    assert list(in_flight(0, np.array([2.0, 2.0]), both)) == [2, 2]


def test_the_first_stage_is_full_of_microbatches_and_the_last_has_the_logits(h100):
    layout = Layout(tensor=8, pipeline=8, data=4, microbatch=2)
    stages = footprint(h100, GPT3, NEW, Layouts.of([layout])).stages(0, pipeline=8)
    assert list(stages) == ["first", "middle", "last"]
    assert stages["first"].activations > stages["middle"].activations > stages["last"].activations
    logits = 6 * 2 * NEW.sequence * GPT3.vocabulary / 8
    assert stages["last"].activations == pytest.approx(stages["first"].activations / 8 + logits)
    assert stages["first"].weights == stages["last"].weights > stages["middle"].weights
    fullest = footprint(h100, GPT3, NEW, Layouts.of([layout])).at(0)
    assert fullest.total == max(one.total for one in stages.values())


@pytest.mark.parametrize(("pipeline", "names"), [(1, ["all"]), (2, ["first", "last"])])
def test_a_short_pipeline_has_fewer_kinds_of_stages(h100, pipeline, names):
    held = footprint(h100, LLAMA, NEW, Layouts.of([Layout(pipeline=pipeline)]))
    assert list(held.stages(0, pipeline)) == names


def test_one_stage_holds_every_weight(h100):
    held = footprint(h100, LLAMA, NEW, Layouts.of([Layout()])).at(0)
    assert held.weights == pytest.approx(2 * LLAMA.parameters)
    assert held.gradients == pytest.approx(4 * LLAMA.parameters)
    assert held.optimizer == pytest.approx(12 * LLAMA.parameters)


layouts = st.builds(
    Layout,
    tensor=st.sampled_from([1, 2, 4]),
    pipeline=st.sampled_from([1, 2, 4, 8]),
    interleave=st.sampled_from([1, 2]),
    context=st.sampled_from([1, 2]),
    data=st.integers(1, 32),
    microbatch=st.sampled_from([1, 2, 4]),
    recompute=st.sampled_from(["none", "selective", "full"]),
    zero=st.integers(0, 3),
)


def needed(h100, layout, recipe=NEW, model=LLAMA):
    return footprint(h100, model, recipe, Layouts.of([layout])).at(0).total


@settings(deadline=None, max_examples=80)
@given(layout=layouts, model=st.sampled_from([LLAMA, EXPERTS, GPT3]))
def test_more_work_at_once_never_needs_less(h100, layout, model):
    base = needed(h100, layout, model=model)
    assert needed(h100, replace(layout, microbatch=2 * layout.microbatch, data=1), model=model) >= needed(
        h100, replace(layout, data=1), model=model
    )
    assert needed(h100, replace(layout, recompute="none"), model=model) >= base * (1 - 1e-12)
    assert needed(h100, replace(layout, zero=0), model=model) >= needed(h100, replace(layout, zero=1), model=model)
    assert needed(h100, layout, replace(NEW, gradient_bytes=2.0), model) <= base


def test_every_published_row_that_states_its_settings_fits_the_accelerator_it_ran_on():
    """All of its memory counts: some of these batches were sized by hand to the last sequence that fits."""
    over = {}
    for row in read(measurements()):
        if row.inputs is None:
            continue
        try:
            made = predict(row.inputs)
        except UnreadableError:
            continue
        share = made.memory / found(row.inputs).machine.memory
        if made.stated and share > 1:
            over[row.id] = share
    assert not over
