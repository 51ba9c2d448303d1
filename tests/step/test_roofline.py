"""Operators: limits and monotonicity of the roofline."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import machine
from simulator.step.collectives import all_gather, all_reduce, all_to_all, group
from simulator.step.roofline import gemm_time


@pytest.fixture(scope="module")
def h100():
    node = Node.load("HGX-H100")
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("infiniband-ndr-400g"), precision="bf16")


def array(*values):
    return np.array(values, dtype=float)


sizes = st.integers(1, 65536)


def test_a_large_product_runs_near_the_fitted_share_of_the_peak(h100):
    m = array(16384)
    rate = 2 * m**3 / gemm_time(h100, m, m, m)
    assert 0.85 * h100.gemm < rate[0] / h100.peak <= h100.gemm


def test_a_thin_product_runs_at_the_memory_bandwidth(h100):
    m, n, k = array(16), array(16384), array(16384)
    moved = 2 * (m * k + n * k + m * n)
    assert gemm_time(h100, m, n, k)[0] == pytest.approx((moved / h100.stream + h100.launch)[0], rel=0.1)


@given(m=sizes, n=sizes, k=sizes)
def test_no_product_beats_the_peak_or_the_memory(h100, m, n, k):
    shape = array(m), array(n), array(k)
    seconds = gemm_time(h100, *shape)[0]
    assert seconds >= 2 * m * n * k / h100.peak
    assert seconds >= 2 * (m * k + n * k + m * n) / Accelerator.load("H100-SXM").memory_bandwidth


@given(k=st.integers(1, 32768), m=sizes, n=sizes)
def test_a_deeper_product_never_takes_less(h100, m, n, k):
    shape = array(m, m), array(n, n), array(k, k + 1)
    shallow, deep = gemm_time(h100, *shape)
    assert deep >= shallow


def test_a_partly_filled_wave_costs_what_it_leaves_idle(h100):
    full = h100.tile * h100.multiprocessors
    one, more = gemm_time(h100, array(h100.tile, h100.tile), array(full, full + 1), array(8192, 8192))
    assert more > one


@pytest.mark.parametrize("collective", [all_reduce, all_gather, all_to_all])
@given(size=st.floats(1e3, 1e12), members=st.integers(2, 4096))
def test_a_faster_network_never_slows_a_collective(h100, collective, size, members):
    faster = replace(h100, scaleout=2 * h100.scaleout)
    n, stride = array(members), array(1)
    before = collective(group(h100, n, stride), array(size))
    after = collective(group(faster, n, stride), array(size))
    assert after <= before * (1 + 1e-12)


def test_nobody_to_talk_to_costs_nothing(h100):
    alone = group(h100, array(1), array(1))
    for collective in (all_reduce, all_gather, all_to_all):
        assert collective(alone, array(1e9)) == 0


def test_all_reduce_of_large_messages_approaches_twice_the_size_over_the_ring(h100):
    who = group(h100, array(8), array(1))
    assert all_reduce(who, array(8e9))[0] == pytest.approx(2 * 7 / 8 * 8e9 / h100.scaleup, rel=0.01)


def test_two_ranks_get_three_quarters_of_the_bus_bandwidth_of_eight(h100):
    """258 and 336 GB/s on eight H100 (aiconfigurator's NCCL timings of 512 MiB), 0.77; links alone would give 1."""
    two, eight, many = (group(h100, np.array([n]), np.array([1.0])).up[0] for n in (2.0, 8.0, 72.0))
    assert two / eight == pytest.approx(258 / 336, rel=0.03)
    assert many == eight == h100.scaleup


def test_gradients_summed_in_16_bit_move_half(h100):
    m, n, k = np.array([64.0]), np.array([8192.0]), np.array([8192.0])
    narrow, wide = (gemm_time(h100, n, k, m, moved=2 * each) for each in (2.0, 4.0))
    assert (wide - narrow)[0] == pytest.approx(4 * 8192 * 8192 / h100.stream, rel=0.05)


def test_a_group_drives_the_network_interfaces_of_all_its_members_in_a_domain(h100):
    """TP = 8 leaves one member of a data-parallel group in each domain, TP = 1 leaves eight."""
    alone = group(h100, array(64), array(8))
    together = group(h100, array(64), array(1))
    assert alone.ring[0] == pytest.approx(h100.scaleout)
    assert together.ring[0] == pytest.approx(min(8 * h100.scaleout, h100.scaleup))


def test_a_tapered_tier_slows_what_crosses_it_with_few_members_below():
    node = Node.load("HGX-H100")
    accelerator = Accelerator.load(node.accelerator)
    tapered = machine(node, accelerator, Fabric.load("meta-roce-24k"), precision="bf16")
    # 24,576 ranks at a stride of 1,024: three members of a group below the 3,072 of a pod
    few = group(tapered, array(24), array(1024))
    inside = group(tapered, array(3), array(1024))
    assert few.out[0] < inside.out[0]
