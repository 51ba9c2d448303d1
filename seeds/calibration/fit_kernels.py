#!/usr/bin/env python3
"""Fit the kernel parameters of the efficiencies shelf to published kernel timings, one Parquet file a GPU and kind.

    python seeds/calibration/fit_kernels.py FOLDER

The script calls the very functions the simulator predicts with, so that a fitted parameter means in the model what it
means here.  It prints how well they do on shapes they were not fitted to, and the lines to put into
``simulator/catalogue/efficiencies.yaml``.  What the files hold and where they come from: README.md beside this script.

Needs scipy and pyarrow, which simgpu itself does not:  pip install scipy pyarrow
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

from simulator.hardware import Accelerator, Efficiency
from simulator.step.collectives import all_gather, group
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers, attention_time, gemm_time
from simulator.workload.precision import PRECISIONS

Rows = NDArray[np.intp]

SETS = {  # file set → accelerator of the catalogue
    "a100_sxm": "A100-SXM-80GB",
    "h100_sxm": "H100-SXM",
    "h200_sxm": "H200-SXM",
    "b200_sxm": "B200-SXM",
    "b300_sxm": "B300-SXM",
    "gb200": "GB200",
    "gb300": "GB300",
}
LARGE = 16e9  # FLOP; where training spends its time, hence fitted with more weight
NARROW = 256e9  # FLOP; below it narrow kernels pay for something else, scaling factors perhaps, and gain little
RECIPES = {"fp8": "fp8", "fp8_block": "mxfp8", "nvfp4": "nvfp4"}  # of the timings → of the model; blocks of 32, not 128
WEIGHT = 4.0
SHAPES = 4000  # a fit uses no more shapes a GPU than this
# launch, gemm, memory, wave, half_depth
START = (4e-6, 0.75, 0.8, 0.1, 100.0)
LOWER = (5e-7, 0.2, 0.2, 0.0, 0.0)
UPPER = (5e-5, 1.0, 1.0, 1.0, 2000.0)
SCALE = (1e-6, 0.1, 0.1, 0.1, 50.0)


@dataclass(frozen=True)
class Shapes:
    """Matrix products of one number format with their measured times [s]."""

    m: Numbers
    n: Numbers
    k: Numbers
    time: Numbers

    @property
    def flops(self) -> Numbers:
        """Arithmetic of each."""
        return 2 * self.m * self.n * self.k

    def predicted(self, machine: Machine) -> Numbers:
        """What the step model says of them. [s]"""
        return gemm_time(machine, self.m, self.n, self.k)

    def take(self, rows: Rows) -> Shapes:
        """Some of the shapes."""
        return Shapes(self.m[rows], self.n[rows], self.k[rows], self.time[rows])


def kernel_machine(accelerator: Accelerator, family: Efficiency, number_format: str) -> Machine:
    """The accelerator alone.  Kernel times depend on no network, so whatever else a machine has stays zero."""
    known: dict[str, Any] = {
        "peak": accelerator.peak[number_format],
        "peak16": accelerator.peak["bf16"],
        "narrow": 1.0,
        "operand": 2.0,
        "tile": family.tile,
        "multiprocessors": family.multiprocessors,
    }
    return Machine(**{field.name: known.get(field.name, 0.0) for field in fields(Machine)})


def with_parameters(machine: Machine, accelerator: Accelerator, values: Numbers) -> Machine:
    """The machine with the five parameters of a matrix product."""
    launch, gemm, memory, wave, half_depth = (float(value) for value in values)
    stream = accelerator.memory_bandwidth * memory
    return replace(machine, launch=launch, gemm=gemm, stream=stream, wave=wave, half_depth=half_depth)


def halves(rows: int) -> tuple[Rows, Rows]:
    """Rows to fit and rows to score, the same on every run."""
    order = np.random.default_rng(0).permutation(rows)
    return order[: rows // 2], order[rows // 2 :]


def read_shapes(folder: Path, gpu: str, number_format: str) -> Shapes | None:
    """Matrix products of training-like size, or none of this format."""
    table = pd.read_parquet(folder / f"{gpu}__gemm_perf.parquet", columns=["gemm_dtype", "m", "n", "k", "latency"])
    table = table[(table.gemm_dtype == number_format) & (table.m <= 32768) & (table.n <= 65536) & (table.k <= 65536)]
    if table.empty:
        return None
    m, n, k, latency = (table[column].to_numpy(float) for column in ("m", "n", "k", "latency"))
    return Shapes(m, n, k, latency * 1e-3)


def error(predicted: Numbers, measured: Numbers) -> tuple[float, float]:
    """Median and mean of |predicted / measured − 1|."""
    off = np.abs(predicted / measured - 1)
    return float(np.median(off)), float(np.mean(off))


def fit(residuals: Callable[[Numbers], Numbers], start: tuple[float, ...], lower: tuple[float, ...],
        upper: tuple[float, ...], scale: tuple[float, ...]) -> Numbers:  # fmt: skip
    """Least squares of log ratios; beyond 10 % they count linearly, so that odd kernels do not steer the fit."""
    found = least_squares(residuals, start, bounds=(lower, upper), x_scale=scale, loss="soft_l1", f_scale=0.1)
    return np.asarray(found.x)


def fit_gemm(sets: list[tuple[Machine, Accelerator, Shapes]]) -> Numbers:
    """t0, e, e_b, w and k½ that serve all these GPUs."""

    def residuals(values: Numbers) -> Numbers:
        return np.concatenate([
            np.sqrt(np.where(shapes.flops > LARGE, WEIGHT, 1.0))
            * np.log(shapes.predicted(with_parameters(machine, accelerator, values)) / shapes.time)
            for machine, accelerator, shapes in sets
        ])  # fmt: skip

    return fit(residuals, START, LOWER, UPPER, SCALE)


def narrow_share(
    machine: Machine, shapes: Shapes, accelerator: Accelerator, recipe: str
) -> tuple[float, tuple[float, float]]:
    """Share of the narrow peak over that of 16 bit, all else as fitted at 16 bit; and the error on the other half."""
    formats = PRECISIONS[recipe]
    peaks: dict[str, float] = dict(accelerator.peak.items())
    fitted, scored = halves(len(shapes.time))
    here, rest = (shapes.take(rows[shapes.flops[rows] > NARROW]) for rows in (fitted, scored))

    def scaled(share: float) -> Machine:
        return replace(machine, peak=peaks[formats.matmul], gemm=machine.gemm * share, operand=formats.operand_bytes)

    def residuals(share: Numbers) -> Numbers:
        return np.log(here.predicted(scaled(float(share[0]))) / here.time)

    share = float(fit(residuals, (0.8,), (0.1,), (1.5,), (0.1,))[0])
    return share, error(rest.predicted(scaled(share)), rest.time)


def attention_share(folder: Path, gpu: str, machine: Machine, width: int = 128) -> tuple[float, tuple[float, float]]:
    """Share of the 16-bit peak that causal attention over 2,048 tokens or more reaches, forward; error on the rest."""
    table = pd.read_parquet(folder / f"{gpu}__context_attention_perf.parquet")
    # a cache in 8 bit makes the kernel run at the 8-bit peak, whatever attn_dtype says
    kept = (table.attn_dtype == "bfloat16") & (table.kv_cache_dtype == "bfloat16") & (table.window_size == 0)
    table = table[kept & (table.head_dim == width) & (table.isl >= 2048)]
    if table.empty:
        return float("nan"), (float("nan"), float("nan"))
    tokens = table.batch_size.to_numpy(float) * table.isl.to_numpy(float)
    heads, groups = table.num_heads.to_numpy(float), table.num_key_value_heads.to_numpy(float)
    flops = 2 * (2 * width) * tokens * (table.isl.to_numpy(float) / 2) * heads
    moved = 2 * width * tokens * (2 * heads + 2 * groups)
    time = table.latency.to_numpy(float) * 1e-3
    fitted, scored = halves(len(time))
    share = float(np.median(flops[fitted] / (time[fitted] - machine.launch) / machine.peak16))
    here = replace(machine, attention=share)
    return share, error(attention_time(here, flops[scored], moved[scored]), time[scored])


def scaleup_share(folder: Path, gpu: str, accelerator: Accelerator, launch: float) -> tuple[float, dict[int, float]]:
    """Best share of the scale-up rate an all-gather or reduce-scatter reaches; the model's signed error by size [MiB].

    ``message_size`` counts elements of the whole gathered buffer: were it the part of one member, A100s would
    exceed their links fivefold.
    """
    table = pd.read_parquet(folder / f"{gpu}__nccl_perf.parquet")
    table = table[(table.num_gpus == table.num_gpus.max()) & table.op_name.isin(["all_gather", "reduce_scatter"])]
    members = float(table.num_gpus.max())
    size = table.message_size.to_numpy(float) * np.where(table.nccl_dtype == "half", 2, 1)
    time = table.latency.to_numpy(float) * 1e-3
    rate = accelerator.scaleup_bandwidth
    if rate is None:
        raise SystemExit(f"{accelerator.name} has no scale-up bandwidth in the catalogue")
    share = float(np.max((members - 1) / members * size / time) / rate)
    known: dict[str, Any] = {
        "scaleup": rate * share,
        "domain": int(members),
        "launch": launch,
        "spans": (),
        "tapers": (),
    }
    machine = Machine(**{field.name: known.get(field.name, 0.0) for field in fields(Machine)})
    who = group(machine, np.array([members]), np.array([1.0]))
    predicted = all_gather(who, size)
    off = predicted / time - 1
    return share, {mebi: float(np.median(off[np.isclose(size, mebi * 2**20)])) for mebi in (1, 16, 64, 512)}


def main() -> None:
    """Print the table of fits and the YAML of each family."""
    parser = argparse.ArgumentParser(description="Fit the efficiencies shelf to published kernel timings.")
    parser.add_argument("folder", type=Path, help="folder with <gpu>__<kind>.parquet files")
    folder = parser.parse_args().folder
    found = [gpu for gpu in SETS if (folder / f"{gpu}__gemm_perf.parquet").exists()]
    if not found:
        raise SystemExit(f"{folder}: expected <gpu>__gemm_perf.parquet for one of {', '.join(SETS)}")
    families: dict[str, list[str]] = {}
    data = {}
    for gpu in found:
        accelerator = Accelerator.load(SETS[gpu])
        machine = kernel_machine(accelerator, Efficiency.load(accelerator.family), "bf16")
        shapes = read_shapes(folder, gpu, "bfloat16")
        if shapes is None:
            raise SystemExit(f"{folder}: no bfloat16 rows for {gpu}")
        fitted, scored = halves(len(shapes.time))
        data[gpu] = machine, accelerator, shapes.take(fitted[:SHAPES]), shapes.take(scored)
        families.setdefault(accelerator.family, []).append(gpu)

    print("| fit | t0 | e | e_b | w | k½ | scored on | all: median, mean error | > 16 GFLOP: median, mean |")
    print("|---|---:|---:|---:|---:|---:|---|---:|---:|")
    joint = {family: fit_gemm([data[gpu][:3] for gpu in members]) for family, members in families.items()}
    own = {gpu: fit_gemm([data[gpu][:3]]) for gpu in found}
    for family, members in families.items():
        for gpu in members:
            _score(gpu, own[gpu], gpu, data[gpu])
        for gpu in members:
            _score(f"**{family}**", joint[family], gpu, data[gpu])

    print("\n| GPU | fp8, block-scaled fp8, nvfp4 over 16 bit, error | attention d=128, error | d=64, error | "
          "scale-up share, all-gather 1 / 16 / 64 / 512 MiB |")  # fmt: skip
    print("|---|---|---|---|---|")
    shares: dict[str, list[tuple[float, ...]]] = {family: [] for family in families}
    for gpu in found:
        machine, accelerator, _, _ = data[gpu]
        here = with_parameters(machine, accelerator, joint[accelerator.family])
        narrow = {}
        for written, recipe in RECIPES.items():
            timed = read_shapes(folder, gpu, written)
            if timed is not None:
                narrow[recipe] = narrow_share(here, timed, accelerator, recipe)
        attention, attention_error = attention_share(folder, gpu, here)
        small, small_error = attention_share(folder, gpu, here, width=64)
        scaleup, by_size = scaleup_share(folder, gpu, accelerator, here.launch)
        each = [narrow[recipe][0] if recipe in narrow else np.nan for recipe in RECIPES.values()]
        shares[accelerator.family].append((*each, attention, scaleup))
        sizes = " / ".join(f"{off:+.0%}" for off in by_size.values())
        cells = [f"{share:.2f}, {off:.0%}" for share, (off, _) in narrow.values()] or ["–"]
        heads = f"{attention:.2f}, {attention_error[0]:.0%} | {small:.2f}, {small_error[0]:.0%}"
        print(f"| {gpu} | {'; '.join(cells)} | {heads} | {scaleup:.2f}, {sizes} |")

    print("\n# simulator/catalogue/efficiencies.yaml; what is not fitted here stays as it is")
    for family, parts in shares.items():
        launch, gemm, memory, wave, half_depth = joint[family]
        *narrow_shares, attention, scaleup = np.median(np.array(parts), axis=0)
        print(
            f"{family}:\n  gemm: {gemm:.3f}\n  memory: {memory:.3f}\n  half_depth: {half_depth:.0f}\n  wave: {wave:.3f}"
        )
        print(f"  launch: {launch * 1e6:.1f} µs\n  attention: {attention:.2f}\n  scaleup: {scaleup:.2f}")
        known = [
            (recipe, share)
            for recipe, share in zip(RECIPES.values(), narrow_shares, strict=True)
            if not np.isnan(share)
        ]
        print(f"  by_format: {{{', '.join(f'{recipe}: {share:.2f}' for recipe, share in known)}}}")


def _score(label: str, values: Numbers, gpu: str, data: tuple[Machine, Accelerator, Shapes, Shapes]) -> None:
    machine, accelerator, _, rest = data
    predicted = rest.predicted(with_parameters(machine, accelerator, values))
    large = rest.flops > LARGE
    every, big = error(predicted, rest.time), error(predicted[large], rest.time[large])
    launch, gemm, memory, wave, half_depth = values
    print(f"| {label} | {launch * 1e6:.1f} µs | {gemm:.3f} | {memory:.3f} | {wave:.3f} | {half_depth:.0f} | {gpu} | "
          f"{every[0]:.1%}, {every[1]:.1%} | {big[0]:.1%}, {big[1]:.1%} |")  # fmt: skip


if __name__ == "__main__":
    main()
