"""Forms of networks: tori, taper by a few long links, distance; what each limits, and that more never hurts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.plan import outlook, plan
from simulator.scenario import read
from simulator.step import Layout, Layouts, evaluate, fastest, machine, sliced
from simulator.step.collectives import all_gather, all_reduce, all_to_all, group, send
from simulator.workload import LayoutRequest, Recipe, Transformer

COLLECTIVES = (all_reduce, all_gather, all_to_all)
FABRICS = ("spectrum-x-400g", "spectrum-x-400g-two-buildings", "spectrum-x-400g-two-sites", "meta-roce-24k",
           "infiniband-ndr-400g", "slingshot-11")  # fmt: skip


def on(node, fabric):
    known = Node.load(node)
    return machine(known, Accelerator.load(known.accelerator), Fabric.load(fabric), precision="bf16")


def array(x):
    return np.array([float(x)])


@pytest.fixture(scope="module")
def pod():
    return on("TPU-v5p-host", "tpu-dcn")


def test_a_whole_slice_drives_every_link_and_one_side_those_of_its_axis(pod):
    cube = sliced(pod, 512)  # 8 x 8 x 8
    whole, side = group(cube, array(512), array(1)), group(cube, array(8), array(1))
    assert whole.ring[0] == pytest.approx(cube.scaleup)
    assert side.ring[0] == pytest.approx(cube.scaleup / 3)
    assert group(cube, array(64), array(8)).ring[0] == pytest.approx(cube.scaleup * 2 / 3)


def test_the_links_of_two_groups_at_right_angles_are_those_of_the_slice(pod):
    """Tensor groups along one axis and replicas along the others share none."""
    cube = sliced(pod, 4096)
    rates = [group(cube, array(n), array(stride)).ring[0] for n, stride in ((16, 1), (256, 16))]
    assert sum(rates) == pytest.approx(cube.scaleup)


def test_steps_around_a_torus_grow_with_its_side(pod):
    steps = [group(sliced(pod, n), array(n), array(1)).steps[0] for n in (64, 512, 4096)]
    assert steps == pytest.approx([3 * 3, 3 * 7, 3 * 15])
    times = [all_gather(group(sliced(pod, n), array(n), array(1)), array(1.0))[0] for n in (64, 512, 4096)]
    assert times[1] / times[0] == pytest.approx(21 / 9, rel=0.01)
    assert times[2] / times[1] == pytest.approx(45 / 21, rel=0.01)


def test_an_all_to_all_in_a_torus_is_bound_by_its_bisection(pod):
    """Half of all bytes cross the middle of a side a, over 2 N / a links each way, for it is wrapped."""
    n, size = 4096, 1e9
    cube = sliced(pod, n)
    link = cube.scaleup / 6
    crossing = n * size / 4  # bytes that go from one half to the other
    bound = crossing / (2 * n / 16 * link)
    assert all_to_all(group(cube, array(n), array(1)), array(size))[0] == pytest.approx(bound, rel=0.01)
    assert bound > size / cube.scaleup


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(FABRICS), st.sampled_from(COLLECTIVES), st.integers(1, 17), st.integers(0, 6),
    st.floats(1e3, 1e10), st.sampled_from(("scaleout", "scaleup", "tapers", "fibre", "latency", "hop_latency")),
    st.floats(1, 100),
)  # fmt: skip
def test_a_better_network_never_slows_a_collective(fabric, collective, members, stride, size, what, factor):
    box = on("HGX-H100", fabric)
    now = getattr(box, what)
    if isinstance(now, tuple):
        better = replace(box, **{what: tuple(max(x / factor, 1.0 if what == "tapers" else 0.0) for x in now)})
    else:
        better = replace(box, **{what: now / factor if "latency" in what else now * factor})
    before, after = (collective(group(one, array(2**members), array(2**stride)), array(size)) for one in (box, better))
    assert after[0] <= before[0] * (1 + 1e-12)
    assert send(better, array(size), array(2**members)) <= send(box, array(size), array(2**members)) * (1 + 1e-12)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(("TPU-v5e-host", "TPU-v5p-host")), st.sampled_from(COLLECTIVES), st.integers(1, 12),
       st.integers(0, 4), st.floats(1e3, 1e10), st.floats(1, 100))  # fmt: skip
def test_faster_links_never_slow_a_torus_and_a_switch_is_no_slower(node, collective, members, stride, size, factor):
    box = on(node, "tpu-dcn")
    who = array(2**members), array(2**stride)
    now, faster, switched = (
        collective(group(one, *who), array(size))[0]
        for one in (box, replace(box, scaleup=factor * box.scaleup), replace(box, torus=0))
    )
    assert faster <= now * (1 + 1e-12)
    if collective is not all_gather:  # around a torus it takes fewer steps
        assert switched <= now * (1 + 1e-12)


def test_a_tier_with_few_long_links_is_as_tapered_as_they_are_few():
    box = on("HGX-H100", "spectrum-x-400g-two-sites")
    assert box.tapers[1] == pytest.approx(65_536 * 400 / 200_000, rel=0.01)
    assert box.fibre[1] == pytest.approx(100e3 * 1.47 / 299_792_458, rel=0.01)


def test_light_takes_its_time_once_each_way_around_a_ring():
    """A ring through both sites crosses twice; within one it does not."""
    box = on("HGX-H100", "spectrum-x-400g-two-sites")
    within, both = (group(box, array(n), array(8)) for n in (4096, 16_384))
    assert within.around[0] == 0
    assert both.around[0] == pytest.approx(2 * 490e-6)
    near = replace(box, fibre=(0.0,) * 3)
    slower = all_gather(both, array(1e6))[0] - all_gather(group(near, array(16_384), array(8)), array(1e6))[0]
    assert slower == pytest.approx(both.around[0], rel=1e-6)


def test_two_buildings_cost_little_and_two_sites_more():
    """The fastest layout of 100,000 H100, and one whose pipeline crosses rather than its replicas."""
    model, recipe = Transformer.load("Llama-3.1-405B"), Recipe(batch=16_384, sequence=8192)
    times = [fastest(on("HGX-H100", name), model, recipe, 100_000).step.total
             for name in ("spectrum-x-400g", "spectrum-x-400g-two-buildings", "spectrum-x-400g-two-sites")]  # fmt: skip
    assert times[0] <= times[1] <= times[2]
    assert times[1] < 1.1 * times[0]
    assert times[2] > 1.02 * times[0]


def test_a_scenario_may_span_two_sites():
    near, far = (
        outlook(plan(read("colossus-100k", changes=[f"cluster.fabric={name}"]), degraded=False))
        for name in ("spectrum-x-400g", "spectrum-x-400g-two-sites")
    )
    assert near.finish < far.finish < 2 * near.finish


def test_tensor_groups_longer_than_an_axis_are_found_and_wider_than_the_slice_refused(pod):
    model, recipe = Transformer.load("Llama-3-8B"), Recipe(batch=256, sequence=8192)
    four = sliced(pod, 64)
    times = evaluate(four, model, recipe, Layouts.of([Layout(tensor=t, data=64 // t) for t in (1, 4, 16)])).parts
    assert times["tensor parallel"][1] < times["tensor parallel"][2]
    with pytest.raises(PlanError, match="tensor × pipeline"):
        fastest(four, model, recipe, 64, LayoutRequest(tensor=128))
