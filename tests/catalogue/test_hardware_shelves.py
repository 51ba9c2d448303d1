"""The hardware shelves: every entry loads, every value says where it comes from, and known arithmetic holds."""

from __future__ import annotations

from collections import Counter

import pytest

from simulator import catalogue
from simulator.hardware import Accelerator, Fabric, Node, Storage, System

SHELVES = {"accelerators": Accelerator, "nodes": Node, "fabrics": Fabric, "storage": Storage, "systems": System}
ENTRIES = [(shelf, name) for shelf in SHELVES for name in catalogue.names(shelf)]

# How published measurements spell what they ran on.
MEASURED = {
    "A100": "A100-SXM-80GB",
    "A100-40GB-SXM": "A100-SXM-40GB",
    "A100-80GB-SXM": "A100-SXM-80GB",
    "A100-SXM": "A100-SXM-80GB",
    "A800-80GB-SXM": "A100-SXM-80GB",
    "B200": "B200-SXM",
    "B300": "B300-SXM",
    "CS-2": "WSE-2",
    "CS-3": "WSE-3",
    "GB200": "GB200",
    "GB300": "GB300",
    "GH200": "GH200",
    "Gaudi2": "Gaudi2",
    "H100-SXM": "H100-SXM",
    "H100-SXM (GH200)": "GH200",
    "H100-SXM-96GB-HBM2e-500W": "H100-SXM-96GB-500W",
    "H200-SXM": "H200-SXM",
    "H800-SXM": "H800-SXM",
    "Intel-Max1550-tile": "Intel-Max-1550-tile",
    "MI250X": "MI250X",
    "MI250X-GCD": "MI250X-GCD",
    "MI300X": "MI300X",
    "MI350X": "MI350X",
    "MI355X": "MI355X",
    "TPU7x (Ironwood)": "TPU-v7",
    "TPUv3": "TPU-v3",
    "TPUv4": "TPU-v4",
    "TPUv5e": "TPU-v5e",
    "TPUv5p": "TPU-v5p",
    "TPUv6e": "TPU-v6e",
    "Trainium1-NeuronCore-v2": "Trainium1-core",
    "V100-SXM3-32GB": "V100-SXM-32GB",
}


@pytest.mark.parametrize(("shelf", "name"), ENTRIES)
def test_every_entry_loads(shelf, name):
    assert SHELVES[shelf].load(name).name == name


@pytest.mark.parametrize(("shelf", "name"), ENTRIES)
def test_every_value_has_a_source_or_a_reason(shelf, name):
    written = catalogue.entry(shelf, name)
    for path, value in catalogue.leaves(written):
        keys, why = catalogue.references(written, path)
        assert keys or why, f"{shelf}.{name}.{path} = {value!r} comes from nowhere"
        for key in keys:
            assert key in catalogue.names("sources"), f"{shelf}.{name}.{path} cites {key!r}, which sources.yaml lacks"


@pytest.mark.parametrize(("shelf", "name"), ENTRIES)
def test_estimates_and_sources_speak_of_values_that_are_there(shelf, name):
    written = catalogue.entry(shelf, name)
    paths = {".".join(path.split(".")[:depth]) for path, _ in catalogue.leaves(written) for depth in (1, 2)}
    assert {*written.get("estimates", {}), *written.get("sources", {})} <= paths


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_name_or_alias_means_one_entry(shelf):
    spellings = Counter(
        spelling.casefold()
        for name in catalogue.names(shelf)
        for spelling in (name, *catalogue.entry(shelf, name).get("aliases", ()))
    )
    assert [spelling for spelling, times in spellings.items() if times > 1] == []
    for name in catalogue.names(shelf):
        for alias in catalogue.entry(shelf, name).get("aliases", ()):
            assert catalogue.canonical(shelf, alias) == name


@pytest.mark.parametrize(("spelling", "name"), MEASURED.items())
def test_the_spellings_of_published_measurements_resolve(spelling, name):
    assert catalogue.canonical("accelerators", spelling) == name


def test_a_part_that_nobody_verified_says_so_of_every_number():
    entry = catalogue.entry("accelerators", "Ascend-910B")
    assert entry["status"] == "estimate"
    for field in ("peak", "memory", "memory_bandwidth", "scaleup_bandwidth", "scaleup_domain", "power"):
        assert "recalled" in entry["estimates"][field]


@pytest.mark.parametrize("name", catalogue.names("accelerators"))
def test_peaks_are_dense(name):
    """A sparse 8-bit peak beside a dense 16-bit one would be four times as large."""
    part = Accelerator.load(name)
    wide = part.peak.get("bf16") or part.peak["fp16"]
    if name in ("Rubin", "Trainium3"):  # the two that widened their 8-bit units on purpose: 4.4 and 3.8 times, dense
        return
    assert part.peak.get("fp8", 0.0) <= 2.2 * wide


@pytest.mark.parametrize("name", catalogue.names("accelerators"))
def test_no_measured_matrix_product_beats_the_peak(name):
    part = Accelerator.load(name)
    assert all(best < part.peak[number_format] for number_format, best in part.best_matmul.items())


def test_the_h100_has_its_dense_peaks():
    h100 = Accelerator.load("H100")
    assert h100.peak["bf16"] == pytest.approx(989e12)
    assert h100.peak["fp8"] == pytest.approx(1979e12)


@pytest.mark.parametrize(
    ("half", "whole"),
    [("MI250X-GCD", "MI250X"), ("Trainium1-core", "Trainium1"), ("Intel-Max-1550-tile", "Intel-Max-1550")],
)
def test_a_half_is_half_of_its_whole(half, whole):
    part, module = Accelerator.load(half), Accelerator.load(whole)
    assert 2 * part.peak["bf16"] == pytest.approx(module.peak["bf16"], rel=1e-3)
    assert 2 * part.memory == pytest.approx(module.memory, rel=1e-3)
    assert 2 * part.memory_bandwidth == pytest.approx(module.memory_bandwidth, rel=1e-3)
    assert 2 * part.power == pytest.approx(module.power)
    assert part.scaleup_domain == 2 * module.scaleup_domain


@pytest.mark.parametrize("name", catalogue.names("nodes"))
def test_a_node_can_feed_its_accelerators(name):
    node = Node.load(name)
    part = Accelerator.load(node.accelerator)
    assert catalogue.canonical("accelerators", node.accelerator) == node.accelerator
    assert (node.training_power or 0.0) < node.power
    # machines measured as a whole under HPL draw a little less than their packages' peaks together
    assert node.power >= 0.85 * node.accelerators * part.power
    assert (node.scaleup_domain or part.scaleup_domain) % node.accelerators == 0 or part.scaleup_domain == 1


@pytest.mark.parametrize("name", catalogue.names("nodes"))
def test_prices_are_ordered(name):
    node = Node.load(name)
    for price in (node.price, Accelerator.load(node.accelerator).price):
        assert price is None or price.low <= price.mid <= price.high


@pytest.mark.parametrize("name", catalogue.names("accelerators"))
def test_rents_are_ordered(name):
    rent = Accelerator.load(name).rent
    assert rent is None or rent.low <= rent.mid <= rent.high


@pytest.mark.parametrize("name", catalogue.names("fabrics"))
def test_tiers_widen(name):
    spans = [tier.span for tier in Fabric.load(name).tiers]
    assert spans == sorted(set(spans))


@pytest.mark.parametrize("name", catalogue.names("systems"))
def test_a_system_is_made_of_known_parts(name):
    system = System.load(name)
    assert set(system.accelerators) <= set(catalogue.names("accelerators"))
    assert not system.node or system.node in catalogue.names("nodes")
    if system.peak is not None:
        assert system.dense_peak("bf16") == pytest.approx(system.peak, rel=0.002)
    # what cannot be: more HPL than FP64 peak
    assert system.hpl is None or system.hpl_peak is None or system.hpl < system.hpl_peak


def test_colossus_is_98_9_exaflops():
    assert System.load("Colossus-100k").dense_peak("bf16") == pytest.approx(98.9e18)


def test_colossus_draws_what_was_reported():
    """12,500 nodes at their rating and a tenth for the network are 140 MW, within the reported 137 to 181 MW."""
    colossus = System.load("Colossus-100k")
    rated = colossus.nodes * Node.load(colossus.node).power * 1.10
    assert rated == pytest.approx(140e6, rel=0.01)
    assert rated <= colossus.power <= colossus.facility_power


def test_a_wafer_is_57_times_an_h100_in_area_and_16_times_in_arithmetic():
    wafer, gpu = Accelerator.load("WSE-3"), Accelerator.load("H100-SXM")
    assert wafer.die_area / gpu.die_area == pytest.approx(56.8, abs=0.05)
    assert wafer.peak["bf16"] / gpu.peak["bf16"] == pytest.approx(15.8, abs=0.05)


def test_a_dojo_tile_is_25_chips():
    tile, chip = Accelerator.load("Dojo-tile"), Accelerator.load("D1")
    assert tile.peak["bf16"] == pytest.approx(25 * chip.peak["bf16"])
    assert tile.memory == pytest.approx(25 * chip.memory)


def test_el_capitan_and_its_nodes_agree():
    machine = System.load("El-Capitan")
    node = Node.load(machine.node)
    assert machine.nodes * node.accelerators == machine.size
    assert machine.nodes * node.power == pytest.approx(machine.power, rel=0.01)
    assert machine.dense_peak("fp64") == pytest.approx(machine.hpl_peak, rel=0.01)


def test_a_rack_of_72_is_18_trays():
    for rack in ("GB200-NVL72", "GB300-NVL72"):
        system = System.load(rack)
        tray = Node.load(system.node)
        assert tray.accelerators * system.nodes == tray.scaleup_domain == system.size
        assert system.capital.mid == pytest.approx(system.nodes * tray.price.mid, rel=1e-3)


def test_blooms_save_fixes_the_rate_of_a_node():
    """2.3 TB in 40 s from 48 nodes."""
    store = Storage.load("parallel-filesystem")
    assert 2.3e12 / store.write_rate(48) == pytest.approx(40, rel=0.01)
    assert store.write_rate(100_000) == store.write
