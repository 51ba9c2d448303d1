"""Layers of routed experts: who holds what, what crosses the fabric, and when the host is what takes time."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, experts, machine
from simulator.step.collectives import all_to_all, group
from simulator.step.memory import footprint, stage_parameters
from simulator.step.placement import deal
from simulator.step.roofline import product_times
from simulator.workload import Recipe, Software, TrainingJob, Transformer

DEEPSEEK = Transformer.load("DeepSeek-V3")
GROK = Transformer.load("Grok-1")
QWEN = Transformer.load("Qwen3-235B-A22B")
SMALL = Transformer(
    name="Qwen3-30B-A3B", layers=48, hidden=2048, ffn=6144, heads=32, kv_heads=4, head_dim=128, vocabulary=151936,
    experts=128, experts_per_token=8, expert_ffn=768,
)  # fmt: skip
RECIPE = Recipe(batch=512, sequence=4096)


def on(node_name, precision="bf16"):
    node = Node.load(node_name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("infiniband-ndr-400g"), precision=precision)


@pytest.fixture(scope="module")
def h100():
    return on("HGX-H100")


@pytest.fixture(scope="module")
def b200():
    return on("HGX-B200", "fp8")


@pytest.fixture(scope="module")
def far():
    """Every accelerator a domain of its own."""
    return replace(on("HGX-H100"), domain=1)


def exchanged(machine, model, layout, tokens=4096.0, **recipe):
    return experts.exchange(machine, model, replace(RECIPE, **recipe), Layouts.of([layout]), np.array([tokens]))[0]


WIDE = Layout(expert=64, data=64)  # eight boxes of eight


@pytest.mark.parametrize("limit", [None, 4])
def test_a_token_crosses_as_often_as_random_routing_says(h100, limit):
    """Drawn by chance instead of by formula: nodes among which a token's eight experts lie, over eight copies."""
    draws = np.random.default_rng(0)
    nodes = [draws.permutation(8)[: limit or 8] for _ in range(4000)]
    met = [len({int(node) for node in draws.choice(allowed, 8)}) for allowed in nodes]
    model = DEEPSEEK.model_copy(update={"routing_limit": limit})
    far = replace(h100, scaleup=1e18, latency=0.0)  # what is left is what leaves the boxes
    share = exchanged(far, model, WIDE) / exchanged(far, model, WIDE, dispatch="each")
    assert share == pytest.approx(np.mean(met) / 8, rel=0.02)


def test_inside_one_domain_nothing_is_saved_by_sending_once(h100):
    box = Layout(expert=8, data=8)
    assert exchanged(h100, QWEN, box) == pytest.approx(exchanged(h100, QWEN, box, dispatch="each"))


def test_what_is_sent_once_still_arrives_at_every_member(h100):
    """With a fabric without limits, forwarding inside the box remains."""
    who = group(replace(h100, scaleout=1e18, latency=0.0), np.array([64.0]), np.array([1.0]))
    size = np.array([1e9])
    assert all_to_all(who, size, once=0.3)[0] == pytest.approx(size[0] * 7 / 8 / h100.scaleup)
    assert all_to_all(who, size)[0] == pytest.approx(size[0] * 7 / 64 / h100.scaleup)


def test_splitting_experts_moves_no_arithmetic_but_memory(h100):
    """Grok-1 on four tensor ranks: each holds a quarter of an expert for four times the tokens."""
    layouts = Layouts.of([Layout(tensor=4, expert=8, data=8)])
    whole, split = RECIPE, replace(RECIPE, split_experts=True)
    placed = deal(GROK, whole, layouts)
    (shared, routed), (same, quarter) = (
        stage_parameters(GROK, recipe, layouts, placed).fullest for recipe in (whole, split)
    )
    assert same == shared
    assert quarter * 4 == pytest.approx(routed)
    times = [
        sum(product_times(h100, experts.products(GROK, recipe, layouts, np.array([8192.0]), 1.0), gradient=4.0)[0])[0]
        for recipe in (whole, split)
    ]
    assert times[1] == pytest.approx(times[0], rel=0.05)


def test_groups_larger_than_the_replicas_hold_whole_experts():
    """Sixty-four groups need the tensor ranks when there are thirty-two replicas."""
    layouts = Layouts.of([Layout(tensor=2, expert=32, data=32), Layout(tensor=2, expert=64, data=32)])
    assert list(experts.sharing(replace(RECIPE, split_experts=True), layouts)) == [2, 1]
    assert list(experts.sharing(RECIPE, layouts)) == [1, 1]


def test_grok_fits_on_gb200_only_with_split_experts():
    """The published rows on 128 to 512 GB200 have one stage of four tensor ranks and eight expert groups."""
    layouts = Layouts.of([Layout(tensor=4, expert=8, data=128, recompute="full")])
    recipe = Recipe(batch=1024, sequence=8192)
    whole, split = (
        footprint(on("GB200-tray"), GROK, replace(recipe, split_experts=parts), layouts).margin[0]
        for parts in (False, True)
    )
    assert whole < 0 < split


def test_no_copy_is_sorted_where_a_rank_holds_one_expert(far):
    """Then an exchange that sends once delivers the tokens as the product wants them."""
    layouts = Layouts.of([Layout(expert=256, data=256), Layout(expert=64, data=256)])
    one, four = experts.permuted(far, DEEPSEEK, RECIPE, layouts, np.array([4096.0, 4096.0]))
    assert one == 0
    assert four == 4096 * 8 * DEEPSEEK.experts_per_token * DEEPSEEK.hidden


def test_small_microbatches_of_fine_experts_wait_for_the_host(b200):
    """Megatron-Bridge on eight B200: four times the tokens at once, 2.8 times as many a second (26.02, 26.02.01)."""

    def rate(microbatch, **recipe):
        layouts = Layouts.of([Layout(expert=8, data=8, microbatch=microbatch)])
        return 1 / evaluate(b200, SMALL, replace(RECIPE, precision="fp8", **recipe), layouts).total[0]

    assert rate(4) / rate(1) > 2
    assert rate(1, dropless=False) > 1.3 * rate(
        1
    )  # nothing to wait for: 25.09, with tokens dropped, is 1.9 times faster
    assert rate(4, cuda_graphs=True) / rate(1, cuda_graphs=True) < 1.2


def test_recorded_graphs_and_dense_models_launch_no_more(far):
    dense = Transformer.load("Llama-3-8B")
    assert [float(extra[0]) for extra in experts.launches(far, dense, RECIPE, Layouts.of([Layout()]))] == [0, 0]


def test_latent_attention_is_kept_compressed_and_paid_for(h100):
    """Selective recomputation of DeepSeek-V3 frees a quarter of the activations at least for a few per cent of time."""
    layouts = Layouts.of([
        Layout(pipeline=8, expert=64, data=64, recompute=recompute) for recompute in ("none", "selective", "full")
    ])  # fmt: skip
    evaluation = evaluate(h100, DEEPSEEK, Recipe(batch=4096, sequence=4096), layouts)
    none, selective, full = evaluation.memory.activations.max(axis=0)
    assert full < selective < 0.75 * none
    quick, some, all_again = evaluation.total
    assert quick < some < 1.05 * quick < all_again


def test_eight_bit_operands_are_half_as_large():
    layouts = Layouts.of([Layout(expert=8, data=8)])
    recipes = (replace(RECIPE, precision=precision) for precision in ("bf16", "fp8"))
    wide, narrow = (experts.kept(SMALL, recipe, layouts, layouts.recompute)[0] for recipe in recipes)
    saved = SMALL.experts_per_token * (SMALL.hidden + SMALL.expert_width)
    assert wide - narrow == pytest.approx(saved)


BOX = Layout(expert=8, data=8, microbatch=4)


def step(machine, model, layout=BOX, **recipe):
    return evaluate(machine, model, replace(RECIPE, **recipe), Layouts.of([layout]))


@pytest.mark.parametrize(
    "layout", [BOX, WIDE, Layout(tensor=2, expert=8, data=8), Layout(pipeline=2, expert=32, data=32)]
)
def test_more_imbalance_is_never_faster_nor_leaner(h100, layout):
    steps = [step(h100, QWEN, layout, imbalance=factor) for factor in (1.0, 1.1, 1.5, 3.0, 20.0)]
    assert np.all(np.diff([one.total[0] for one in steps]) >= 0)
    assert np.all(np.diff([one.memory.activations.max() for one in steps]) >= 0)
    assert steps[2].total[0] > 1.05 * steps[0].total[0]


def test_a_rank_can_get_no_more_than_all_tokens(h100):
    """Eight ranks: beyond eight times the mean nothing is left to move; one rank has all experts and no imbalance."""
    assert step(h100, QWEN, imbalance=8).total[0] == step(h100, QWEN, imbalance=1e6).total[0]
    alone = Layout(data=8)
    assert step(h100, SMALL, alone, imbalance=4).total[0] == step(h100, SMALL, alone).total[0]


def test_all_wait_for_the_busiest_rank(h100):
    """Twice the mean on one rank: its products, its part of the exchange and what it keeps are twice as much."""
    layouts, tokens = Layouts.of([WIDE]), np.array([65536.0])
    even, skewed = RECIPE, replace(RECIPE, imbalance=2.0)
    times = [
        sum(product_times(h100, experts.products(QWEN, recipe, layouts, tokens, 1.0), gradient=4.0)[0])[0]
        for recipe in (even, skewed)
    ]
    assert times[1] / times[0] == pytest.approx(2, rel=0.05)
    assert exchanged(h100, QWEN, WIDE, imbalance=2.0) == pytest.approx(2 * exchanged(h100, QWEN, WIDE), rel=0.01)
    left = [experts.kept(QWEN, recipe, layouts, layouts.recompute)[0] for recipe in (even, skewed)]
    assert left[1] == 2 * left[0]


def test_a_device_that_routes_alone_helps_inside_a_domain_only(b200):
    small = Layout(expert=8, data=8)
    inside, across = (step(b200, SMALL, one, dispatch="device").total[0] for one in (small, WIDE))
    assert inside < 0.7 * step(b200, SMALL, small).total[0]
    assert across == step(b200, SMALL, WIDE).total[0]


def test_reading_counts_leaves_the_device_idle_however_long_its_kernels_take(b200):
    """A third of the launches of the routing, at 15 µs, once in each of 48 layers and each microbatch."""
    long = Layout(expert=8, data=8, microbatch=16)
    waited = step(b200, SMALL, long).parts["host"][0]
    rounds = RECIPE.batch / (long.data * long.microbatch)
    software = RECIPE.software
    assert waited == pytest.approx(rounds * SMALL.layers * software.routing / 3 * software.host)
    assert step(b200, SMALL, long, dropless=False).parts["host"][0] == 0


def test_biases_of_experts_cost_traffic_alone(h100):
    """28 bytes forward and 40 backward for each number of each copy; and no arithmetic."""
    biased = SMALL.model_copy(update={"expert_biases": True})
    without, with_them = (step(h100, model) for model in (SMALL, biased))
    tokens = BOX.microbatch * RECIPE.sequence
    rounds = RECIPE.batch / (BOX.data * BOX.microbatch)
    more = with_them.parts["memory-bound operators"][0] - without.parts["memory-bound operators"][0]
    moved = 68 * tokens * SMALL.experts_per_token * SMALL.hidden * SMALL.layers * rounds
    assert more == pytest.approx(moved / h100.stream)
    assert with_them.parts["arithmetic below peak"] == without.parts["arithmetic below peak"]


def added(machine, model, **changes):
    """What a property of the model adds to memory-bound work, and to memory."""
    changed = model.model_copy(update=changes)
    without, with_it = (step(machine, one) for one in (model, changed))
    name = "memory-bound operators"
    assert with_it.parts["arithmetic below peak"] == without.parts["arithmetic below peak"]
    return with_it.parts[name][0] - without.parts[name][0], with_it.memory.activations - without.memory.activations


def test_bounding_what_activations_get_costs_traffic_and_memory(h100):
    """18 bytes for each number of each copy, and a second copy of each is kept, in both halves of the gate."""
    more, kept = added(h100, SMALL, expert_bounds=True)
    numbers = BOX.microbatch * RECIPE.sequence * SMALL.experts_per_token * 2 * SMALL.expert_ffn * SMALL.layers
    rounds = RECIPE.batch / (BOX.data * BOX.microbatch)
    assert more == pytest.approx(18 * numbers * rounds / h100.stream)
    assert kept.max() == pytest.approx(2 * numbers)


def test_a_rotary_embedding_that_scales_is_turned_operator_by_operator(h100):
    """58 bytes for each number of queries and keys, none where a compiler fuses them."""
    more, kept = added(h100, SMALL, rotary_scale=True)
    turned = RECIPE.batch * RECIPE.sequence / BOX.data * (SMALL.heads + SMALL.kv_heads) * SMALL.head_dim * SMALL.layers
    assert more == pytest.approx(58 * turned * RECIPE.software.elementwise / h100.stream)
    assert not kept.any()
    compiled = Software.load("xla")
    scaled = SMALL.model_copy(update={"rotary_scale": True, "expert_bounds": True, "expert_biases": True})
    one, other = (step(h100, model, software=compiled).total[0] for model in (SMALL, scaled))
    assert one == other


def test_predicting_a_further_token_costs_a_layer_and_the_logits(h100):
    """On many stages too: none waits for the last, off which layers have been moved."""
    plain = DEEPSEEK.model_copy(update={"next_tokens": 0})
    recipe = Recipe(batch=4096, sequence=4096)
    assert DEEPSEEK.parameters == plain.parameters
    one, more = (m.flops_per_token(4096) for m in (plain, DEEPSEEK))
    logits = 6 * plain.vocabulary * plain.hidden
    assert more - one == pytest.approx((one - logits) / 61 + logits)
    layouts = Layouts.of([Layout(expert=64, data=64), Layout(pipeline=16, expert=64, data=64)])
    ratio = evaluate(h100, DEEPSEEK, recipe, layouts).total / evaluate(h100, plain, recipe, layouts).total
    assert 1.01 < ratio[0] < 1.1
    assert 1 <= ratio[1] < 1.1


def test_a_job_says_how_uneven_its_routing_is_and_how_tokens_travel():
    job = TrainingJob(
        name="x", model="DeepSeek-V3", tokens="1 Ttoken", batch="64 Mtoken", imbalance=1.3, dispatch="device"
    )
    recipe = job.recipe(4096)
    assert (recipe.imbalance, recipe.dispatch) == (1.3, "device")
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        TrainingJob(name="x", model="DeepSeek-V3", tokens="1 Ttoken", batch="64 Mtoken", imbalance=0.9)
