"""Power by what a node does, a PUE that depends on load, and what gives way to a cap."""

from __future__ import annotations

import math

import pytest

from simulator import scenario as scenarios
from simulator.engine import sample, simulate
from simulator.plan import outlook, plan
from simulator.plan.curtailment import clock_of, power_at
from simulator.plan.ladder import standing
from simulator.plan.model import Size
from simulator.results.summary import summarise

SMALL = (
    "jobs.llama.tokens=200 Gtoken",
    "jobs.llama.accelerators=null",
    "cluster.pools.h100.arrivals={2024-04-01: 512}",
)
CALM = "failures.scale=1e-9"


def read(*changes):
    return scenarios.read("llama-3-405b", changes=(*SMALL, *changes))


def planned(*changes):
    return plan(read(*changes))


def test_with_all_nodes_training_the_facility_draws_pue_times_what_they_do():
    for fixed in (0, 30, 100):
        site = f"site={{name: us-average, pue: 1.4, pue_fixed: {fixed} %}}"
        (pool,) = planned(site, CALM).pools
        (bare,) = planned("site={name: us-average, pue: 1}", CALM).pools
        assert pool.training_power + pool.standing_power == pytest.approx(1.4 * bare.training_power)
        idle = pool.idle_power + pool.standing_power
        assert idle >= 1.4 * bare.idle_power * (1 - 1e-12)
        assert idle / bare.idle_power > 1.4 or fixed == 0


def test_the_less_follows_the_load_the_more_energy_a_run_with_idle_nodes_takes():
    energies = []
    for fixed in (0, 30, 60, 100):
        made = planned(f"site.pue_fixed={fixed} %", "jobs.llama.accelerators=2048")
        energies.append(summarise(made, sample(made, seed=1)).energy_MWh)
    assert energies == sorted(energies)
    assert energies[0] < energies[-1]


def test_a_node_draws_less_when_it_saves_and_least_when_it_waits():
    made = planned("checkpoint={interval: 10 min, save: 5 min}", CALM)
    (pool,), rung = made.pools, made.jobs[0].rungs[0]
    assert pool.idle_power < pool.holding_power < pool.training_power
    nodes = sum(rung.nodes)
    mean = (2 * pool.training_power + pool.holding_power) / 3
    assert rung.running_power == pytest.approx(nodes * mean)
    books = sample(made, seed=1)
    resting = (512 - nodes) * pool.idle_power + 512 * pool.standing_power
    began = rung.restart * (nodes * pool.holding_power + resting)
    ran = (books.end - rung.restart) * (rung.running_power + resting)
    assert books.energy == pytest.approx(began + ran, rel=1e-9)
    assert books.peak_power == pytest.approx(rung.power + resting)


def test_expected_energy_meets_the_simulated_one():
    made = planned("failures.scale=4", "cluster.spares=12 %", "site.pue_fixed=50 %")
    runs = [summarise(made, sample(made, seed=seed)).energy_MWh for seed in range(12)]
    assert outlook(made).energy / 3.6e9 == pytest.approx(sum(runs) / len(runs), rel=0.03)


CAP = "site={name: us-average, power: {2024-01-01: 3 MW}}"


def test_the_power_law_of_a_clock_has_its_limits():
    pools = planned(CALM).pools
    assert power_at((10,), pools) == pytest.approx(10 * pools[0].training_power)
    assert power_at((10,), pools, 0.0) == pytest.approx(10 * pools[0].idle_power)
    for clock in (0.6, 0.8, 0.99):
        assert clock_of(Size((10,), power_at((10,), pools, clock)), pools) == pytest.approx(clock)
    assert clock_of(Size((10,), math.inf), pools) == 1
    assert clock_of(Size((10,), 0.0), pools) == 0


def test_a_cap_takes_nodes_or_clocks_whichever_trains_more_and_says_so():
    best, nodes, clocks = (planned(CAP, f"site.curtailment={kind}").jobs[0] for kind in ("best", "nodes", "clocks"))
    assert best.rungs[0].useful_tokens_per_second >= max(
        one.rungs[0].useful_tokens_per_second for one in (nodes, clocks)
    )
    assert all(rung.clock == 1 for rung in nodes.rungs)
    assert best.rungs[0].clock < 1
    told = best.rungs[0].instead
    assert told is not None
    assert told.clock == 1
    assert told.useful * best.rungs[0].useful_tokens_per_second == pytest.approx(
        nodes.rungs[0].useful_tokens_per_second, rel=0.02
    )


def test_no_rung_draws_more_than_the_cap_leaves_beside_the_building():
    made = planned(CAP)
    there = 3e6 - standing(made.pools, 0.0)
    assert all(rung.power <= there * (1 + 1e-9) for rung in made.jobs[0].rungs)
    assert max(row.power for row in simulate(made).samples) <= 3e6 * (1 + 1e-9)


def test_more_power_never_trains_less():
    speeds = [
        planned(f"site={{name: us-average, power: {{2024-01-01: {cap} MW}}}}").jobs[0].rungs[0].useful_tokens_per_second
        for cap in (2, 2.5, 3, 4, 6, 10)
    ]
    assert speeds == sorted(speeds)
    assert speeds[-1] == pytest.approx(planned().jobs[0].rungs[0].useful_tokens_per_second)


def test_clocks_slow_arithmetic_and_nothing_else():
    full, slow = planned().jobs[0].rungs[0], planned(CAP, "site.curtailment=clocks").jobs[0].rungs[0]
    assert slow.clock < full.step.total / slow.step.total * slow.accelerators / full.accelerators * 1.2
    assert slow.tokens_per_second / slow.accelerators > slow.clock * full.tokens_per_second / full.accelerators * 0.99


def test_a_second_job_lives_on_the_power_the_first_one_leaves():
    jobs = (
        "jobs=[{name: llama, model: Llama-3.1-70B, tokens: 200 Gtoken, batch: 4 Mtoken, accelerators: 2048}, "
        "{name: second, model: Llama-3.1-8B, tokens: 200 Gtoken, batch: 4 Mtoken}]"
    )
    pools = "cluster.pools=[{name: h100, node: HGX-H100, arrivals: {2023-08-01: 512}}]"
    made = plan(scenarios.read("tesla-h100", changes=(jobs, pools, CAP)))
    assert all(rung.power <= 3e6 for job in made.jobs for rung in job.rungs)
    told = simulate(made)
    assert max(row.power for row in told.samples) <= 3e6 * (1 + 1e-9)
    assert all(job.finished is not None for job in told.jobs)
