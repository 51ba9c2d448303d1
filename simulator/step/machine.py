"""The numbers of a machine that one training step depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from simulator.errors import PlanError
from simulator.hardware import Accelerator, Efficiency, Fabric, Node
from simulator.workload.precision import PRECISIONS

__all__ = ["Machine", "clock", "machine", "sliced", "slowed", "slowest"]


_LIGHT = 4.9e-9
"""Seconds a metre of fibre takes: its refractive index of 1.47 over the speed of light."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Accelerators of one kind on one fabric, with the efficiencies of their family.

    Rates in base units (FLOP/s, B/s); bandwidths are per accelerator and direction.
    """

    name: str
    execution: str
    peak: float  # dense, in the number format of the matrix products
    rated: float  # the same as a mean over the accelerators of mixed pools; what MFU is measured by
    peak16: float  # dense, 16 bit: attention, routing and logits stay there
    memory: float
    edge_memory: float  # weights behind the edge of a wafer or tile [B]
    edge_bandwidth: float
    host: float  # link to the host's memory, one direction; 0 where none is known
    scaleup: float
    domain: int  # accelerators that share scale-up links
    scaleout: float
    exchange: float  # share of ``scaleout`` that all-to-alls reach
    spans: tuple[int, ...]  # accelerators below each tier of the fabric
    tapers: tuple[float, ...]  # cumulative oversubscription above each tier
    latency: float
    hop_latency: float
    gemm: float
    narrow: float  # share of an 8- or 4-bit peak reached, relative to 16 bit
    operand: float  # bytes read for an element of an operand of a matrix product
    wave: float
    half_depth: float
    tile: int
    multiprocessors: int
    stream: float
    launch: float
    attention: float
    portable: float
    half_keys: float
    narrow_heads: float
    hidden: float  # share of the data-parallel traffic that arithmetic hides at best
    permute: float  # share of ``stream`` that permuting tokens reaches
    torus: int = 0  # dimensions of the torus that scale-up links form; 0: a switch, or a link to each
    fibre: tuple[float, ...] = (0.0,)  # seconds of light to the next of each tier of the fabric


@lru_cache(maxsize=256)
def machine(node: Node, accelerator: Accelerator, fabric: Fabric, *, precision: str) -> Machine:
    """The step model's view of a node on a fabric.

    Raises
    ------
    PlanError
        The accelerator has no peak for the number format.
    """
    formats = PRECISIONS[precision]
    peaks: dict[str, float] = dict(accelerator.peak.items())
    peak16 = peaks.get("bf16") or peaks.get("fp16")
    peak = peaks.get(formats.matmul, peak16 if formats.matmul in ("bf16", "fp16") else None)
    if peak is None or peak16 is None:
        known = ", ".join(sorted(accelerator.peak))
        raise PlanError(f"{accelerator.name} has no dense peak for {precision}; it has {known}")
    family = Efficiency.load(accelerator.family)
    # a format no faster than 16 bit (Dojo's, TPU v6e's) has nothing to lose against it
    narrow = family.by_format.get(precision, family.narrow_formats) if peak > 1.05 * peak16 else 1.0
    sustained = min(family.sustained * clock(accelerator, family), 1.0)
    tapers, taper = [], 1.0
    for tier in fabric.tiers:
        taper *= tier.oversubscription
        if tier.uplink is not None:
            taper = max(taper, tier.span * node.scaleout_bandwidth / tier.uplink)
        tapers.append(taper)
    return Machine(
        name=accelerator.name,
        execution=accelerator.execution,
        peak=peak,
        rated=peak,
        peak16=peak16,
        memory=accelerator.memory,
        edge_memory=accelerator.edge_memory or 0.0,
        edge_bandwidth=accelerator.edge_bandwidth or 0.0,
        host=accelerator.host_bandwidth or 0.0,
        scaleup=(accelerator.scaleup_bandwidth or node.scaleout_bandwidth) * family.scaleup,
        domain=node.scaleup_domain or accelerator.scaleup_domain,
        scaleout=node.scaleout_bandwidth * min(fabric.efficiency, family.network),
        exchange=family.exchange,
        spans=tuple(tier.span for tier in fabric.tiers),
        tapers=tuple(tapers),
        latency=fabric.latency,
        hop_latency=fabric.hop_latency,
        gemm=family.gemm * sustained,
        narrow=narrow,
        operand=formats.operand_bytes,
        wave=family.wave,
        half_depth=family.half_depth,
        tile=family.tile,
        multiprocessors=family.multiprocessors,
        stream=accelerator.memory_bandwidth * family.memory,
        launch=family.launch,
        attention=family.attention * sustained,
        portable=family.portable,
        half_keys=family.half_keys,
        narrow_heads=family.narrow_heads,
        hidden=family.hidden,
        permute=family.permute,
        torus=accelerator.torus,
        fibre=tuple(tier.distance * _LIGHT for tier in fabric.tiers),
    )


def clock(accelerator: Accelerator, family: Efficiency) -> float:
    """Clock under the power cap, relative to the part of the family that its parameters were set on.

        f = (p / p_ref)^⅓,  p = (power − host) / peak

    Power per FLOP of the dense 16-bit peak counts, so a part with fewer units at the same power is not slowed.  Dynamic
    power goes as f V², and near the top of its range the voltage V as f.

    Source
    ------
    The exponent is an estimate.  Best matrix products of two parts of one design bracket it (stas00-compute): MI300X
    and MI325X 0.56, H100 and GH200 0.3 to 0.6 by what Grace draws, A100 SXM and PCIe 0.15.
    """
    if not family.reference or family.reference == accelerator.name:
        return 1.0
    mine, reference = (_power_per_peak(one) for one in (accelerator, Accelerator.load(family.reference)))
    return float((mine / reference) ** (1 / 3))


def sliced(machine: Machine, accelerators: int) -> Machine:
    """The machine as a job of so many meets it: a slice of a torus is no larger than the job that asks for it."""
    return replace(machine, domain=min(machine.domain, accelerators)) if machine.torus else machine


def slowed(machine: Machine, clock: float) -> Machine:
    """The machine at a share of its clock: arithmetic goes with it, memory and links have clocks of their own."""
    return machine if clock == 1 else replace(machine, gemm=machine.gemm * clock, attention=machine.attention * clock)


def _power_per_peak(accelerator: Accelerator) -> float:
    peak = accelerator.peak.get("bf16") or accelerator.peak["fp16"]
    return (accelerator.power - accelerator.host_power) / peak


def slowest(machines: Sequence[Machine], counts: Sequence[int]) -> Machine:
    """The machine a synchronous job meets on pools of ``counts`` accelerators: each step waits for the slowest part.

    Assumes equal shares of the batch (:mod:`simulator.step.shares` balances them by speed).  MFU is still measured by
    what all the accelerators together could do.
    """
    if len({m.execution for m in machines}) > 1:
        names = ", ".join(m.name for m in machines)
        raise PlanError(f"{names} execute differently and cannot share one synchronous job; give each a job of its own")
    first = machines[0]
    if len(machines) == 1:
        return first
    worst: dict[str, object] = {"name": " + ".join(dict.fromkeys(m.name for m in machines))}
    for field in fields(Machine):
        values = [getattr(m, field.name) for m in machines]
        if field.name in (
            "operand",
            "wave",
            "half_depth",
            "half_keys",
            "narrow_heads",
            "launch",
            "latency",
            "hop_latency",
        ):
            worst[field.name] = max(values)
        elif isinstance(values[0], int | float):
            worst[field.name] = min(values)
        elif field.name != "name":
            worst[field.name] = values[0]
    worst["rated"] = sum(m.peak * n for m, n in zip(machines, counts, strict=True)) / sum(counts)
    return Machine(**worst)  # type: ignore[arg-type]
