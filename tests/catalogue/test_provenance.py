"""Every number of the catalogue says where it comes from, and every source is there for a reason."""

from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from simulator import catalogue
from simulator.units import base_value

ROOT = Path(__file__).parents[2]
CLASSES = {
    "accelerators": ("simulator.hardware.accelerator", "Accelerator"),
    "efficiencies": ("simulator.hardware.accelerator", "Efficiency"),
    "nodes": ("simulator.hardware.node", "Node"),
    "fabrics": ("simulator.hardware.fabric", "Fabric"),
    "storage": ("simulator.hardware.storage", "Storage"),
    "systems": ("simulator.hardware.system", "System"),
    "models": ("simulator.workload.transformer", "Transformer"),
    "software": ("simulator.workload.software", "Software"),
    "failures": ("simulator.reliability.failures", "Fleet"),
    "sites": ("simulator.economics.site", "Site"),
    "prices": ("simulator.economics.price", "Price"),
    "spreads": ("simulator.validation.spread", "Spread"),
    "runs": ("simulator.validation.training.predict", "Runs"),
}
each_shelf = pytest.mark.parametrize("shelf", CLASSES)


@cache
def shelf_entries(shelf: str) -> dict[str, dict[str, Any]]:
    return {name: catalogue.entry(shelf, name) for name in catalogue.names(shelf)}


def is_quantity(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if not isinstance(value, str):
        return True
    try:
        base_value(value)
    except ValueError:
        return False
    return True


def as_tuple(keys: Any) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


def cited_by_entry(written: dict[str, Any]) -> set[str]:
    lists = [written.get("source", ()), *written.get("sources", {}).values()]
    return {key for keys in lists for key in as_tuple(keys)}


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def cited_by_claims() -> set[str]:
    claims = read(ROOT / "seeds" / "claims.yaml")
    return {key for claim in claims.values() for key in as_tuple(claim.get("source", ()))}


def cited_by_scenarios() -> set[str]:
    """Keys after ``source`` in a scenario's evidence, e.g. ``start: source epoch-chip-counts``."""
    scenarios = [read(path) for path in sorted((ROOT / "scenarios").glob("*.yaml"))]
    statements = [text.split() for scenario in scenarios for text in scenario.get("evidence", {}).values()]
    return {key.strip(",") for kind, *keys in statements if kind == "source" for key in keys}


def test_every_shelf_but_the_sources_has_a_class():
    assert set(CLASSES) | {"sources"} == set(catalogue.SHELVES)


@each_shelf
def test_every_number_has_a_source_or_a_reason(shelf):
    known = set(catalogue.names("sources"))
    orphans = []
    for name, written in shelf_entries(shelf).items():
        for path, value in catalogue.leaves(written):
            keys, why = catalogue.references(written, path)
            if is_quantity(value) and not (why or (keys and known.issuperset(keys))):
                orphans.append(f"{shelf}/{name}: {path} = {value}")
    assert not orphans, "\n".join(orphans)


@each_shelf
def test_every_cited_source_exists(shelf):
    known = set(catalogue.names("sources"))
    unknown = {name: sorted(cited_by_entry(e) - known) for name, e in shelf_entries(shelf).items()}
    assert not {name: keys for name, keys in unknown.items() if keys}


@each_shelf
def test_provenance_speaks_of_values_that_are_there(shelf):
    strays = []
    for name, written in shelf_entries(shelf).items():
        paths = [path for path, _ in catalogue.leaves(written)]
        stated = (*written.get("sources", {}), *written.get("estimates", {}))
        there = {s for s in stated if any(path == s or path.startswith(f"{s}.") for path in paths)}
        strays += [f"{shelf}/{name}: {s}" for s in stated if s not in there]
    assert not strays, "\n".join(strays)


@each_shelf
def test_an_estimate_says_why(shelf):
    for name, written in shelf_entries(shelf).items():
        reasons = written.get("estimates", {})
        assert written.get("status", "verified") == "verified" or reasons, (
            f"{shelf}/{name} is an estimate without a reason"
        )
        assert all(len(why) > 4 for why in reasons.values()), f"{shelf}/{name} has an empty reason"


@each_shelf
def test_every_entry_is_valid_and_its_quantities_have_units(shelf):
    """The shelf's class refuses a bare number where there is a dimension, and a key it does not know."""
    module, name = CLASSES[shelf]
    schema = getattr(import_module(module), name)
    for entry in catalogue.names(shelf):
        schema.load(entry)


def test_a_bare_number_among_the_prices_is_a_ratio():
    """Prices may have any dimension, so their class cannot refuse one without: no ratio here is above three."""
    for name, written in shelf_entries("prices").items():
        bare = [value for _, value in catalogue.leaves(written) if isinstance(value, int | float)]
        assert all(0 <= value < 3 for value in bare), f"prices/{name}: {bare}"


@each_shelf
def test_names_and_aliases_are_unique(shelf):
    written = shelf_entries(shelf)
    spoken = [name.casefold() for name in written] + [
        a.casefold() for e in written.values() for a in e.get("aliases", ())
    ]
    assert not [name for name, count in Counter(spoken).items() if count > 1]
    assert all(
        catalogue.canonical(shelf, alias) == name for name, e in written.items() for alias in e.get("aliases", ())
    )


def test_every_source_is_used():
    used = cited_by_claims() | cited_by_scenarios()
    for shelf in CLASSES:
        used |= {key for written in shelf_entries(shelf).values() for key in cited_by_entry(written)}
    assert not sorted(set(catalogue.names("sources")) - used)


def test_every_source_says_what_and_where_it_is():
    sources = read(Path(catalogue.__file__).parent / "sources.yaml")
    for key, source in sources.items():
        assert {"title", "url", "kind"} <= set(source) <= {"title", "url", "date", "kind", "note"}, key
        assert source["url"].startswith(("https://", "http://")), key
    twice = [url for url, count in Counter(s["url"].rstrip("/") for s in sources.values()).items() if count > 1]
    assert not twice
