"""Why a layout wins: neighbours, refusals that name what works, and what the step waits for."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, fastest, machine
from simulator.step.alternatives import choice
from simulator.step.candidates import candidates
from simulator.step.fitting import those_that_fit
from simulator.step.search import check, nearest
from simulator.step.sensitivity import communication, sensitivities, step_with
from simulator.workload import LayoutRequest, Recipe, Transformer

DENSE, EXPERTS, SMALL = (Transformer.load(name) for name in ("Llama-3.1-405B", "DeepSeek-V3", "Llama-3-8B"))
RECIPE = Recipe(batch=2048, sequence=8192)
FREE = LayoutRequest()


def on(node_name, fabric):
    node = Node.load(node_name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load(fabric), precision="bf16")


@pytest.fixture(scope="module")
def h100():
    return on("HGX-H100", "infiniband-ndr-400g")


def as_request(layout):
    """The layout as a scenario would write it."""
    fields = {name: getattr(layout, name) for name in LayoutRequest.model_fields}
    unsaid = ("shard", "first_layers", "last_layers")
    return LayoutRequest(**fields | {name: getattr(layout, name) or None for name in unsaid})


def explained(machine, model, recipe, accelerators, request=FREE):
    chosen = fastest(machine, model, recipe, accelerators, request)
    layouts = candidates(machine, model, recipe, accelerators, request)
    fitting = those_that_fit(machine, model, recipe, layouts, request)
    return chosen, fitting, choice(machine, model, recipe, accelerators, request, chosen, fitting)


@pytest.fixture(scope="module")
def llama(h100):
    return explained(h100, DENSE, RECIPE, 16384)


@pytest.mark.parametrize("model", [DENSE, EXPERTS, SMALL], ids=lambda model: model.name)
def test_no_neighbour_that_the_search_could_have_taken_is_faster(h100, model):
    _, fitting, found = explained(h100, model, RECIPE, 4096)
    searched = {fitting.layouts[i] for i in range(len(fitting.layouts))}
    assert found.fastest
    assert found.alternatives
    for other in found.alternatives:
        assert other.layout not in searched or other.slower >= -1e-9, other
        assert other.retuned is None or other.retuned >= -1e-9, other
        assert other.slower is None or other.retuned is None or other.retuned <= other.slower + 1e-9, other


def test_a_quicker_neighbour_that_the_search_leaves_out_says_so(h100):
    _, _, found = explained(h100, DENSE, replace(RECIPE, batch=512), 16384)
    said = {one.change: one.reason for one in found.alternatives if one.slower is not None and one.slower < 0}
    assert said["CP 4"].endswith(", parts too short to try")
    assert all(reason.endswith("; not searched") for change, reason in said.items() if change != "CP 4")


def test_where_two_stages_hold_all_layers_more_would_hold_none(h100):
    _, _, found = explained(h100, SMALL, RECIPE, 256, LayoutRequest(pipeline=2, first_layers=16, last_layers=16))
    other = next(one for one in found.alternatives if one.change == "PP 4")
    assert other.slower is None
    assert other.reason.startswith("needs at most 30 of 32 layers, for each other stage needs one")


def test_twice_the_tensor_group_would_leave_the_nvlink_domain(llama):
    other = next(one for one in llama[2].alternatives if one.change == "TP 16")
    assert other.slower > 0
    assert other.reason.startswith("leaves the scale-up domain: tensor parallel ")


def test_in_a_domain_of_72_nothing_leaves_it_by_doubling():
    _, _, found = explained(on("GB200-tray", "infiniband-xdr-800g"), DENSE, RECIPE, 4096)
    assert not any("leaves" in other.reason for other in found.alternatives)


def test_an_alternative_that_does_not_fit_says_how_much_is_missing(h100, llama):
    missing = [one for one in llama[2].alternatives if one.reason.startswith("does not fit by")]
    assert missing
    for other in missing:
        assert other.slower is None
        assert re.fullmatch(r"does not fit by [\d.,]+ [MGT]B", other.reason)


def test_without_interleaving_the_bubble_is_the_reason(llama):
    other = next(one for one in llama[2].alternatives if one.change == "no interleaving")
    assert other.reason.startswith("pipeline bubble")
    assert other.slower > 0


def test_the_shares_of_a_reason_explain_the_difference(h100):
    """On replicas of one accelerator full recomputation adds nothing else: its share is what the step gains."""
    _, _, found = explained(h100, SMALL, RECIPE, 64, LayoutRequest(tensor=1, pipeline=1, microbatch=1, zero=3))
    other = next(one for one in found.alternatives if one.change == "recompute full")
    before, after = (float(word) for word in other.reason.split("%")[0].split() if word[0].isdigit())
    assert (after - before) / 100 == pytest.approx(other.slower, abs=0.002)


def test_a_partly_fixed_layout_says_what_fixing_it_costs(h100):
    _, _, found = explained(h100, SMALL, RECIPE, 256, LayoutRequest(tensor=8, recompute="full"))
    assert found.free is not None
    assert found.free.layout.recompute != "full"
    assert any(other.retuned is not None and other.retuned < 0 for other in found.alternatives)


def test_with_nothing_fixed_nothing_is_freer(llama):
    assert llama[2].free is None


@pytest.mark.parametrize("model", [DENSE, EXPERTS, SMALL], ids=lambda model: model.name)
@pytest.mark.parametrize("accelerators", [512, 16384, 200_000])
def test_a_winner_written_down_as_fixed_is_accepted_and_wins_again(h100, model, accelerators):
    chosen = fastest(h100, model, RECIPE, accelerators)
    again = fastest(h100, model, RECIPE, accelerators, as_request(chosen.layout))
    assert again.layout == chosen.layout
    assert again.step.total == pytest.approx(chosen.step.total, rel=1e-12)


degrees = st.none() | st.integers(1, 4096) | st.just(10_000_000)


@settings(deadline=None, max_examples=60)
@given(
    tensor=degrees, pipeline=degrees, interleave=degrees, data=degrees, context=degrees, expert=degrees,
    microbatch=degrees, recompute=st.sampled_from([None, "none", "selective", "full"]),
    zero=st.none() | st.integers(0, 3), model=st.sampled_from([SMALL, EXPERTS]), accelerators=st.integers(1, 10**9),
)  # fmt: skip
def test_any_request_is_answered_or_refused_with_a_layout_that_works(h100, model, accelerators, **degrees):
    """The nearest layout that a refusal names can be asked for as it is; with nothing fixed a refusal names none."""
    request, refusal = LayoutRequest(**degrees), ""
    try:
        fastest(h100, model, RECIPE, accelerators, request)
    except PlanError as mistake:
        refusal = str(mistake)
    assert not refusal or any(said in refusal for said in ("expected", "does not fit", "no layout is possible"))
    close = nearest(h100, model, RECIPE, accelerators, request) if refusal else None
    if close is not None:
        assert str(close) in refusal
        assert fastest(h100, model, RECIPE, accelerators, as_request(close)).layout == close


def test_the_nearest_layout_keeps_what_was_right(h100):
    with pytest.raises(PlanError, match="the nearest layout that works is TP 8 · PP 16 · x2 ·"):
        check(h100, DENSE, RECIPE, 16384, LayoutRequest(tensor=16, pipeline=16, interleave=2))


def test_a_layout_that_does_not_fit_names_the_nearest_that_does(h100):
    with pytest.raises(PlanError, match=r"does not fit .* TB too little; the nearest layout that works is TP \d+"):
        fastest(h100, DENSE, RECIPE, 16384, LayoutRequest(tensor=1, pipeline=1, zero=1))


def test_better_hardware_never_slows_the_step(h100, llama):
    chosen, fitting, _ = llama
    found = sensitivities(h100, DENSE, RECIPE, 16384, FREE, chosen, fitting)
    assert [one.step for one in found] == sorted(one.step for one in found)
    assert all(one.step <= 1e-9 for one in found)
    assert found[0].change == "twice the peak FLOP/s"
    assert found[0].step < -0.3


def test_each_sensitivity_is_what_a_search_on_that_machine_finds(h100, llama):
    chosen, fitting, _ = llama
    found = {one.change: one.step for one in sensitivities(h100, DENSE, RECIPE, 16384, FREE, chosen, fitting)}
    for change, better in {
        "twice the NIC bandwidth": replace(h100, scaleout=2 * h100.scaleout),
        "twice the memory": replace(h100, memory=2 * h100.memory),
    }.items():
        searched = fastest(better, DENSE, RECIPE, 16384).step.total / chosen.step.total - 1
        assert found[change] == pytest.approx(searched, abs=1e-9)


def test_what_the_step_waits_for_are_its_own_parts(h100, llama):
    chosen = llama[0]
    parts = dict(chosen.step.parts)
    for one in communication(h100, DENSE, RECIPE, chosen):
        assert one.seconds == parts[one.part]
        assert -1e-9 <= one.bandwidth <= 1 + 1e-9


def test_a_tensor_group_in_the_domain_waits_for_scale_up_links_and_replicas_for_the_fabric(h100, llama):
    links = {one.part: one.link for one in communication(h100, DENSE, RECIPE, llama[0])}
    assert links["tensor parallel"] == "scale-up links"
    assert links["data parallel"] == "the fabric"


def test_on_a_distant_wire_replicas_wait_for_latency(h100):
    """A tenth of a second between nodes: what data parallelism costs then, no bandwidth would save."""
    far, recipe = replace(h100, latency=0.1), Recipe(batch=64, sequence=512)
    chosen = fastest(far, SMALL, recipe, 64, LayoutRequest(tensor=1, data=64))
    found = {one.part: one for one in communication(far, SMALL, recipe, chosen)}
    assert found["data parallel"].bandwidth < 0.1
    assert found["data parallel"].link == "the fabric"


def test_a_changed_number_changes_the_step(h100):
    layout = Layout(tensor=8, pipeline=16, data=8)
    slow = step_with(h100, DENSE, RECIPE, layout, scaleup=h100.scaleup / 2)
    assert slow.total > step_with(h100, DENSE, RECIPE, layout).total
