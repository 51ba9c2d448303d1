"""Weight streaming: limits by the edge, the arithmetic and the on-chip memory."""

from dataclasses import replace

import pytest

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import fastest, machine
from simulator.step.streaming import hiding_batch
from simulator.workload import LayoutRequest, Recipe, Transformer

LLAMA = Transformer.load("Llama-2-70B")


def on(node_name, fabric, precision):
    node = Node.load(node_name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load(fabric), precision=precision)


@pytest.fixture(scope="module")
def cs3():
    return on("CS-3", "swarmx", "fp16")


def test_a_step_takes_at_least_the_time_of_streaming_the_weights_twice(cs3):
    """2 × 175e9 × 2 B / 150 GB/s = 4.7 s for one sequence, however fast the wafer."""
    gpt3 = Transformer.load("GPT-3-175B")
    fast = replace(cs3, peak=1e21, peak16=1e21)
    found = fastest(fast, gpt3, Recipe(batch=1, sequence=2048, precision="fp16"), 1)
    assert found.step.total >= 2 * gpt3.parameters * 2 / 150e9
    assert 2 * gpt3.parameters * 2 / 150e9 == pytest.approx(4.7, rel=0.02)


def test_beyond_the_hiding_batch_the_stream_is_hidden(cs3):
    recipe = Recipe(batch=1024, sequence=4096, precision="fp16")
    enough = hiding_batch(cs3, LLAMA, recipe)
    found = fastest(cs3, LLAMA, recipe, 64, LayoutRequest(microbatch=2 ** int(enough).bit_length()))
    exposed = dict(found.step.parts).get("weight streaming", 0.0)
    alone = fastest(cs3, LLAMA, recipe, 64, LayoutRequest(microbatch=1))
    assert exposed < dict(alone.step.parts)["weight streaming"]


def test_fifty_seven_times_the_area_is_sixteen_times_the_arithmetic_and_less_of_it_sustained(cs3):
    h100 = on("HGX-H100", "infiniband-ndr-400g", "fp16")
    assert Accelerator.load("WSE-3").die_area / Accelerator.load("H100-SXM").die_area == pytest.approx(56.8, abs=0.1)
    assert cs3.peak / h100.peak == pytest.approx(15.8, abs=0.1)
    recipe = Recipe(batch=1024, sequence=4096, precision="fp16")
    wafers = fastest(cs3, LLAMA, recipe, 64).step.tokens_per_second / 64
    boards = fastest(h100, LLAMA, recipe, 1024).step.tokens_per_second / 1024
    assert wafers / boards == pytest.approx(5, rel=0.15)  # as the notes of scenarios/cerebras-wse3.yaml say


def test_its_price_and_power_are_no_better():
    """The notes of scenarios/cerebras-wse3.yaml: 74 times the price and 18 times the power of an H100 in its server."""
    wafer, server = Node.load("CS-3"), Node.load("HGX-H100")
    assert wafer.price.mid / (server.price.mid / 8) == pytest.approx(74, abs=0.5)
    assert wafer.power / (server.power / 8) == pytest.approx(18, abs=0.5)


def test_activations_that_exceed_the_wafer_are_refused(cs3):
    with pytest.raises(PlanError, match="does not fit on 1 WSE-3"):
        fastest(cs3, Transformer.load("Llama-3.1-405B"), Recipe(batch=1, sequence=131072, precision="fp16"), 1)


def test_tiles_share_a_replica_and_its_weight_stream():
    tiles = on("Dojo-tile", "dojo-mesh", "bf16")
    recipe = Recipe(batch=1024, sequence=4096)
    found = fastest(tiles, LLAMA, recipe, 120)
    assert found.memory.margin >= 0
    assert found.layout.accelerators <= 120
    assert 0 < found.step.mfu < 1


def test_cs2_logs_are_met():
    """ALCF's Cerebras logs: GPT-J 6B on one CS-2, 66 sequences of 2,048 in 3.33 s."""
    gptj = Transformer(name="GPT-J-6B", layers=28, hidden=4096, ffn=16384, heads=16, vocabulary=50257, gated=False)
    found = fastest(on("CS-2", "swarmx", "fp16"), gptj, Recipe(batch=66, sequence=2048, precision="fp16"), 1)
    assert found.step.total == pytest.approx(3.33, rel=0.15)
