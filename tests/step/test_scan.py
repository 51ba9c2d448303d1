"""Layers that scan instead of attending: what they compute, move and keep."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, machine, scan
from simulator.step.memory import footprint
from simulator.workload import Recipe, Transformer

PLAIN = Transformer(
    name="plain", layers=32, hidden=4096, ffn=16384, heads=32, kv_heads=8, gated=False, vocabulary=131072,
)  # fmt: skip
MIXED = PLAIN.model_copy(update={"scan_layers": 28, "scan_heads": 128})
RECIPE = Recipe(batch=64, sequence=8192)
LAYOUT = Layout(tensor=4, data=2)


@pytest.fixture(scope="module")
def h100():
    return machine(
        Node.load("HGX-H100"), Accelerator.load("H100-SXM"), Fabric.load("infiniband-ndr-400g"), precision="bf16"
    )


def step(machine, model, sequence=8192, layout=LAYOUT):
    return evaluate(machine, model, replace(RECIPE, sequence=sequence), Layouts.of([layout])).total[0]


def test_attention_grows_with_the_square_of_the_sequence_and_a_scan_does_not(h100):
    scans = MIXED.model_copy(update={"scan_layers": 32})
    growth = step(h100, PLAIN, 65536) / step(h100, PLAIN, 4096)
    assert growth > 1.5 * step(h100, scans, 65536) / step(h100, scans, 4096)
    assert scans.flops_per_token(65536) == scans.flops_per_token(4096)


def test_a_layer_without_feed_forward_part_costs_its_products_and_its_norm(h100):
    """Half of the layers without it are half of its weights, norms and arithmetic."""
    half = PLAIN.model_copy(update={"ffn_layers": 16})
    spared = 16 * (2 * PLAIN.hidden * PLAIN.ffn + PLAIN.hidden)
    assert PLAIN.parameters - half.parameters == spared
    assert PLAIN.flops_per_token(8192) - half.flops_per_token(8192) == 6 * (spared - 16 * PLAIN.hidden)
    assert step(h100, half) < step(h100, PLAIN)


def test_a_scan_loses_what_attention_over_a_chunk_loses(h100):
    """So one that moved nothing would take the time of portable attention over 128 keys."""
    tokens, ranks = np.array([8192.0]), np.ones(1)
    free = replace(h100, stream=1e30, launch=0.0)
    once, back = scan.times(free, MIXED, ranks, tokens)
    w, states, n = MIXED.scan_width, MIXED.scan_groups * MIXED.scan_states, MIXED.scan_states
    flops = tokens * (256 * (states + w) + 4 * n * w) * MIXED.scan_layers / MIXED.layers
    rate = free.peak16 * free.attention * free.portable * 0.5**free.narrow_heads / (1 + free.half_keys / 128)
    assert once == pytest.approx(flops / rate)
    assert back == pytest.approx(2.5 * once)


def test_tensor_ranks_share_a_scan(h100):
    tokens = np.full(2, 8192.0)
    one, four = scan.times(replace(h100, launch=0.0), MIXED, np.array([1.0, 4.0]), tokens)[0]
    assert four == pytest.approx(one / 4)
    kept = scan.kept(MIXED, np.array([1.0, 4.0]), 2.0)
    assert kept[1] == pytest.approx(kept[0] / 4)


def test_experts_of_a_narrow_input_exchange_and_hold_less(h100):
    wide = PLAIN.model_copy(update={"experts": 64, "experts_per_token": 8, "expert_ffn": 2048})
    narrow = wide.model_copy(update={"expert_latent": 1024})
    assert narrow.routed_parameters == wide.routed_parameters / 4
    assert narrow.shared_parameters - wide.shared_parameters == 32 * 2 * 4096 * 1024
    layouts = Layouts.of([Layout(expert=8, data=8)])
    two, one = (evaluate(h100, model, RECIPE, layouts) for model in (wide, narrow))
    assert one.parts["expert parallel"][0] < 0.3 * two.parts["expert parallel"][0]
    held = [footprint(h100, model, RECIPE, layouts).activations.max() for model in (wide, narrow)]
    assert held[1] < held[0]


@pytest.mark.parametrize("wrong", [{"scan_layers": 40, "scan_heads": 8}, {"scan_layers": 4}, {"ffn_layers": 33}])
def test_a_structure_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError, match="expected"):
        Transformer(**(PLAIN.model_dump(exclude_defaults=True) | wrong))
