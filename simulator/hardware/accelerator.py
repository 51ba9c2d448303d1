"""One accelerator: dense peaks, memory, links and power, and how much of them a family sustains."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.catalogue import CatalogueEntry
from simulator.units import Area, Bytes, DataRate, Dollars, DollarsPerSecond, FlopRate, Fraction, Ratio, Seconds, Watts

__all__ = ["Accelerator", "Efficiency", "NumberFormat", "Range", "RentRange"]

NumberFormat = Literal["fp64", "fp64_tensor", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4"]


class Range(BaseModel):
    """A price as sources give it: low, middle and high."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Dollars
    mid: Dollars
    high: Dollars
    basis: str = ""


class RentRange(BaseModel):
    """A rent per accelerator and time: low, middle and high."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: DollarsPerSecond
    mid: DollarsPerSecond
    high: DollarsPerSecond
    date: str = ""


class Accelerator(CatalogueEntry):
    """What one accelerator can do at best.  One is what its vendor sells, or the part a source counts."""

    shelf = "accelerators"

    vendor: str
    released: int
    family: str = Field(description="entry of the efficiencies shelf")
    execution: Literal["gpu", "wafer", "mesh"] = "gpu"
    peak: dict[NumberFormat, FlopRate] = Field(description="dense: without structured or unstructured sparsity")
    memory: Bytes = Field(description="device memory that holds weights and activations")
    memory_kind: str = ""
    memory_bandwidth: DataRate
    on_chip_memory: Bytes | None = None
    scaleup_link: str = ""
    scaleup_bandwidth: DataRate | None = Field(default=None, description="all links together, one direction")
    scaleup_domain: int = Field(default=1, ge=1, description="accelerators that reach each other over scale-up links")
    torus: int = Field(
        default=0, ge=0, le=6, description="dimensions of the torus that scale-up links form; 0: all reach all alike"
    )
    host_bandwidth: DataRate | None = Field(default=None, description="link to its host's memory, one direction")
    edge_memory: Bytes | None = Field(default=None, description="memory behind the edge that feeds this part")
    edge_bandwidth: DataRate | None = Field(default=None, description="rate at which weights stream in, one direction")
    power: Watts
    host_power: Watts = Field(default=0.0, description="of it for processors in the same package")
    die_area: Area | None = None
    process: str = ""
    price: Range | None = None
    rent: RentRange | None = None
    best_matmul: dict[NumberFormat, FlopRate] = Field(default={}, description="highest rate measured on any shape")


class Efficiency(CatalogueEntry):
    """How much of its datasheet a family of accelerators sustains in training: the model's fitted parameters.

    The symbols are those of :func:`simulator.step.roofline.gemm_time`.
    """

    shelf = "efficiencies"

    gemm: Fraction = Field(description="e: share of the dense peak a large matrix product reaches")
    memory: Fraction = Field(description="e_b: share of the memory bandwidth a streaming operator reaches")
    half_depth: float = Field(ge=0, description="k½: inner dimension at which a matrix product runs at half speed")
    wave: Fraction = Field(description="w: cost of partly filled waves of tiles")
    tile: int = Field(ge=1, description="rows and columns to which a matrix product is padded")
    multiprocessors: int = Field(ge=1, description="units among which tiles are dealt")
    launch: Seconds = Field(description="t0: time of an empty kernel")
    sustained: Ratio = Field(description="clock in long training over clock in short kernel benchmarks")
    attention: Fraction = Field(description="share of the dense peak fused attention reaches")
    portable: Fraction = Field(default=1, description="share of that reached by a kernel not written for the family")
    half_keys: float = Field(default=0, ge=0, description="keys a query meets at which attention runs at half speed")
    narrow_heads: float = Field(default=0, ge=0, description="exponent by which heads under 128 wide slow attention")
    network: Fraction = Field(description="share of the wire rate large messages reach between nodes")
    exchange: Fraction = Field(
        default=0.75, description="share of that which all-to-alls reach, whose many small flows meet in the switches"
    )
    scaleup: Fraction = Field(description="share of the scale-up wire rate large messages reach")
    permute: Fraction = Field(
        description="share of a streaming operator's rate that permuting tokens for experts reaches"
    )
    narrow_formats: Fraction = Field(description="share of an 8- or 4-bit peak reached, relative to 16 bit")
    reference: str = Field(default="", description="accelerator whose clocks `sustained` holds for; empty: all of them")
    hidden: Fraction = Field(
        default=1.0, description="share of the traffic between replicas that runs beside arithmetic at best"
    )
    by_format: dict[str, Fraction] = Field(default={}, description="the same for single recipes of precision")
