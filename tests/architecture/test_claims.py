"""Each claim of the articles is used or excused, and what it points at is there."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from simulator import catalogue
from simulator.units import base_value

ROOT = Path(__file__).parents[2]
CLAIMS = YAML(typ="safe", pure=True).load(ROOT / "seeds" / "claims.yaml")
ARTICLES = {
    "000_754c6ddc875aef62.txt", "001_0e57f66ee6c70214.txt", "002_f9ad55a0cf0e6ec0.txt", "003_d9cf0507657ec8f2.txt",
    "004_6cfec099c9cbe451.txt",
}  # fmt: skip
FIELDS = {
    "says", "quantity", "article", "date", "grade", "agreement", "contradictions", "source", "used_by", "not_used",
}  # fmt: skip
each_claim = pytest.mark.parametrize("key", CLAIMS)


def sources_of(claim):
    keys = claim.get("source", ())
    return (keys,) if isinstance(keys, str) else tuple(keys)


def test_all_forty_claims_of_all_five_articles_are_here():
    assert len(CLAIMS) >= 40
    assert {claim["article"] for claim in CLAIMS.values()} == ARTICLES


@each_claim
def test_a_claim_is_one_sentence_with_its_article_grade_and_agreement(key):
    claim = CLAIMS[key]
    assert set(claim) <= FIELDS
    assert re.fullmatch(r"[a-z0-9-]+", key)
    assert claim["says"].endswith(".")
    assert claim["article"] in ARTICLES
    assert claim["grade"] in {"article", "press", "database", "paper", "datasheet"}
    assert claim["agreement"] in {"yes", "no", "partly", "unclear"}
    assert claim["agreement"] == "yes" or claim["contradictions"]


@each_claim
def test_a_claim_is_used_or_excused_but_not_both(key):
    claim = CLAIMS[key]
    assert bool(claim.get("used_by")) != bool(claim.get("not_used"))


@each_claim
def test_what_uses_a_claim_exists_and_names_it(key):
    for path in CLAIMS[key].get("used_by", ()):
        assert (ROOT / path).is_file(), f"{path} does not exist"
        named = re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", (ROOT / path).read_text(encoding="utf-8"))
        assert named, f"{path} does not mention {key}"


@each_claim
def test_a_claim_seen_elsewhere_names_a_known_source(key):
    claim = CLAIMS[key]
    assert set(sources_of(claim)) <= set(catalogue.names("sources"))
    assert claim["grade"] == "article" or sources_of(claim)


@each_claim
def test_a_quantity_is_a_count_a_ratio_or_has_a_unit(key):
    quantity = CLAIMS[key].get("quantity", 1)
    assert isinstance(quantity, int | float) or base_value(quantity)[0] > 0


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_scenario_rests_on_claims_and_sources_that_exist(path):
    """Evidence reads ``start: claim KEY, KEY`` or ``site: source KEY``; a claim cited names the scenario in turn."""
    known = {"claim": set(CLAIMS), "source": set(catalogue.names("sources"))}
    evidence = YAML(typ="safe", pure=True).load(path).get("evidence", {})
    for where, (kind, *keys) in ((where, text.split()) for where, text in evidence.items()):
        cited = {key.strip(",") for key in keys} if kind in known else set()
        assert cited <= known.get(kind, set()), f"{where}: {kind} {sorted(cited - known[kind])}"
        if kind == "claim":
            silent = [key for key in cited if f"scenarios/{path.name}" not in CLAIMS[key].get("used_by", ())]
            assert not silent, f"{where} rests on {silent}, whose used_by does not name {path.name}"
