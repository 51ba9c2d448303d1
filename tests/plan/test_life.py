"""From the scenario's words about failures to the plan's numbers, and what cannot work."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from simulator import scenario as scenarios
from simulator.engine import sample
from simulator.errors import PlanError, ScenarioError
from simulator.plan import levers, outlook, plan, tornado
from simulator.results.summary import summarise
from simulator.units import DAY

sys.path.insert(0, str(Path(__file__).parents[1]))
GROWING = Path(__file__).parents[1] / "scenario" / "data" / "growing.yaml"


def read(*changes: str):
    return scenarios.read("llama-3-405b", changes=changes)


def planned(*changes: str):
    return plan(read(*changes))


def rung(*changes: str):
    return planned(*changes).jobs[0].rungs[0]


def test_a_class_may_be_changed_in_part_or_added():
    made = planned(
        "failures.classes.sdc.latency=2 d",
        "failures.classes.spike.rate=0.3 /d",
        "failures.classes.spike.per=job",
        "failures.scale=2",
    )
    causes = {cause.name: cause for cause in made.causes}
    assert causes["sdc"].latency == 2 * DAY
    assert causes["sdc"].rate == pytest.approx(2 * 0.054e-3 / DAY)
    assert causes["spike"].rate == pytest.approx(0.6 / DAY)
    assert causes["spike"].per_job
    assert causes["gpu"].rate == pytest.approx(2 * 1.718e-3 / DAY)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("failures.classes.spyke.detection=1 s", "expected a rate"),
        ("failures.classes.gpu.rate=-1 /d", "zero or more"),
        ("failures.classes.gpu.node_lost=150 %", "at most 1"),
        ("failures.classes.gpu.repeats=1", "less than 1"),
        ("failures.classes.gpu.speed=0", "more than zero"),
        ("failures.crews=0", "at least 1"),
        ("failures.maintenance={every: 0 s, lasts: 1 h}", "more than 0"),
        ("checkpoint.memory={interval: 1 min, copies: 0}", "at least 1"),
    ],
)
def test_what_no_failure_can_be_is_refused_where_it_stands(change, said):
    with pytest.raises(ScenarioError, match=said):
        read(change)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["checkpoint.interval=5 s"], r"checkpoint\.interval: expected at least the 10 s"),
        (["checkpoint.snapshot=1 s", "checkpoint.save=20 min"], r"at least the 20\.0 min"),
        (["checkpoint.memory.interval=1 s", "checkpoint.memory.save=2 s"], r"memory\.interval: expected at least"),
        (["failures.classes.gpu.latency=1 h", "failures.classes.gpu.speed=0.5"], "not both"),
        (["failures.scale=10000"], "never gets anywhere"),
        (["failures.maintenance={every: 1 s, lasts: 1 h}"], r"maintenance\.every: expected more than .* never train"),
    ],
)
def test_what_cannot_work_says_what_would(changes, said):
    with pytest.raises(PlanError, match=said):
        planned(*changes)


def repairs(scenario, **changes):
    bands = tuple(band.model_copy(update=changes) for band in scenario.failures.resolve().repair)
    return scenario.model_copy(update={"failures": scenario.failures.model_copy(update={"repair": bands})})


def test_hands_that_fall_behind_are_counted():
    scenario = repairs(read("failures.crews=1"), hands=4 * 3600.0, mean=10 * 3600.0)
    with pytest.raises(PlanError, match=r"failures\.crews: expected more than 1\.\d.*broken nodes would queue"):
        plan(scenario)
    enough = scenario.model_copy(update={"failures": scenario.failures.model_copy(update={"crews": 3})})
    books = sample(plan(enough), seed=1)
    assert books.crew_seconds == pytest.approx(books.faults * 4 * 3600, rel=0.15)


def test_no_more_nodes_are_evicted_than_there_are():
    made = planned("failures.classes.gpu.evicts=100_000")
    assert {cause.name: cause.evicted for cause in made.causes}["gpu"] == made.pools[0].nodes


def test_crews_that_no_repair_needs_are_refused():
    with pytest.raises(PlanError, match=r"crews: expected some hands-on time in failures\.repair.*got 2 crews"):
        planned("failures.crews=2")


def test_a_cluster_that_drains_says_when_and_what_would_save_it():
    scenario = repairs(read("jobs.llama.minimum=16_000", "failures.scale=3"), mean=3000 * DAY)
    with pytest.raises(PlanError, match=r"drains: .* after some .* d fewer are left .* would save it"):
        plan(scenario)


def test_tests_on_arrival_delay_all_nodes_and_rework_the_rejected_ones():
    made = planned("cluster.pools.h100.acceptance={burn_in: 3 d, rejects: 2 %, rework: 10 d}")
    first, second = made.pools[0].deliveries
    assert (first.time, second.time) == (3 * DAY, 13 * DAY)
    assert second.nodes == round(0.02 * 3072)
    assert first.nodes + second.nodes == 3072


def test_a_snapshot_blocks_less_and_drains_beside_the_training():
    blocking, beside = rung("checkpoint.save=60 s"), rung("checkpoint.save=60 s", "checkpoint.snapshot=2 s")
    assert (blocking.save, blocking.drain) == (60, 0)
    assert (beside.save, beside.drain) == (2, 60)
    assert beside.useful_tokens_per_second > blocking.useful_tokens_per_second


def test_with_copies_in_memory_the_store_is_written_to_less_often():
    memory = "checkpoint.memory={interval: 1 min, save: 0.2 s, copies: 2}"
    best = "checkpoint.interval=optimal"
    tiers, one = rung(memory, best, "checkpoint.save=60 s"), rung(best, "checkpoint.save=60 s")
    assert tiers.interval == 60
    assert tiers.every * tiers.interval > 2 * one.interval
    assert tiers.useful_tokens_per_second > one.useful_tokens_per_second


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["checkpoint.save=60 s", "checkpoint.snapshot=2 s"],
        ["checkpoint.memory={interval: 1 min, save: 0.2 s, copies: 2}"],
        ["failures.classes.sdc.latency=6 h"],
        ["failures.classes.slow={rate: 0.5e-3 /d, detection: 24 min, speed: 0.75}"],
        ["failures.classes.software.repeats=50 %"],
        ["failures.domains.rack={nodes: 16, rate: 1e-3 /d, outage: 4 h, detection: 60 s}"],
        ["jobs.llama.elastic=60 s"],
        ["failures.hot=0"],
    ],
    ids=["plain", "snapshot", "memory", "latency", "slow", "repeats", "racks", "elastic", "none hot"],
)
def test_the_closed_form_of_every_feature_meets_its_simulation(changes):
    made = planned(*changes)
    runs = [summarise(made, sample(made, seed=seed)) for seed in range(3)]
    simulated = sum(run.time_to_train_s or math.inf for run in runs) / len(runs)
    assert outlook(made).finish == pytest.approx(simulated, rel=0.02)


def test_every_bar_of_the_tornado_points_the_right_way():
    scenario = read()
    bars = {bar.name: bar for bar in tornado(scenario, plan(scenario))}
    assert {"failure rates", "restart time", "time to save a checkpoint"} <= set(bars)
    assert all(bar.halved_d < 0 < bar.doubled_d for bar in bars.values())
    assert [bar.swing for bar in bars.values()] == sorted((bar.swing for bar in bars.values()), reverse=True)


def test_a_restart_has_named_stages_that_grow_with_the_job():
    large, small = rung(), rung("jobs.llama.accelerators=4096")
    assert [name for name, _ in large.stages] == ["schedule", "communicators"]
    assert large.restart == pytest.approx(sum(seconds for _, seconds in large.stages))
    grown = {name: seconds - dict(small.stages)[name] for name, seconds in large.stages}
    assert grown["communicators"] > grown["schedule"] > 0


def test_one_stage_may_differ_and_one_more_be_added():
    before = dict(rung().stages)
    after = dict(rung("failures.stages.communicators.time=30 s", "failures.stages.warm-up.time=45 s").stages)
    assert after == {"schedule": before["schedule"], "communicators": 30, "warm-up": 45}
    assert dict(rung("failures.restart=5 min").stages) == {"restart": 300}


def test_a_fixed_restart_has_no_stages():
    with pytest.raises(ScenarioError, match="a fixed restart or stages"):
        read("failures.restart=5 min", "failures.stages.communicators.time=30 s")


def test_a_copy_in_memory_takes_its_bytes_over_the_host_s_link_and_comes_back_over_the_network():
    tiers, half = (rung("checkpoint.memory={interval: 1 min}", f"jobs.llama.accelerators={n}") for n in (16384, 8192))
    assert 0 < tiers.quick < 1
    assert half.quick * half.accelerators == pytest.approx(tiers.quick * tiers.accelerators)
    assert half.quick_load > tiers.quick_load > 0
    written = rung("checkpoint.memory={interval: 1 min, save: 2 s, load: 3 s}")
    assert (written.quick, written.quick_load) == (2, 3)


def stops_a_day(*changes, runs=8):
    made = planned("failures.fleet=none", "jobs.llama.tokens=6 Ttoken", *changes)
    books = [sample(made, seed=seed) for seed in range(runs)]
    return sum(b.losses["hall"].stops for b in books) / sum(b.end for b in books) * DAY


@pytest.mark.parametrize("nodes", [1536, 3072, 50_000])
def test_a_vertex_fails_as_often_as_it_says_however_much_stands_below_it(nodes):
    hall = f"failures.domains.hall={{nodes: {nodes}, rate: 1 /d, outage: 1 h}}"
    vertices = max(3072 / nodes, 1)
    whole = "cluster.spares=0 %"
    assert stops_a_day(hall, whole, "jobs.llama.accelerators=24_576") == pytest.approx(vertices, rel=0.15)


def test_a_rack_of_half_nodes_fails_like_any_rack():
    pools = "cluster.pools=[{name: a100, node: GH200-Alps, arrivals: {2024-04-01: 4096}}]"
    paid = "money.node_price.GH200-Alps=0.2 MUSD"
    hall = "failures.domains.hall={nodes: 64, rate: 0.05 /d, outage: 1 h}"
    (one,), (other,) = (planned(hall, *more).domains for more in ((), (pools, paid)))
    weight = planned(hall, pools, paid).pools[0].failure_weight
    assert weight == 0.5
    assert other.rate * weight == pytest.approx(one.rate)


def test_the_tornado_and_the_levers_agree_where_they_ask_the_same_of_a_cluster_that_grows():
    scenario = scenarios.read("colossus")
    made = plan(scenario)
    bars = {bar.name: bar.halved_d for bar in tornado(scenario, made)}
    saved = {lever.name: lever.days_saved for lever in levers(scenario, made)}
    assert bars["failure rates"] == pytest.approx(-saved["half the failures"])
    assert bars["restart time"] == pytest.approx(-saved["restarts in half the time"])


@pytest.mark.parametrize("changes", [(), ("failures.restart=5 min",)], ids=["stages", "fixed"])
def test_restarts_of_half_the_time_take_half_at_every_size(changes):
    scenario = read(*changes)
    half = plan(scenario.model_copy(update={"failures": scenario.failures.restarting(0.5)}))
    whole, halved = ({rung.size: rung.restart for rung in made.jobs[0].rungs} for made in (plan(scenario), half))
    both = whole.keys() & halved.keys()
    assert len(both) > 1
    assert [halved[size] for size in both] == pytest.approx([whole[size] / 2 for size in both])
