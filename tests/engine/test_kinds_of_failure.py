"""Each kind of failure, recovery and repair against what it must do in the mean or to the second."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_plans import job, kinds, ledger, plan, pool, rung, story

from simulator.engine import Activity, Log, sample, simulate
from simulator.engine.repair import Workshop
from simulator.engine.stretch import Stretch
from simulator.plan.model import Ageing, Cause, Cold, Domain, Maintenance, Removal, Repair

DAY = 86400.0
SHORT = [Repair("reset", 1.0, 10.0)]


def idle_faults(nodes: int, rate: float, horizon: float, seed: int, ageing: Ageing, repairs=SHORT) -> int:
    """Faults of a cluster on which nothing runs."""
    toy = plan(
        [pool((0.0, nodes))], [job(1e9, rung(nodes + 1))], causes=[Cause("gpu", rate, 1.0, 0.0)], repairs=repairs,
        horizon=horizon, ageing=ageing,
    )  # fmt: skip
    return sample(toy, seed=seed).faults


def mean_and_error(values) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


@pytest.mark.parametrize(
    ("ageing", "expected"),
    [
        (Ageing(early=3.0, settling=20 * DAY), 100 + 3 * 20 * -math.expm1(-5)),
        (Ageing(doubling=50 * DAY, wear=1.64), 100 + 100 ** (2.64) / 2.64 / 50**1.64),
        (Ageing(lemons=0.9), 100),
        (Ageing(refail=0.3, refail_after=3600.0), 100),
        (Ageing(early=1.0, settling=30 * DAY, lemons=2.0), 100 + 30 * -math.expm1(-100 / 30)),
    ],
    ids=["infant mortality", "wear", "lemons", "bad repairs", "two at once"],
)
def test_the_number_of_faults_is_the_integral_of_the_rate_over_each_nodes_age(ageing, expected):
    # 50 nodes for 100 days; bad repairs and lemons only say which node it is, the published rate counts them.
    rate = 0.05 / DAY
    counts = [idle_faults(50, rate, 100 * DAY, seed, ageing) for seed in range(60)]
    mean, error = mean_and_error(counts)
    assert mean == pytest.approx(50 * 0.05 * expected, abs=4 * error + 0.005 * mean)


def test_a_node_that_arrives_later_is_younger():
    ageing = Ageing(early=9.0, settling=5 * DAY)
    toy = plan(
        [pool((0.0, 50), (50 * DAY, 50))], [job(1e9, rung(200))], causes=[Cause("gpu", 0.02 / DAY, 1.0, 0.0)],
        repairs=SHORT, horizon=100 * DAY, ageing=ageing,
    )  # fmt: skip
    faults = [[event.time for event in simulate(toy, seed=seed).events if event.kind == "repair"] for seed in range(20)]
    before = sum(45 * DAY < time < 50 * DAY for times in faults for time in times)
    after = sum(50 * DAY < time < 55 * DAY for times in faults for time in times)
    expected = 20 * 0.02 * (50 * 5 + 50 * (5 + 9 * 5 * -math.expm1(-1)))
    assert after == pytest.approx(expected, abs=4 * math.sqrt(expected))
    assert after > 5 * before


def faults_by_node(monkeypatch, toy, seeds) -> list[dict]:
    """Times of the faults of each node, run by run."""
    seen: list[dict] = []
    take = Workshop.take

    def watched(self, pool, cause, node, visit):
        seen[-1][node].append(self._calendar.now)
        take(self, pool, cause, node, visit)

    monkeypatch.setattr(Workshop, "take", watched)
    for seed in seeds:
        seen.append(defaultdict(list))
        sample(toy, seed=seed)
    return seen


def test_lemons_make_the_faults_of_nodes_as_uneven_as_a_gamma_frailty_does(monkeypatch):
    # Var / mean of a gamma-mixed Poisson number of mean m is 1 + m / k.
    nodes, faults, k = 400, 2.0, 0.9
    toy = plan(
        [pool((0.0, nodes))], [job(1e9, rung(nodes + 1))], causes=[Cause("gpu", faults / (100 * DAY), 1.0, 0.0)],
        repairs=SHORT, horizon=100 * DAY, ageing=Ageing(lemons=k),
    )  # fmt: skip
    dispersions = []
    for seen in faults_by_node(monkeypatch, toy, range(12)):
        counts = [len(times) for times in seen.values()] + [0] * (nodes - len(seen))
        dispersions.append(statistics.variance(counts) / statistics.fmean(counts))
    mean, error = mean_and_error(dispersions)
    assert mean == pytest.approx(1 + faults / k, abs=4 * error)


def test_bad_repairs_bring_the_same_node_back_soon(monkeypatch):
    toy = plan(
        [pool((0.0, 400))], [job(1e9, rung(401))], causes=[Cause("gpu", 1 / (200 * DAY), 1.0, 0.0)], repairs=SHORT,
        horizon=300 * DAY, ageing=Ageing(lemons=1e3, refail=0.3, refail_after=2 * DAY),
    )  # fmt: skip
    again = total = 0
    for seen in faults_by_node(monkeypatch, toy, range(4)):
        for times in seen.values():
            total += len(times)
            again += sum(b - a < 7 * DAY for a, b in pairwise(times))
    soon = 0.3 * -math.expm1(-3.5) + 0.7 * 7 * 0.7 / 200
    assert again / total == pytest.approx(soon, abs=4 * math.sqrt(soon * (1 - soon) / total))


def test_removing_repeat_offenders_leaves_fewer_faults():
    def faults(removal: Removal | None) -> float:
        toy = plan(
            [pool((0.0, 200))], [job(1e9, rung(201))], causes=[Cause("gpu", 1 / (30 * DAY), 1.0, 0.0)], repairs=SHORT,
            horizon=360 * DAY, ageing=Ageing(lemons=0.3), removal=removal,
        )  # fmt: skip
        return statistics.fmean([sample(toy, seed=seed).faults for seed in range(4)])

    assert faults(Removal(3, 28 * DAY, DAY)) < 0.75 * faults(None)


def one(cause: Cause, **life) -> Log:
    """Ten nodes at work and one to spare; what happens when the first failure strikes."""
    jobs = [life.pop("job", job(1e12, rung(10), rung(8)))]
    nodes = life.pop("nodes", 11)
    share = (nodes - 10 + 0.5) / nodes if nodes > 10 else 0.0
    return simulate(
        plan([pool((0.0, nodes), spare_share=share)], jobs, causes=[cause], **{"horizon": 5e5, **life})
    )  # fmt: skip


def test_a_silent_fault_costs_all_that_was_trained_on_it():
    log = one(Cause("sdc", 1e-7, 1.0, 5.0, latency=30_000.0), repairs=[Repair("part", 1.0, 1.0)], horizon=3e6)
    wasted = [end - start for activity, start, end in story(log) if activity is Activity.WASTED]
    assert wasted
    # without latency no loss exceeds an interval and its save
    assert max(wasted) > 3 * 610
    losses = log.tally.losses["sdc"]
    assert losses.seconds > sum(wasted) * (1 - 1e-9)
    spent = ledger(log)
    assert log.jobs[0].tokens == pytest.approx(spent[Activity.COMPUTE] * 1000, rel=1e-9)


def test_mean_loss_to_a_silent_fault_is_its_latency_and_half_an_interval():
    latency, wasted, stops = 20_000.0, 0.0, 0
    toy = plan([pool((0.0, 10))], [job(1e12, rung(10))], horizon=4e6, repairs=SHORT,
               causes=[Cause("sdc", 2e-7, 0.0, 0.0, latency=latency)])  # fmt: skip
    for seed in range(60):
        books = sample(toy, seed=seed)
        wasted += books.spent[0][Activity.WASTED]
        stops += books.losses["sdc"].stops if "sdc" in books.losses else 0
    # the save before the onset is on average half a segment back
    assert wasted / stops == pytest.approx(latency + 305, rel=4 / math.sqrt(stops))


def test_a_slow_node_slows_the_whole_job_until_it_is_found():
    log = one(Cause("slow", 1e-7, 0.0, 5000.0, speed=0.6), horizon=4e6)
    times = kinds(log).count("slow")
    assert times > 0
    assert "interruption" not in kinds(log)
    spent = ledger(log)
    share = 600 / 610  # of the time is work, the rest saves
    # of 5,000 s each, two fifths of the work's time; a fault may be cut off by the horizon
    assert spent[Activity.DEGRADED] == pytest.approx(times * 5000 * share * 0.4, rel=0.02 + 1 / times)
    evicted = one(Cause("slow", 1e-7, 1.0, 5000.0, speed=0.6), horizon=4e6)
    assert kinds(evicted).count("interruption") > 0
    assert kinds(evicted).count("spare") > 0


@pytest.mark.parametrize("repeats", [0.0, 0.5])
def test_a_crash_that_repeats_takes_as_many_restarts_as_a_geometric_number(repeats):
    toy = plan([pool((0.0, 10))], [job(1e12, rung(10))], horizon=5e6, causes=[Cause("bug", 2e-6, 0.0, 30.0,
               repeats=repeats)])  # fmt: skip
    books = [sample(toy, seed=seed) for seed in range(8)]
    away = sum(b.spent[0][Activity.RECOVERY] + b.spent[0][Activity.RESTORE] for b in books)
    stops = sum(b.losses["bug"].stops + b.losses["bug"].setbacks for b in books)
    # setbacks cut a recovery short: rates are low enough to leave that below a percent
    assert away / stops == pytest.approx(30 + 120 / (1 - repeats), rel=0.01 + 3 * repeats / math.sqrt(stops))


def test_faults_of_the_job_itself_do_not_grow_with_its_nodes():
    def stops(nodes: int) -> int:
        toy = plan([pool((0.0, nodes))], [job(1e15, rung(nodes))], horizon=4e6,
                   causes=[Cause("spike", 1e-4, 0.0, 30.0, per_job=True)])  # fmt: skip
        return sample(toy, seed=3).losses["spike"].stops

    assert stops(10) == stops(1000) > 300


def test_eviction_on_suspicion_takes_neighbours_that_come_back_unharmed():
    log = one(Cause("gpu", 1e-7, 1.0, 30.0, evicted=4), nodes=18, repairs=[Repair("reset", 1.0, 500.0)], horizon=2e6)
    assert kinds(log).count("interruption") > 0
    struck = sum(loss.stops + loss.setbacks for loss in log.tally.losses.values())
    assert kinds(log).count("repair") == log.tally.faults + 3 * struck
    assert max(one.installed[0] - one.healthy[0] for one in log.samples) >= 4


def test_a_rack_goes_dark_and_comes_back_at_once():
    rack = Domain("rack", 4, 1e-6, 1.0, 5000.0, 1.0)
    log = simulate(plan([pool((0.0, 16))], [job(1e12, rung(16), rung(12), rung(8))], domains=(rack,), horizon=2e6))
    down = {one.installed[0] - one.healthy[0] for one in log.samples}
    assert down <= {0, 4, 8, 12}
    assert 4 in down
    expected = 4 * 1e-6 * 2e6  # four racks
    stops = [sample(plan([pool((0.0, 16))], [job(1e12, rung(16), rung(12))], domains=(rack,), horizon=2e6), seed=s)
             for s in range(40)]  # fmt: skip
    faults = sum(books.faults for books in stops) / 4 / 40
    assert faults == pytest.approx(expected, rel=0.1)  # a dark rack cannot go dark again


def elastic_goodput(
    stall: float, out: float, between: float, replicas: int, *, nodes: int | None = None, evicted: int = 1
) -> float:
    nodes = nodes or replicas
    only = rung(nodes, interval=600.0, save=0.0, restart=out, load=0.0, mtti=between, replicas=replicas)
    toy = plan([pool((0.0, nodes))], [job(1e12, only, elastic=stall)], horizon=3e6,
               causes=[Cause("gpu", 1 / (nodes * between), 0.0, 0.0, evicted=evicted)])  # fmt: skip
    books = [sample(toy, seed=seed) for seed in range(12)]
    return statistics.fmean([b.spent[0][Activity.COMPUTE] / b.end for b in books])


def test_going_on_without_a_replica_meets_the_closed_form():
    # FT-HSDP: 18 minutes between failures, all stall for 3, one of 12 replicas is out for 7 more; running time here.
    stall, out, between, replicas = 180.0, 420.0, 5400.0, 12
    expected = (between - out / replicas) / (between + stall)
    assert elastic_goodput(stall, out, between, replicas) == pytest.approx(expected, rel=0.01)
    full = elastic_goodput(0.0, 0.0, between, replicas)
    assert full == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(("nodes", "evicted", "taken"), [(4, 1, 3), (12, 4, 4), (24, 1, 1), (24, 5, 3)])
def test_a_failure_takes_the_replicas_on_the_nodes_it_takes(nodes, evicted, taken):
    stall, out, between = 180.0, 420.0, 5400.0
    expected = (between - out * taken / 12) / (between + stall)
    assert elastic_goodput(stall, out, between, 12, nodes=nodes, evicted=evicted) == pytest.approx(expected, rel=0.01)


def test_hands_are_waited_for_as_in_a_queue_with_one_server():
    # M/M/1: mean wait ρ / (μ − λ); waiting for parts is no work and makes nobody wait.
    rate, hands = 1 / 5000.0, 3000.0
    nodes = 400
    toy = plan(
        [pool((0.0, nodes))], [job(1e9, rung(nodes + 1))], causes=[Cause("gpu", rate / nodes, 1.0, 0.0)],
        repairs=[Repair("part", 1.0, hands + 2000.0, hands=hands)], horizon=2e7, crews=1,
    )  # fmt: skip
    books = [sample(toy, seed=seed) for seed in range(6)]
    waits = [b.crew_wait / b.faults for b in books]
    mean, error = mean_and_error(waits)
    load = hands * rate
    assert mean == pytest.approx(load / (1 / hands - rate), abs=4 * error + 0.03 * mean)
    busy = statistics.fmean([b.crew_seconds / b.end for b in books])
    assert busy == pytest.approx(load, rel=0.05)
    free = sample(plan(toy.pools, toy.jobs, causes=toy.causes, repairs=toy.repairs, horizon=2e7), seed=0)
    assert free.crew_wait == 0


def join_times(**life) -> list[float]:
    log = one(Cause("gpu", 4e-7, 1.0, 0.0), repairs=[Repair("scrap", 1.0, 1e15)], nodes=14, **life)
    return [round(end - start) for activity, start, end in story(log) if activity is Activity.RECOVERY][:2]


def test_hot_spares_join_at_once_and_warm_ones_after_their_checks():
    assert join_times() == [160, 160]  # standby and restart
    assert join_times(hot=0, warm=600.0) == [700, 700]
    assert join_times(hot=1, warm=600.0) == [160, 160]  # the place of the first was filled again in time
    assert join_times(hot=1, warm=150_000.0, horizon=2e6) == [160, 150_100]  # and here not


def test_a_node_from_the_store_stands_in_and_goes_back():
    log = one(
        Cause("gpu", 2e-7, 1.0, 0.0), nodes=10, job=job(1e12, rung(10)), repairs=[Repair("part", 1.0, 200_000.0)],
        cold=Cold(1, 4000.0), horizon=2e6,
    )  # fmt: skip
    fetched = [event.time for event in log.events if event.detail.endswith("from the store")]
    struck = [event.time for event in log.events if event.kind == "interruption"]
    assert fetched[0] - struck[0] == pytest.approx(4000.0)
    assert all(0 <= one.healthy[0] <= one.installed[0] for one in log.samples)
    waited = ledger(log)[Activity.WAITING]
    without = one(Cause("gpu", 2e-7, 1.0, 0.0), nodes=10, job=job(1e12, rung(10)),
                  repairs=[Repair("part", 1.0, 200_000.0)], horizon=2e6)  # fmt: skip
    assert waited < 0.5 * ledger(without)[Activity.WAITING]


def test_maintenance_saves_first_and_loses_nothing():
    toy = plan([pool((0.0, 10))], [job(1000.0 * 100_000, rung(10))], maintenance=Maintenance(30_000.0, 1800.0))
    log = simulate(toy)
    spent = ledger(log)
    stops = kinds(log).count("planned stop")
    assert stops == 3
    assert spent[Activity.PLANNED] == pytest.approx(stops * (1800 + 100 + 20))
    assert spent[Activity.WASTED] == 0
    assert spent[Activity.COMPUTE] == pytest.approx(100_000)


def goodput(only, *, policy=False, between=5000.0, seeds=40, copies=1) -> tuple[float, float]:
    toy = plan([pool((0.0, 10))], [job(only.tokens_per_second * 200_000, only)], follow=policy, copies=copies,
               causes=[Cause("any", 1 / (10 * between), 0.0, 0.0)])  # fmt: skip
    return mean_and_error([200_000 / sample(toy, seed=seed).end for seed in range(seeds)])


def test_an_interval_that_follows_the_interruptions_comes_close_to_the_best_one():
    fixed = {"save": 60.0, "restart": 100.0, "load": 0.0}
    best = rung(10, **fixed, mtti=5000.0).followed(5000.0)
    known, error = goodput(rung(10, **fixed, interval=best, mtti=5000.0))
    wrong, _ = goodput(rung(10, **fixed, interval=20_000.0, mtti=1e6))
    # the plan expects interruptions to be two hundred times rarer; the run finds out
    followed, _ = goodput(rung(10, **fixed, interval=20_000.0, mtti=100_000.0), policy=True)
    assert followed > wrong + 0.1
    assert followed > known - 4 * error - 0.05


def test_a_write_beside_the_training_costs_its_snapshot_and_is_lost_when_it_did_not_end():
    blocking, error = goodput(rung(10, interval=600.0, save=60.0, mtti=5000.0))
    beside, _ = goodput(rung(10, interval=600.0, save=1.0, drain=59.0, mtti=5000.0))
    free, _ = goodput(rung(10, interval=600.0, save=1.0, mtti=5000.0))
    assert blocking < beside < free
    # first order: 59 s more are lost each time
    assert free - beside == pytest.approx(free * 59 / 5000, abs=4 * error)


def test_copies_in_memory_save_what_a_lost_store_interval_would_cost():
    tiers = {"interval": 100.0, "save": 20.0, "every": 30, "quick": 0.5, "mtti": 5000.0}
    stored, error = goodput(rung(10, **{**tiers, "interval": 3000.0, "every": 1}))
    remembered, _ = goodput(rung(10, **tiers), copies=2)
    assert remembered - stored > 0.15
    # 50 s lost each time and 0.5 in 100 s blocked, beside restart and load
    assert remembered == pytest.approx(1 / (1 + 20 / 3000 + 0.5 / 100) * (1 - (50 + 120) / 5000), abs=4 * error + 0.01)


stretches = st.builds(
    Stretch, work=st.integers(1, 200), interval=st.integers(1, 20), save=st.integers(0, 9),
    drain=st.integers(0, 30), every=st.integers(1, 5), quick=st.integers(0, 3),
)  # fmt: skip


@given(stretches, st.floats(0, 1))
def test_what_a_stretch_went_into_adds_up_with_every_tier(stretch, share):
    elapsed = share * stretch.duration
    for split in (stretch.failed(elapsed), stretch.failed(elapsed, memory=False), stretch.cut(elapsed)):
        assert sum(split) == pytest.approx(elapsed, abs=1e-9)
        assert min(split) >= -1e-9
    delay, split = stretch.stop(elapsed)
    assert sum(split) == pytest.approx(elapsed + delay, abs=1e-9)
    assert 0 <= delay <= stretch.save + stretch.drain
    assert stretch.failed(elapsed, memory=False).work <= stretch.failed(elapsed).work <= stretch.cut(elapsed).work


@given(stretches, st.floats(0, 1))
def test_a_save_is_in_the_store_when_its_drain_is_over(stretch, share):
    elapsed = share * stretch.duration
    at_once = Stretch(stretch.work, stretch.interval, stretch.save, 0, stretch.every, stretch.quick)
    assert stretch.stored_after(elapsed + stretch.drain) == at_once.stored_after(elapsed)


def test_the_causes_of_a_run_and_its_books_agree():
    causes = [Cause("gpu", 1e-6, 0.5, 30.0), Cause("bug", 2e-6, 0.0, 60.0)]
    log = simulate(plan([pool((0.0, 12), spare_share=0.2)], [job(1e9, rung(10), rung(8))], causes=causes, horizon=2e6))
    told = Counter(event.detail for event in log.events if event.kind == "interruption")
    assert told == {name: loss.stops for name, loss in log.tally.losses.items() if loss.stops}
