"""Grid, generators and batteries: what they add up to, whose power is used, and what their failures do."""

from __future__ import annotations

import math

import pytest

from simulator import scenario as scenarios
from simulator.engine import sample, simulate
from simulator.errors import ScenarioError
from simulator.plan import outlook, plan
from simulator.plan.model import split
from simulator.results.summary import summarise
from simulator.units import DAY, HOUR

SMALL = (
    "jobs.llama.tokens=200 Gtoken",
    "jobs.llama.accelerators=null",
    "cluster.pools.h100.arrivals={2024-04-01: 512}",
    "failures.fleet=none",
)
GRID = (
    "grid: {kind: grid, power: {2024-01-01: 3 MW, 2024-04-11: 8 MW}, energy_price: 0.05 USD/kWh, carbon: 100 gCO2e/kWh}"
)
GAS = "gas: {kind: generators, power: {2024-01-01: 2 MW}, energy_price: 0.10 USD/kWh, carbon: 500 gCO2e/kWh}"


def read(*supplies, more=()):
    site = f"site={{name: us-average, supplies: {{{', '.join(supplies)}}}}}"
    return scenarios.read("llama-3-405b", changes=(*SMALL, site, *more))


def planned(*supplies, more=()):
    return plan(read(*supplies, more=more))


def test_what_runs_adds_up_to_the_cap_and_what_stands_by_does_not():
    made = planned(
        GRID, GAS, "ups: {kind: battery, power: {2024-01-01: 9 MW}, energy: 1 MWh}",
        "diesel: {kind: generators, power: {2024-01-01: 9 MW}, start: 15 s}",
    )  # fmt: skip
    assert [(step.time, step.watts) for step in made.power] == [(0.0, 5e6), (10 * DAY, 10e6)]
    assert [source.name for source in made.sources] == ["grid", "gas"]


def test_the_cheapest_goes_first_and_every_joule_comes_from_one_source():
    made = planned(GRID, GAS)
    assert split(made.sources, 2e6, 0.0) == [2e6, 0.0]
    assert split(made.sources, 4e6, 0.0) == [3e6, 1e6]
    assert split(made.sources, 4e6, 10 * DAY) == [4e6, 0.0]
    told, books = simulate(made), sample(made, seed=made.seed)
    for summary in (summarise(made, told), summarise(made, books)):
        by_source = summary.energy_MWh_by_source
        assert sum(by_source.values()) == pytest.approx(summary.energy_MWh, rel=1e-9)
        paid = 50 * by_source["grid"] + 100 * by_source["gas"]
        assert summary.cost_rows_usd["energy"] == pytest.approx(paid)
        assert summary.carbon_tCO2e == pytest.approx(0.1 * by_source["grid"] + 0.5 * by_source["gas"])
        assert by_source["gas"] > 0
    assert outlook(made).bill.energy == pytest.approx(paid, rel=0.02)
    assert outlook(made).carbon / 1000 == pytest.approx(summary.carbon_tCO2e, rel=0.02)


def test_one_supply_is_the_site_s_own_power():
    own = "site={name: us-average, power: {2024-01-01: 3 MW}}"
    alone = summarise(made := plan(scenarios.read("llama-3-405b", changes=(*SMALL, own))), sample(made, seed=1))
    one = planned("grid: {kind: grid, power: {2024-01-01: 3 MW}}")
    same = summarise(one, sample(one, seed=1))
    assert same.cost_usd == pytest.approx(alone.cost_usd)
    assert same.carbon_tCO2e == pytest.approx(alone.carbon_tCO2e)


FAILING = "grid: {kind: grid, power: {2024-01-01: 9 MW}, outages: {every: 2 d, lasts: 30 min}}"


def test_batteries_bridge_the_short_outages():
    (bare,) = planned(FAILING).domains
    assert bare.rate == pytest.approx(1 / (2 * DAY))
    assert bare.outage == pytest.approx(1800)
    (bridged,) = planned(FAILING, "ups: {kind: battery, power: {2024-01-01: 9 MW}, energy: 2 MWh}").domains
    pool = planned(FAILING).pools[0]
    draw = 512 * (pool.training_power + pool.standing_power)
    assert bridged.rate == pytest.approx(bare.rate * math.exp(-2 * HOUR * 1e6 / draw / 1800))
    (weak,) = planned(FAILING, "ups: {kind: battery, power: {2024-01-01: 1 MW}, energy: 2 MWh}").domains
    assert weak.rate == bare.rate


def test_standby_generators_end_an_outage_and_none_is_left_when_batteries_reach_their_start():
    diesel = "diesel: {kind: generators, power: {2024-01-01: 9 MW}, start: 60 s}"
    (short,) = planned(FAILING, diesel).domains
    assert short.outage == pytest.approx(60, rel=0.02)
    assert planned(FAILING, diesel, "ups: {kind: battery, power: {2024-01-01: 9 MW}, energy: 1 MWh}").domains == ()


def test_a_battery_that_comes_later_helps_from_then_on():
    before, after = planned(FAILING, "ups: {kind: battery, power: {2024-04-05: 9 MW}, energy: 2 MWh}").domains
    assert (before.begin, before.end, after.begin) == (0.0, 4 * DAY, 4 * DAY)
    assert after.rate < before.rate


def test_an_outage_darkens_what_the_others_do_not_carry_and_stops_the_job():
    made = planned(FAILING, more=("horizon=200 d", "jobs.llama.tokens=4 Ttoken"))
    told = simulate(made)
    dark = [event for event in told.events if event.kind == "interruption"]
    assert {event.detail for event in dark} == {"grid"}
    assert len(dark) == pytest.approx(told.end / (2 * DAY), rel=0.4)
    assert min(row.healthy[0] for row in told.samples) == 0
    half = planned(FAILING.replace("9 MW", "4 MW"), "rest: {kind: grid, power: {2024-01-01: 5 MW}}")
    (part,) = half.domains
    assert 0 < part.share < 1


def test_two_pools_go_dark_together():
    pools = (
        "cluster.pools=[{name: a, node: HGX-H100, arrivals: {2024-04-01: 256}}, "
        "{name: b, node: HGX-H200, arrivals: {2024-04-01: 256}}]"
    )
    told = simulate(planned(FAILING, more=(pools, "jobs.llama.tokens=1 Ttoken")))
    assert any(sum(row.healthy) == 0 for row in told.samples if row.time > 0)


@pytest.mark.parametrize(
    ("supply", "said"),
    [
        ("x: {kind: battery, power: {2024-01-01: 1 MW}}", "an energy for a battery"),
        ("x: {kind: grid, power: {2024-01-01: 1 MW}, energy: 1 MWh}", "an energy for a battery"),
        ("x: {kind: grid, power: {2024-01-01: 1 MW}, start: 1 s}", "start for generators only"),
        ("x: {kind: coal, power: {2024-01-01: 1 MW}}", "grid"),
        ("x: {kind: generators, power: {2024-01-01: 1 MW}, start: 1 s}", "a supply that runs"),
        ("x: {kind: grid, power: {2024-01-01: 1 MW}, outages: {every: 0 s, lasts: 1 h}}", "more than 0"),
    ],
)
def test_what_no_supply_can_be_is_refused(supply, said):
    with pytest.raises(ScenarioError, match=said):
        read(supply)


def test_power_and_supplies_are_not_given_both():
    site = f"site={{name: us-average, power: {{2024-01-01: 1 MW}}, supplies: {{{GRID}}}}}"
    with pytest.raises(ScenarioError, match="not both"):
        scenarios.read("llama-3-405b", changes=(site,))
