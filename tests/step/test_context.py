"""Context parallelism: three ways to meet all keys, what each costs, and when it pays to share a sequence."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, fastest, machine
from simulator.step.candidates import candidates
from simulator.step.collectives import all_gather, group
from simulator.step.context import exposed, gathered
from simulator.step.layout import CONTEXTS
from simulator.workload import LayoutRequest, Recipe, Transformer

LLAMA, MIXED = Transformer.load("Llama-3.1-405B"), Transformer.load("DeepSeek-V3")
LONG = Recipe(batch=128, sequence=131_072)


def on(node="HGX-H100"):
    known = Node.load(node)
    return machine(known, Accelerator.load(known.accelerator), Fabric.load("infiniband-ndr-400g"), precision="bf16")


def ways(context, model=LLAMA, recipe=LONG, attention=0.0, **degrees):
    """Seconds a layer waits forward, by each of the ways."""
    layouts = Layouts.of([Layout(context=context, context_by=by, **degrees) for by in CONTEXTS])
    none = np.full(len(layouts), attention)
    return exposed(on(), model, recipe, layouts, (none, none))


def test_with_nothing_to_hide_behind_a_ring_costs_what_a_gather_does():
    (ring, gather, _), (back, again, _) = ways(8, tensor=8)
    assert ring == pytest.approx(gather)
    assert back == pytest.approx(again) == pytest.approx(2 * gather)


def test_behind_long_attention_a_ring_costs_nothing_and_the_others_what_they_did():
    (ring, gather, swap), _ = ways(8, tensor=8, attention=1.0)
    assert ring == 0
    assert gather > 0
    assert swap > 0


def test_a_gather_carries_the_keys_of_the_other_ranks():
    """Llama 3.1 405B: one key head of 128 a rank, keys and values in 16 bit."""
    _, gather, _ = ways(8, tensor=8)[0]
    who = group(on(), np.array([8.0]), np.array([8.0]))
    assert gather == pytest.approx(all_gather(who, np.array([131_072 * 2 * 2 * 128.0]))[0])
    held = gathered(LLAMA, LONG, Layouts.of([Layout(tensor=8, context=8, context_by=by) for by in CONTEXTS]))
    assert list(held) == pytest.approx([0, 131_072 * 7 / 8 * 2 * 2 * 128, 0])


def test_an_exchange_of_heads_shrinks_with_the_ranks_and_a_gather_does_not():
    gathers, swaps = zip(*(ways(c)[0][1:] for c in (2, 4, 8)), strict=True)
    assert swaps[0] > swaps[1] > swaps[2]
    assert gathers[2] > gathers[0]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from((LLAMA, MIXED)), st.integers(0, 5), st.integers(0, 3), st.floats(1, 100))
def test_a_faster_network_never_slows_context_parallelism(model, context, tensor, factor):
    layouts = Layouts.of([Layout(tensor=2**tensor, context=2**context, context_by=by) for by in CONTEXTS])
    box, none = on(), np.zeros(3)
    for name in ("scaleup", "scaleout"):
        better = replace(box, **{name: factor * getattr(box, name)})
        now, then = (exposed(one, model, LONG, layouts, (none, none)) for one in (box, better))
        for slow, fast in zip(now, then, strict=True):
            assert (fast <= slow * (1 + 1e-12)).all()


def test_the_arithmetic_of_a_sequence_is_that_of_its_parts():
    one = Layouts.of([Layout(tensor=8, pipeline=16, context=c, data=32 // c, context_by=by)
                      for c in (1, 4) for by in CONTEXTS])  # fmt: skip
    result = evaluate(on(), LLAMA, LONG, one)
    assert result.parts["model arithmetic at peak"] == pytest.approx(result.parts["model arithmetic at peak"][0])
    assert (result.parts["context parallel"][:3] == 0).all()


def test_the_fastest_way_is_chosen_and_another_can_be_asked_for():
    free = fastest(on(), LLAMA, LONG, 4096)
    assert free.layout.context > 1
    for by in CONTEXTS:
        asked = fastest(on(), LLAMA, LONG, 4096, LayoutRequest(context_by=by))
        assert asked.layout.context_by == by
        assert asked.step.total >= free.step.total
        assert (f"by {by}" in str(asked.layout)) == (by != "ring")


def test_a_short_sequence_is_shared_where_the_batch_leaves_no_other_use():
    """1,024 sequences of 8,192 tokens on 8,192 H100: with whole sequences, half of the accelerators would be idle."""
    model, recipe = Transformer.load("Llama-3.1-70B"), Recipe(batch=512, sequence=8192)
    shared, whole = (fastest(on(), model, recipe, 8192, LayoutRequest(context=c)) for c in (None, 1))
    assert shared.layout.context == 2
    assert shared.step.total < 0.8 * whole.step.total


def test_heads_that_do_not_divide_cannot_be_exchanged():
    layouts = candidates(on(), LLAMA, LONG, 4096, LayoutRequest(context_by="all-to-all"))
    assert (128 % (layouts.tensor * layouts.context) == 0).all()
    odd = LayoutRequest(tensor=8, context=32, context_by="all-to-all")
    with pytest.raises(PlanError, match="tensor × context: expected a divisor of 128 heads to exchange; got 256"):
        fastest(on(), LLAMA, LONG, 4096, odd)
