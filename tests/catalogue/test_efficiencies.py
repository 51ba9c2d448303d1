"""The efficiencies shelf: complete, and never better than the best anyone measured."""

from __future__ import annotations

import pytest

from simulator import catalogue
from simulator.hardware import Accelerator, Efficiency
from simulator.hardware.accelerator import NumberFormat

FAMILIES = catalogue.names("efficiencies")
MEASURED = [
    (name, number_format)
    for name in catalogue.names("accelerators")
    for number_format in Accelerator.load(name).best_matmul
]
SHARES = ("gemm", "memory", "attention", "network", "scaleup", "narrow_formats", "sustained")


@pytest.mark.parametrize("name", catalogue.names("accelerators"))
def test_the_family_of_every_accelerator_has_an_entry(name: str) -> None:
    assert Efficiency.load(Accelerator.load(name).family).name in FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_used(name: str) -> None:
    assert name in {Accelerator.load(accelerator).family for accelerator in catalogue.names("accelerators")}


@pytest.mark.parametrize("name", FAMILIES)
def test_shares_lie_between_nothing_and_the_datasheet(name: str) -> None:
    family = Efficiency.load(name)
    for field in SHARES:
        assert 0 < getattr(family, field) <= 1, field
    assert 0 <= family.wave <= 1


@pytest.mark.parametrize(("name", "number_format"), MEASURED)
def test_no_large_product_sustains_more_than_the_best_shape_measured(name: str, number_format: NumberFormat) -> None:
    accelerator = Accelerator.load(name)
    family = Efficiency.load(accelerator.family)
    narrow = family.narrow_formats if number_format == "fp8" else 1.0
    # `gemm` is the limit of infinite depth; best shapes are measured at depths around 8,192
    share = family.gemm * family.sustained * narrow / (1 + family.half_depth / 8192)
    assert share <= accelerator.best_matmul[number_format] / accelerator.peak[number_format]


@pytest.mark.parametrize("name", FAMILIES)
def test_fused_attention_is_no_faster_than_matrix_products(name: str) -> None:
    family = Efficiency.load(name)
    assert family.attention <= family.gemm


@pytest.mark.parametrize("name", FAMILIES)
def test_no_waves_are_claimed_where_the_multiprocessors_are_unknown(name: str) -> None:
    entry = catalogue.entry("efficiencies", name)
    family = Efficiency.load(name)
    assert family.multiprocessors > 1 or family.wave == 0 or "without effect" in entry["estimates"]["wave"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_has_a_source_or_a_reason(name: str) -> None:
    entry = catalogue.entry("efficiencies", name)
    for path, _ in catalogue.leaves(entry):
        keys, why = catalogue.references(entry, path)
        assert keys or why, path
        assert set(keys) <= set(catalogue.names("sources")), path


@pytest.mark.parametrize("name", FAMILIES)
def test_an_estimated_family_explains_every_parameter(name: str) -> None:
    entry = catalogue.entry("efficiencies", name)
    if entry.get("status") == "estimate":
        unexplained = {path for path, _ in catalogue.leaves(entry)} - set(entry["estimates"])
        assert not unexplained


@pytest.mark.parametrize("name", FAMILIES)
def test_reasons_name_parameters_that_exist(name: str) -> None:
    entry = catalogue.entry("efficiencies", name)
    named = set(entry.get("estimates", {})) | set(entry.get("sources", {}))
    assert {path.split(".")[0] for path in named} <= set(Efficiency.model_fields)
