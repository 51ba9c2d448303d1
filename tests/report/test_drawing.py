"""The picture of a layout fits a screen and counts what the layout counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.hardware import Accelerator, Fabric, Node
from simulator.report.drawing import drawing, plain
from simulator.step import Layout, machine
from simulator.step.placement import spread
from simulator.workload import Recipe, Transformer

NODE = Node.load("HGX-H100")
H100 = machine(NODE, Accelerator.load("H100-SXM"), Fabric.load("infiniband-ndr-400g"), precision="bf16")

LLAMA, RECIPE = Transformer.load("Llama-3.1-405B"), Recipe(batch=2048, sequence=8192)


def drawn(layout, domain=8):
    nodes, layers = -(-layout.accelerators // 8), spread(LLAMA, RECIPE, layout)
    return drawing(layout, replace(H100, domain=domain), layers=layers, nodes=nodes)


@given(
    tensor=st.sampled_from([1, 2, 4, 8, 16, 64, 1024]), pipeline=st.integers(1, 126), interleave=st.integers(1, 16),
    context=st.sampled_from([1, 2, 16]), data=st.integers(1, 200_000), expert=st.sampled_from([1, 8, 256]),
    domain=st.sampled_from([1, 8, 72, 4096]),
)  # fmt: skip
def test_any_layout_fits_80_columns_and_20_lines(domain, **degrees):
    lines = drawn(Layout(**degrees), domain=domain)
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 20
    assert plain("\n".join(lines)).isascii()


def test_three_boxes_stand_for_sixteen_stages():
    text = "\n".join(drawn(Layout(tensor=8, pipeline=16, data=977)))
    assert "stage 1 ─" in text
    assert "stage 2 ─" in text
    assert "stage 16 ─" in text
    assert "stage 3 " not in text
    assert "together 125,056 accelerators on 15,632 nodes" in text


def test_each_stage_shows_its_layers_and_the_legend_all_of_them():
    lines = drawn(Layout(tensor=8, pipeline=16, data=2))
    row = next(line for line in lines if "layers" in line)
    assert (row.count("7 layers"), row.count("8 layers")) == (2, 1)
    assert "PP 16: stages of 7, 14 × 8, 7 layers, one after the other (▶)" in lines
    assert "PP 9: 9 stages, activations from one to the next (▶)" in drawn(Layout(tensor=8, pipeline=9, data=2))


@pytest.mark.parametrize(("tensor", "own", "beside"), [(8, "■" * 8, ""), (4, "■" * 4, "□" * 4), (1, "■", "□" * 7)])
def test_a_box_shows_who_shares_the_scale_up_domain(tensor, own, beside):
    first = drawn(Layout(tensor=tensor, data=64))[2]
    assert first.strip("│ ") == f"{own} {beside}".strip()


def test_a_wafer_is_one_square():
    lines = drawn(Layout(data=62), domain=1)
    assert "│ ■ " in lines[2]
    assert "□" not in "\n".join(lines)
