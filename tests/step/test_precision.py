"""Narrow formats: what they speed up, what they leave as it is, and what they keep."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Layout, Layouts, evaluate, machine
from simulator.step.memory import activation_bytes
from simulator.step.roofline import gemm_time
from simulator.workload import Recipe, Transformer
from simulator.workload.precision import PRECISIONS

LLAMA = Transformer.load("Llama-3.1-405B")
RECIPE = Recipe(batch=1024, sequence=8192)
NARROWER = ("bf16", "mxfp8", "fp8", "nvfp4")
ONE = Layouts.of([Layout(tensor=8, pipeline=8, data=8)])


def on(node_name, precision):
    node = Node.load(node_name)
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("infiniband-ndr-400g"), precision=precision)


def stepped(precision, node="DGX-B200"):
    return evaluate(on(node, precision), LLAMA, replace(RECIPE, precision=precision), ONE)


def test_narrower_formats_are_faster_by_less_than_their_peak():
    bf16, mxfp8, nvfp4 = (stepped(name).total[0] for name in ("bf16", "mxfp8", "nvfp4"))
    assert bf16 / 2 < mxfp8 < bf16
    assert mxfp8 / 2 < nvfp4 < mxfp8


def test_logits_and_whatever_runs_in_sixteen_bit_gain_nothing():
    m = np.array([8192.0])
    assert gemm_time(on("DGX-B200", "nvfp4"), m, m, m, sixteen=True) == gemm_time(
        on("DGX-B200", "bf16"), m, m, m, sixteen=True
    )


def test_casts_cost_memory_traffic():
    narrow, wide = stepped("mxfp8").parts, stepped("bf16").parts
    assert narrow["memory-bound operators"][0] > wide["memory-bound operators"][0]


def test_narrower_inputs_leave_less_behind_but_never_half_of_it():
    """Residuals, attention and the input of the activation function stay in 16 bit."""
    kept = [activation_bytes(LLAMA, replace(RECIPE, precision=name), ONE)[0] for name in NARROWER]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] > kept[0] / 2


def test_weights_are_gathered_in_the_format_they_are_quantised_to():
    assert PRECISIONS["fp8"].moved_bytes == PRECISIONS["bf16"].moved_bytes / 2
    gathers = Layouts.of([Layout(data=512, zero=3)])
    wide, narrow = (
        evaluate(
            on("HGX-H100", name), LLAMA, replace(RECIPE, precision=name, overlap=False), gathers
        ).parts["data parallel"]
        for name in ("bf16", "fp8")
    )  # fmt: skip
    assert narrow < wide


@pytest.mark.parametrize("precision", ["mxfp8", "nvfp4", "int8"])
def test_a_format_without_a_peak_is_refused(precision):
    with pytest.raises(PlanError, match=f"A100-SXM-80GB has no dense peak for {precision}; it has bf16"):
        on("DGX-A100", precision)
