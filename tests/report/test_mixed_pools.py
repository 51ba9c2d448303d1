"""What a reader is told of unequal pools, of clocks, of restarts and of supplies."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from simulator.cli import app

_SITE = """
site:
  name: us-average
  supplies:
    grid: {kind: grid, power: {2025-01-01: %s}, energy_price: 0.05 USD/kWh}
    gas: {kind: generators, power: {2025-01-01: 400 kW}, energy_price: 0.1 USD/kWh}
"""
_TWO = """
name: two
question: Do two kinds of node train together?
start: 2025-01-01
cluster:
  pools:
    - {name: h100, node: HGX-H100, arrivals: {2025-01-01: %d}}
    - {name: a100, node: DGX-A100, arrivals: {2025-01-01: %d}}
  fabric: infiniband-ndr-400g
jobs:
  - {name: job, model: Llama-3.1-70B, tokens: 100 Gtoken, batch: 4 Mtoken}
failures: llama-3-fleet
horizon: 2 y
"""


@pytest.fixture
def said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def ask(command, h100, a100, power="9 MW"):
        (tmp_path / "two.yaml").write_text(_TWO % (h100, a100) + _SITE % power)
        result = CliRunner().invoke(app, [command, "two.yaml"])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return ask


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_shares_of_unequal_pools_are_told(said, command):
    told = said(command, 64, 128)
    assert "batch by speed: H100-SXM" in told
    assert "A100-SXM-80GB" in told


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_pool_that_does_not_pay_is_named(said, command):
    assert "left out a100, for with it the job trains" in said(command, 640, 64)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_cap_says_what_the_other_way_would_train(said, command):
    told = said(command, 128, 1, power="700 kW")
    assert "capped the cap leaves" in told
    assert "of their clock" in told
    assert "tokens a day" in told


def test_a_run_tells_its_restart_by_stages_and_its_power_by_supply(said):
    told = said("run", 64, 64, power="800 kW")
    assert "schedule" in told.split("restarts ")[1].split("spares")[0]
    assert "communicators" in told
    assert "power from grid" in told
    assert "gas" in told.split("power from")[1]
