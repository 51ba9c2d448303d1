"""Two plans under one seed meet the same weather: a change moves what it changes and no other draw."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import replace

import pytest
from small_plans import job, plan, pool, rung

from simulator.engine import sample
from simulator.engine.repair import Workshop
from simulator.plan.model import Cause, Cold, Repair

CAUSES = (Cause("gpu", 2e-6, 0.8, 7.0, repeats=0.2), Cause("hbm", 1e-6, 1.0, 7.0), Cause("crash", 2e-6, 0.0, 30.0))
PLAN = plan(
    [pool((0.0, 60), (200_000.0, 40), spare_share=0.1)],
    [job(1e30, rung(90, interval=600.0), rung(54, interval=600.0))],
    causes=CAUSES,
    repairs=[Repair("reset", 0.6, 500.0), Repair("part", 0.4, 40_000.0)],
    horizon=400_000.0,
    seed=3,
)


def weather(monkeypatch, toy) -> dict[str, list[tuple[float, object]]]:
    """By cause: when it strikes, and what repair would then take."""
    met = defaultdict(list)
    prepare = Workshop.prepare

    def watched(self, cause, numbers):
        visit = prepare(self, cause, numbers)
        met[cause.name].append((self._calendar.now, visit))
        return visit

    with monkeypatch.context() as patch:
        patch.setattr(Workshop, "prepare", watched)
        sample(toy, seed=toy.seed, leaping=False)
    return met


@pytest.mark.parametrize(
    "change",
    [
        {"jobs": (job(1e30, rung(90, interval=60.0), rung(54, interval=60.0)),)},
        {"jobs": (job(1e30, rung(70), rung(40)),)},
        {"pools": (replace(PLAN.pools[0], spare_share=0.3),)},
        {"standby": 900.0},
        {"crews": 1},
        {"cold": Cold(5, 1000.0)},
    ],
    ids=["checkpoint interval", "size of the job", "spares", "standby", "crews", "store"],
)
def test_what_does_not_concern_failures_moves_no_failure_and_no_repair(monkeypatch, change):
    before, after = weather(monkeypatch, PLAN), weather(monkeypatch, replace(PLAN, **change))
    assert before.keys() == {"gpu", "hbm", "crash"}
    assert before == after


def test_twice_the_rates_are_the_same_faults_in_half_the_node_hours(monkeypatch):
    early = replace(PLAN, pools=(pool((0.0, 60)),), jobs=(job(1e30, rung(60)),))
    twice = replace(early, causes=tuple(replace(cause, rate=2 * cause.rate) for cause in CAUSES), horizon=200_000.0)
    once, doubled = weather(monkeypatch, early), weather(monkeypatch, twice)
    for cause in CAUSES:
        assert [2 * time for time, _ in doubled[cause.name]] == pytest.approx([time for time, _ in once[cause.name]])
        assert [visit for _, visit in doubled[cause.name]] == [visit for _, visit in once[cause.name]]


def test_one_cause_more_leaves_the_others_alone(monkeypatch):
    before = weather(monkeypatch, PLAN)
    after = weather(monkeypatch, replace(PLAN, causes=(Cause("nic", 1e-6, 0.5, 5.0), *CAUSES)))
    assert after.pop("nic")
    for name, strikes in before.items():
        assert [time for time, _ in after[name]] == pytest.approx([time for time, _ in strikes])
        assert [visit for _, visit in after[name]] == [visit for _, visit in strikes]


def test_a_difference_of_two_plans_is_much_surer_than_either():
    """What one stream per purpose is for: the same seeds tell plans apart that other seeds would not."""
    other = replace(PLAN, jobs=(job(1e30, rung(90, restart=130.0), rung(54, restart=130.0)),))
    pairs = [[sample(one, seed=seed).jobs[0].tokens for one in (PLAN, other)] for seed in range(40)]
    alone = statistics.stdev(first for first, _ in pairs)
    assert statistics.stdev(first - second for first, second in pairs) < alone / 2  # independent runs: 1.4 times alone
