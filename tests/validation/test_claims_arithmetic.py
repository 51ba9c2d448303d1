"""What the articles say about clusters, put to the arithmetic of the catalogue."""

from math import sqrt
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from simulator.economics.price import Price
from simulator.hardware.accelerator import Accelerator
from simulator.hardware.node import Node
from simulator.units import DAY, YEAR, base_value
from simulator.workload.transformer import Transformer

CLAIMS = YAML(typ="safe", pure=True).load(Path(__file__).parents[2] / "seeds" / "claims.yaml")


def claimed(key: str) -> float:
    """The claim's quantity in base units."""
    quantity = CLAIMS[key]["quantity"]
    return float(quantity) if isinstance(quantity, int | float) else base_value(quantity)[0]


def test_ten_thousand_a100s_cost_the_top_of_tens_of_millions():
    """The three figures of one article meet only at the very top of its phrase, and only for bare chips."""
    chips = claimed("twitter-10000-gpus") * claimed("a100-costs-10000-usd")
    assert chips == pytest.approx(claimed("twitter-tens-of-millions"))
    servers = chips * Price.load("server-overhead").mid
    assert servers == pytest.approx(166e6)
    with_network = servers / (1 - Price.load("interconnect-share").mid)
    assert with_network == pytest.approx(205e6, rel=0.01)


def test_an_a100_costs_what_the_article_says_at_the_low_end_of_the_sources():
    """a100-costs-10000-usd: a bare chip, bought in numbers; one of eight in a server costs more."""
    price = Accelerator.load("A100-SXM-80GB").price
    assert price is not None
    assert price.low <= claimed("a100-costs-10000-usd") <= price.mid
    assert Price.load("a100-server").mid > 1.5 * claimed("a100-costs-10000-usd")


def test_a_hundred_thousand_gpus_would_have_been_a_billion_dollars_and_65_megawatts():
    """twitter-100000-gpus: ten times what the same story can pay for, and the power of a small town."""
    gpus = claimed("twitter-100000-gpus")
    assert gpus / claimed("twitter-10000-gpus") == 10
    assert gpus * claimed("a100-costs-10000-usd") == pytest.approx(1e9)
    assert gpus * claimed("a100-costs-10000-usd") >= 10 * claimed("twitter-tens-of-millions")
    node = Node.load("DGX-A100")
    rated = gpus / node.accelerators * node.power
    drawn = rated * Price.load("node-power-share").mid
    assert 60e6 < drawn < 65e6 < rated < 82e6


def test_the_wse3_is_57_times_an_h100_in_area_and_16_times_in_dense_arithmetic():
    """wse3-57-times-h100: a ratio of silicon, not of speed; the marketed 62 is a sparse figure."""
    wafer, gpu = Accelerator.load("WSE-3"), Accelerator.load("H100-SXM")
    assert wafer.die_area is not None
    assert gpu.die_area is not None
    assert wafer.die_area / gpu.die_area == pytest.approx(claimed("wse3-57-times-h100"), rel=0.01)
    assert wafer.peak["bf16"] / gpu.peak["bf16"] == pytest.approx(15.8, rel=0.01)
    per_area = (wafer.peak["bf16"] / wafer.die_area) / (gpu.peak["bf16"] / gpu.die_area)
    assert per_area < 0.3
    assert wafer.memory < gpu.memory


def test_a_wafer_is_as_large_as_a_dinner_plate():
    """wse3-dinner-plate: a square of 215 mm; its diagonal is a plate of 30 cm."""
    area = Accelerator.load("WSE-3").die_area
    assert area is not None
    assert sqrt(area) == pytest.approx(0.215, abs=0.0005)
    assert sqrt(2 * area) == pytest.approx(0.30, abs=0.01)


def test_colossus_peaks_at_99_exaflops_and_doubling_adds_nothing_but_numbers():
    """colossus-100000-gpus and colossus-doubles: an H200 has an H100's arithmetic, so the peak doubles too."""
    h100, h200 = (Accelerator.load(name).peak["bf16"] for name in ("H100-SXM", "H200-SXM"))
    before = claimed("colossus-100000-gpus") * h100
    assert before == pytest.approx(98.9e18, rel=0.001)
    assert (150_000 * h100 + 50_000 * h200) / before == pytest.approx(claimed("colossus-doubles"))


def test_el_capitan_beats_frontier_in_fp64_and_colossus_beats_both_in_bf16():
    """el-capitan-takes-the-crown: right about the list; the list does not measure what Colossus is for."""
    apu, module, gpu = (Accelerator.load(name).peak for name in ("MI300A", "MI250X", "H100-SXM"))
    el_capitan, frontier, colossus = 11_136 * 4, 9_408 * 4, claimed("colossus-100000-gpus")
    assert el_capitan * apu["fp64"] == pytest.approx(2.746e18, rel=0.01)  # Rpeak of the list
    assert el_capitan * apu["fp64"] > 1.4 * frontier * module["fp64"]
    assert el_capitan * apu["bf16"] == pytest.approx(43.7e18, rel=0.001)
    assert colossus * gpu["bf16"] > 2.2 * el_capitan * apu["bf16"] > 2.2 * frontier * module["bf16"]
    assert colossus * gpu["fp64_tensor"] == pytest.approx(6.7e18)


def test_one_a100_would_train_gpt3_for_a_lifetime():
    """training-needs-thousands-of-gpus: a thousand of them take a month."""
    model, gpu = Transformer.load("GPT-3-175B"), Accelerator.load("A100-SXM-80GB")
    assert model.trained_flop is not None
    seconds = model.trained_flop / (0.45 * gpu.peak["bf16"])
    assert 60 * YEAR < seconds < 90 * YEAR
    assert 20 * DAY < seconds / 1000 < 40 * DAY


def test_the_rumoured_gpt4_and_epochs_independent_figure_agree():
    """gpt-4-is-the-latest: 25,000 A100s for 90 to 100 days at an MFU of 32 to 36 %."""
    model, gpu = Transformer.load("GPT-4-estimate"), Accelerator.load("A100-SXM-80GB")
    assert model.trained_flop is not None
    assert model.trained_tokens is not None
    rumour = 6 * model.active_parameters * model.trained_tokens
    assert rumour == pytest.approx(model.trained_flop, rel=0.03)
    shortest, longest = (25_000 * gpu.peak["bf16"] * mfu * days * DAY for mfu, days in ((0.32, 90), (0.36, 100)))
    assert shortest < model.trained_flop < longest
