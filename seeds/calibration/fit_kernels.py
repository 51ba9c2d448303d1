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
from simulator.step.collectives import all_gather, group, reach
from simulator.step.machine import Machine
from simulator.step.roofline import Numbers, attention_time, gemm_time, stream_time
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
) -> tuple[Numbers, tuple[float, float]]:
    """Share of the narrow peak over that of 16 bit, passes that quantise the m × k operand, the rest [s]; the error.

    The timings are of layers that are handed 16 bit: before the product they look for the largest element and write
    the narrow form, each pass (2 + o) bytes an element.  Training pays for that by itself (``casts``), so that only
    the share is kept.  The rest is as fitted at 16 bit; the error is on the other half.
    """
    formats = PRECISIONS[recipe]
    peaks: dict[str, float] = dict(accelerator.peak.items())
    fitted, scored = halves(len(shapes.time))
    here, rest = (shapes.take(rows[shapes.flops[rows] > LARGE]) for rows in (fitted[:SHAPES], scored))

    def predicted(values: Numbers, of: Shapes) -> Numbers:
        share, passes, constant = (float(value) for value in values)
        product = replace(machine, peak=peaks[formats.matmul], gemm=machine.gemm * share, operand=formats.operand_bytes)
        quantised = stream_time(machine, passes * (2 + formats.operand_bytes) * of.m * of.k, kernels=0)
        return of.predicted(product) + quantised + constant

    def residuals(values: Numbers) -> Numbers:
        return np.log(predicted(values, here) / here.time)

    found = fit(residuals, (0.8, 1.0, 5e-6), (0.1, 0.0, 0.0), (1.5, 10.0, 1e-4), (0.1, 0.5, 5e-6))
    return found, error(predicted(found, rest), rest.time)


@dataclass(frozen=True)
class Attention:
    """Causal attention kernels of one head width with their measured times [s]."""

    flops: Numbers
    moved: Numbers
    keys: Numbers  # that a query meets on average
    head: int
    time: Numbers

    def predicted(self, machine: Machine) -> Numbers:
        """What the step model says of them. [s]"""
        return attention_time(machine, self.flops, self.moved, keys=self.keys, head=self.head)

    def take(self, rows: Rows) -> Attention:
        """Some of the kernels."""
        return Attention(self.flops[rows], self.moved[rows], self.keys[rows], self.head, self.time[rows])


def read_attention(folder: Path, gpu: str) -> list[Attention]:
    """Forward passes over 512 tokens or more in heads of 64 and 128, as many as were measured."""
    table = pd.read_parquet(folder / f"{gpu}__context_attention_perf.parquet")
    # a cache in 8 bit makes the kernel run at the 8-bit peak, whatever attn_dtype says
    kept = (table.attn_dtype == "bfloat16") & (table.kv_cache_dtype == "bfloat16") & (table.window_size == 0)
    found = []
    for width in (64, 128):
        rows = table[kept & (table.head_dim == width) & (table.isl >= 512)]
        if rows.empty:
            continue
        tokens = rows.batch_size.to_numpy(float) * rows.isl.to_numpy(float)
        heads, groups = rows.num_heads.to_numpy(float), rows.num_key_value_heads.to_numpy(float)
        keys = rows.isl.to_numpy(float) / 2
        kernels = Attention(
            flops=2 * (2 * width) * tokens * keys * heads,
            moved=2 * width * tokens * (2 * heads + 2 * groups),
            keys=keys,
            head=width,
            time=rows.latency.to_numpy(float) * 1e-3,
        )
        found.append(kernels.take(np.flatnonzero(kernels.flops > LARGE)))
    return found


def fit_attention(sets: list[tuple[Machine, Attention]]) -> Numbers:
    """e_a, k½ and p that serve all these kernels."""

    def residuals(values: Numbers) -> Numbers:
        return np.concatenate([
            np.log(kernels.predicted(with_attention(machine, values)) / kernels.time) for machine, kernels in sets
        ])  # fmt: skip

    return fit(residuals, (0.5, 500.0, 0.4), (0.1, 0.0, 0.0), (1.0, 5000.0, 2.0), (0.1, 100.0, 0.1))


def with_attention(machine: Machine, values: Numbers) -> Machine:
    """The machine with the three parameters of fused attention."""
    share, keys, heads = (float(value) for value in values)
    return replace(machine, attention=share, half_keys=keys, narrow_heads=heads)


def permute_share(folder: Path, gpu: str, accelerator: Accelerator, machine: Machine) -> tuple[Numbers, float] | None:
    """Grouped over plain products, permutation over streaming, and what is left [s]; median error on the other half.

    Layers of routed experts in 16 bit with balanced routing, 256 tokens an expert or more and above ``LARGE``: two
    grouped products; the activation function, 6 f bytes a copy; gathering the copies (4 h each), and adding them up
    (2 h each, and 2 h for each token).  ``None`` without such rows.
    """
    table = pd.read_parquet(folder / f"{gpu}__moe_perf.parquet")
    kept = (table.moe_dtype == "bfloat16") & (table.distribution == "balanced") & (table.moe_tp_size == 1)
    table = table[kept & (table.kernel_source == "moe_torch_flow_cutlass")]
    copies = (table.num_tokens * table.topk / table.moe_ep_size).to_numpy(float)
    held = (table.num_experts / table.moe_ep_size).to_numpy(float)
    h, f = table.hidden_size.to_numpy(float), table.inter_size.to_numpy(float)
    rows = np.flatnonzero((copies / held >= 256) & (6 * copies * h * f > LARGE))
    if not len(rows):
        return None
    # each product pays its launch in what is left over
    here = replace(machine, launch=0.0, peak=accelerator.peak["bf16"])
    each = copies / held
    grouped = gemm_time(here, each, 2 * f, h, batch=held) + gemm_time(here, each, h, f, batch=held)
    activated = stream_time(here, 6 * copies * f)
    moved = stream_time(here, 6 * copies * h + 2 * table.num_tokens.to_numpy(float) * h)
    time = table.latency.to_numpy(float) * 1e-3
    order = rows[halves(len(rows))[0]], rows[halves(len(rows))[1]]

    def predicted(values: Numbers, chosen: Rows) -> Numbers:
        kernels, permute, rest = values
        return np.asarray(grouped[chosen] / kernels + activated[chosen] + moved[chosen] / permute + rest)

    def residuals(values: Numbers) -> Numbers:
        return np.log(predicted(values, order[0]) / time[order[0]])

    found = fit(residuals, (1.0, 0.5, 5e-5), (0.2, 0.05, 0.0), (3.0, 1.5, 1e-3), (0.1, 0.1, 1e-5))
    return found, error(predicted(found, order[1]), time[order[1]])[0]


def scaleup_share(folder: Path, gpu: str, accelerator: Accelerator, launch: float) -> tuple[float, dict[int, float]]:
    """Best share of the scale-up rate that an all-gather or reduce-scatter reaches, as if over eight GPUs.

    Beside it the model's signed error by size [MiB].
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
    share = float(np.max((members - 1) / members * size / time) / rate / reach(np.array([members]))[0])
    known: dict[str, Any] = {
        "scaleup": rate * share,
        "domain": int(members),
        "scaleout": 1.0,  # nothing leaves the domain
        "exchange": 1.0,
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

    shares = _shares(folder, data, joint)
    attention = _attention(folder, data, joint, families)
    permutes = {family: _permute(folder, members, data, joint[family]) for family, members in families.items()}
    print("\n# simulator/catalogue/efficiencies.yaml; what is not fitted here stays as it is")
    for family, members in families.items():
        launch, gemm, memory, wave, half_depth = joint[family]
        scaleup = np.median([shares[gpu][1] for gpu in members])
        share, keys, heads = attention[family]
        print(f"{family}:\n  gemm: {gemm:.3f}\n  memory: {memory:.3f}\n  half_depth: {half_depth:.0f}")
        print(f"  wave: {wave:.3f}\n  launch: {launch * 1e6:.1f} µs\n  attention: {share:.2f}")
        print(f"  half_keys: {keys:.0f}\n  narrow_heads: {heads:.2f}\n  scaleup: {scaleup:.2f}")
        if not np.isnan(permutes[family]):
            print(f"  permute: {permutes[family]:.2f}")
        narrow = pd.DataFrame([shares[gpu][0] for gpu in members]).median()
        print(f"  by_format: {{{', '.join(f'{recipe}: {share:.2f}' for recipe, share in narrow.items())}}}")


Data = dict[str, tuple[Machine, Accelerator, Shapes, Shapes]]


def _shares(folder: Path, data: Data, joint: dict[str, Numbers]) -> dict[str, tuple[dict[str, float], float]]:
    """Shares of the narrow peak and of the scale-up links of each GPU; prints them."""
    print("\n| GPU | fp8, block-scaled fp8, nvfp4: over 16 bit, passes, constant, error "
          "| scale-up share, all-gather 1 / 16 / 64 / 512 MiB |")  # fmt: skip
    print("|---|---|---|")
    shares = {}
    for gpu, (machine, accelerator, _, _) in data.items():
        here = with_parameters(machine, accelerator, joint[accelerator.family])
        narrow, cells = {}, []
        for written, recipe in RECIPES.items():
            timed = read_shapes(folder, gpu, written)
            if timed is not None:
                (share, passes, constant), (middle, _) = narrow_share(here, timed, accelerator, recipe)
                narrow[recipe] = float(share)
                cells.append(f"{share:.2f}, {passes:.1f}, {constant * 1e6:.0f} µs, {middle:.0%}")
        scaleup, by_size = scaleup_share(folder, gpu, accelerator, here.launch)
        shares[gpu] = narrow, scaleup
        sizes = " / ".join(f"{off:+.0%}" for off in by_size.values())
        print(f"| {gpu} | {'; '.join(cells) or '–'} | {scaleup:.2f}, {sizes} |")
    return shares


def _attention(
    folder: Path, data: Data, joint: dict[str, Numbers], families: dict[str, list[str]]
) -> dict[str, Numbers]:
    """The parameters of fused attention of each family; prints how well they do."""
    print("\n| attention | e_a | k½ | p | scored on | heads | median, mean error |")
    print("|---|---:|---:|---:|---|---:|---:|")
    found = {}
    for family, members in families.items():
        parts = [
            (gpu, with_parameters(*data[gpu][:2], joint[family]), kernels, *halves(len(kernels.time)))
            for gpu in members
            for kernels in read_attention(folder, gpu)
        ]
        values = fit_attention([(machine, kernels.take(fitted[:SHAPES])) for _, machine, kernels, fitted, _ in parts])
        found[family] = values
        for gpu, machine, kernels, _, scored in parts:
            rest = kernels.take(scored)
            middle, mean = error(rest.predicted(with_attention(machine, values)), rest.time)
            print(f"| {family} | {values[0]:.2f} | {values[1]:.0f} | {values[2]:.2f} | {gpu} | {kernels.head} | "
                  f"{middle:.0%}, {mean:.0%} |")  # fmt: skip
    return found


def _permute(
    folder: Path, gpus: list[str], data: dict[str, tuple[Machine, Accelerator, Shapes, Shapes]], values: Numbers
) -> float:
    """Print a line for each GPU of a family and return the family's share of permutations."""
    shares = []
    for gpu in gpus:
        machine, accelerator, _, _ = data[gpu]
        found = permute_share(folder, gpu, accelerator, with_parameters(machine, accelerator, values))
        if found is not None:
            (grouped, permute, rest), off = found
            shares.append(float(permute))
            print(f"{gpu}: grouped over plain products {grouped:.2f}, permutation over streaming {permute:.2f}, "
                  f"the rest {rest * 1e6:.0f} µs, error {off:.0%}")  # fmt: skip
    return float(np.median(shares)) if shares else float("nan")


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
