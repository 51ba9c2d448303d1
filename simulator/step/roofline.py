"""Time of one operator from its shape: arithmetic against memory, with what tiles, waves and launches cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.step.machine import Machine

__all__ = ["Numbers", "Product", "attention_time", "gemm_time", "product_times", "stream_time"]

Numbers = NDArray[np.float64]


class Product(NamedTuple):
    """Matrix products with weights (k × n) that ``m`` tokens meet, ``batch`` of them in one kernel."""

    m: Numbers
    n: Numbers | float
    k: Numbers | float
    batch: Numbers | float = 1.0
    share: float = 1.0  # of the layers that have it
    sixteen: bool = False  # computed in 16 bit although the job's matrix products use a narrower format


def product_times(machine: Machine, products: Sequence[Product], *, gradient: float) -> tuple[Numbers, Numbers]:
    """Seconds of each product forward, and of the two it needs backward, in an average layer.

    Forward (m × k)·(k × n); backward (m × n)·(n × k) for the input and (n × m)·(m × k) for the weights, whose
    gradients, of ``gradient`` bytes, are read, added to and written for every microbatch.  Shape of both: products ×
    layouts.
    """
    shape = len(products), len(products[0].m)
    m, n, k, batch = (np.empty(shape) for _ in range(4))
    for row, one in enumerate(products):
        m[row], n[row], k[row], batch[row] = one.m, one.n, one.k, one.batch
    share = np.array([[one.share] for one in products])
    sixteen = np.array([[one.sixteen] for one in products])
    sides = (np.array(side) for side in ((m, m, n), (n, k, k), (k, n, m)))
    moved = np.array([2.0, 2.0, 2 * gradient])[:, None, None]
    forward, inputs, weights = gemm_time(machine, *sides, batch=batch, sixteen=sixteen, moved=moved)
    return share * forward, share * (inputs + weights)


def gemm_time(
    machine: Machine,
    m: Numbers,
    n: Numbers,
    k: Numbers,
    *,
    batch: Numbers | float = 1.0,
    sixteen: bool | NDArray[np.bool_] = False,
    moved: Numbers | float = 2.0,
) -> Numbers:
    """Seconds of ``batch`` matrix products (m × k)·(k × n) in one kernel.

        t = t0 + (t_c⁴ + t_m⁴)^¼
        t_c = 2 ⌈m⌉ ⌈n⌉ k / (P e) · (1 + k½ / k) · (1 + w (waves − 1))
        t_m = (o (mk + nk) + r mn) / (BW e_b), operands of o bytes, the result of r
        waves = ⌈tiles / SM⌉ SM / tiles

    ⌈·⌉ rounds up to the tile.  P is the dense peak, SM the multiprocessors; t0, e, e_b, k½, w are fitted per family
    (:class:`simulator.hardware.Efficiency`).  The corner of the roofline is smooth because a real kernel overlaps its
    loads with its arithmetic only in part.

    Parameters
    ----------
    moved
        r, bytes moved for each number of the result: 2 where it is written once, 4 or 8 where gradients accumulate.
    sixteen
        Run at the 16-bit peak although the job's matrix products use a narrower format.

    Source
    ------
    Functional form ours; tile and wave quantisation after NVIDIA, "Matrix Multiplication Background User's Guide".
    """
    tile = machine.tile
    rows, columns = np.ceil(m / tile), np.ceil(n / tile)
    tiles = batch * rows * columns
    waves = np.ceil(tiles / machine.multiprocessors) * machine.multiprocessors / tiles
    rate = machine.gemm * np.where(sixteen, machine.peak16, machine.peak * machine.narrow)
    compute = 2 * tiles * tile * tile * k / rate * (1 + machine.half_depth / k) * (1 + machine.wave * (waves - 1))
    operand = np.where(sixteen, 2.0, machine.operand)
    memory = batch * (operand * (m * k + n * k) + moved * m * n) / machine.stream
    # a fourth root as two square roots is several times faster than a power
    corner: Numbers = machine.launch + np.sqrt(np.sqrt((compute * compute) ** 2 + (memory * memory) ** 2))
    return corner


def stream_time(machine: Machine, bytes_moved: Numbers | float, kernels: float = 1.0) -> Numbers:
    """Seconds of operators that only move ``bytes_moved`` through memory, in ``kernels`` launches."""
    return np.asarray(bytes_moved / machine.stream + kernels * machine.launch)


def attention_time(
    machine: Machine, flops: Numbers, bytes_moved: Numbers, *, keys: Numbers, head: int, share: float = 1.0
) -> Numbers:
    """Seconds of a fused attention kernel of ``flops`` (masked half left out), reading and writing ``bytes_moved``.

        rate = P e_a share · k / (k + k½) · min(1, d / 128)^p

    for queries that meet ``keys`` keys each on average, in heads ``head`` wide.  Tiles on the diagonal are computed
    whole and half thrown away, and a row's first and last tiles overlap with nothing, so short sequences lose most;
    e_a, k½ and p are fitted per family.  ``share`` is what the software's kernel reaches of the best one.

    Source
    ------
    Functional form ours, fitted by seeds/calibration/fit_kernels.py; that the rate rises with the sequence and with the
    width of a head: Dao, "FlashAttention-2", arXiv:2307.08691, section 4.
    """
    rate = machine.peak16 * machine.attention * share * min(1.0, head / 128) ** machine.narrow_heads
    computed = flops * (1 + machine.half_keys / keys) / rate
    time: Numbers = machine.launch + np.maximum(computed, bytes_moved / machine.stream)
    return time
