"""What stays in the host's memory: room on the accelerator, for time on the link."""

from dataclasses import replace

import pytest

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, fastest, machine
from simulator.workload import Recipe, Transformer

LLAMA = Transformer.load("Llama-3-8B")
RECIPE = Recipe(batch=64, sequence=8192)
ONE = Layouts.of([Layout(data=8)])


def on(node_name, fabric="infiniband-ndr-400g", precision="bf16"):
    node = Node.load(node_name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load(fabric), precision=precision)


def stepped(offload, where="HGX-H100"):
    return evaluate(on(where), LLAMA, replace(RECIPE, offload=offload), ONE)


def test_the_optimizer_crosses_the_link_once_a_step():
    """12 bytes of a parameter's state each way, both ways at once, an eighth on each of eight replicas."""
    waits = stepped("optimizer").parts["offload"][0]
    assert waits == pytest.approx(12 * LLAMA.parameters / 8 / 63e9)


def test_offloading_makes_room_for_what_it_costs():
    kept, optimizer, activations, both = (stepped(name) for name in ("none", "optimizer", "activations", "both"))
    assert kept.parts["offload"][0] == 0
    assert kept.memory.at(0).optimizer > 10 * optimizer.memory.at(0).optimizer
    assert kept.memory.at(0).activations > activations.memory.at(0).activations
    assert kept.total[0] < optimizer.total[0] < both.total[0]
    assert kept.memory.margin[0] < optimizer.memory.margin[0] < both.memory.margin[0]


def test_activations_hide_behind_arithmetic_on_a_link_that_is_fast_enough():
    """Grace is next to its accelerators; across PCIe the forward pass is shorter than the way out."""
    assert stepped("activations", "GH200-Alps").parts["offload"][0] == 0
    assert stepped("activations", "HGX-H100").parts["offload"][0] > 0


def test_offload_lets_a_model_train_on_fewer_accelerators():
    big = Transformer.load("Llama-3.1-70B")
    recipe = Recipe(batch=64, sequence=4096)
    with pytest.raises(PlanError, match="does not fit"):
        fastest(on("HGX-H100"), big, recipe, 8)
    assert fastest(on("HGX-H100"), big, replace(recipe, offload="both"), 8).memory.margin >= 0


def test_a_machine_without_a_known_link_refuses():
    with pytest.raises(PlanError, match="offload: expected none, for the catalogue has no link"):
        fastest(on("TPU-v6e-host", "tpu-ici"), LLAMA, replace(RECIPE, offload="both"), 64)
