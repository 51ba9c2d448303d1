"""Ensembles leap over weeks at a time; the life is the one the engine lives event by event, from the same numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_plans import job, plan, pool, rung

from simulator.engine import Tally, leap, sample
from simulator.plan.model import Ageing, Cause, Cold, Domain, Maintenance, Plan, PowerStep, Repair, Source

maybe = st.booleans()


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number of a run's books, by the way to it."""
    if isinstance(value, Mapping):
        for key in value:
            yield from numbers(value[key], f"{path}.{key}")
    elif is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        for position, one in enumerate(value):
            yield from numbers(one, f"{path}.{position}")
    elif not isinstance(value, str):
        yield path, value


def assert_same_life(one: Tally, other: Tally, wall: float) -> None:
    left, right = dict(numbers(one)), dict(numbers(other))
    assert left.keys() == right.keys()
    for path, number in left.items():
        if isinstance(number, float):
            assert number == pytest.approx(right[path], rel=1e-9, abs=1e-9 * wall), path
        else:
            assert number == right[path], path


class Counted:
    """How often a leap was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, worth: int) -> None:
        self.leaps = 0
        leapt = leap.Leaps._leap

        def counting(leaps: leap.Leaps, until: float) -> int:
            lived = leapt(leaps, until)
            self.leaps += lived > 0
            return lived

        monkeypatch.setattr(leap.Leaps, "_leap", counting)
        monkeypatch.setattr(leap, "WORTH", worth)


@st.composite
def lives(draw) -> Plan:
    """Whatever a leap can live through or has to stop at, in every combination."""
    tier = {"every": 4, "quick": 1.0, "quick_load": 2.0} if draw(maybe) else {}
    drain = {"drain": 40.0} if draw(maybe) else {}
    two = draw(maybe)
    sizes = ((60, 20), (50, 20), (40, 0)) if two else ((60,), (50,), (40,))
    load = draw(st.sampled_from([0.0, 20.0]))
    stages = {"restart": draw(st.sampled_from([0.0, 100.0])), "load": load}
    rungs = [rung(*nodes, interval=100.0, save=5.0, mtti=3000.0, **stages, **tier, **drain) for nodes in sizes]
    causes = [
        Cause("gpu", 3e-6, 0.8, 7.0, evicted=draw(st.sampled_from([1, 3])), repeats=draw(st.sampled_from([0.0, 0.3]))),
        Cause("software", 2e-6, 0.0, draw(st.sampled_from([0.0, 30.0]))),
        *([Cause("corruption", 2e-8, 1.0, 5.0, latency=2000.0)] if draw(maybe) else []),
        *([Cause("slow", 2e-8, 0.5, 900.0, speed=0.6)] if draw(maybe) else []),
        *([Cause("spike", 1e-4, 0.0, 30.0, per_job=True)] if draw(maybe) else []),
    ]
    first = pool((0.0, 70), (250_000.0, 10), spare_share=0.1, weight=draw(st.sampled_from([1.0, 0.5])))
    pools = [first, pool((0.0, 26), spare_share=0.1, weight=2.0, name="h200")] if two else [first]
    if draw(maybe):  # a building that draws for itself, jobs that draw less when they save
        pools = [replace(one, holding_power=400.0, standing_power=10.0) for one in pools]
        rungs = [replace(one, running_power=0.9 * one.power) for one in rungs]
    grid = Source("grid", (PowerStep(0.0, 50_000.0), PowerStep(123_456.0, 70_000.0)), 1e-8, 1e-7)
    hands = draw(st.sampled_from([0.0, 3000.0, 8000.0]))  # the last keep a single crew short
    for_idle = draw(st.sampled_from([math.inf, 20_000.0, 1500.0]))  # the last is enough for five of them
    watts = 1000.0 * sum(sizes[0]) + 10.0 * 106 + for_idle
    return plan(
        pools,
        [job(draw(st.sampled_from([1e8, 2e9])), *rungs)],
        causes=causes,
        repairs=[Repair("reset", 0.6, 500.0), Repair("part", 0.4, draw(st.sampled_from([9000.0, 40_000.0])), hands)],
        horizon=500_000.0,
        seed=draw(st.integers(0, 999)),
        power=[(0.0, watts), (350_000.0, 2 * watts)] if watts < math.inf else [],
        domains=(Domain("rack", 3, 2e-7, 1.0, 2000.0, 1.0),) if draw(maybe) else (),
        hot=draw(st.sampled_from([None, 0, 2])),
        standby=draw(st.sampled_from([0.0, 60.0])),
        warm=300.0,
        copies=draw(st.sampled_from([1, 2])),
        follow=draw(maybe),
        crews=draw(st.sampled_from([None, 1, 3])),
        maintenance=Maintenance(150_000.0, 600.0) if draw(maybe) else None,
        sources=(grid, Source("gas", (PowerStep(0.0, 1e6),), 2e-8, 2e-7)) if draw(maybe) else (),
    )


@settings(max_examples=60, deadline=None)
@given(lives())
def test_a_life_in_leaps_is_the_life_event_by_event(toy):
    with pytest.MonkeyPatch.context() as patch:
        Counted(patch, worth=4)
        assert_same_life(sample(toy, seed=toy.seed), sample(toy, seed=toy.seed, leaping=False), toy.horizon)


CAUSES = [Cause("gpu", 3e-6, 0.8, 7.0, evicted=2, repeats=0.2), Cause("software", 2e-6, 0.0, 30.0)]
PLAIN = plan(
    [pool((0.0, 80), spare_share=0.2)],
    [job(1e30, rung(60, interval=100.0, save=5.0))],
    causes=CAUSES,
    repairs=[Repair("reset", 0.6, 500.0), Repair("part", 0.4, 9000.0)],
    horizon=2_000_000.0,
)


def test_most_of_a_life_that_goes_to_plan_is_leapt_over(monkeypatch):
    counted = Counted(monkeypatch, worth=20)
    struck = []
    monkeypatch.setattr(leap.Hazards, "_strike", lambda self, strike=leap.Hazards._strike: struck.append(strike(self)))
    books = sample(PLAIN, seed=1)
    stops = sum(loss.stops + loss.setbacks for loss in books.losses.values())
    assert counted.leaps > 0
    assert len(struck) < stops / 10


@pytest.mark.parametrize(
    ("life", "said"),
    [
        ({"ageing": Ageing(lemons=1.0)}, "nodes that age or differ"),
        ({"ageing": Ageing(refail=0.3, refail_after=100.0)}, "repairs that do not hold"),
        ({"cold": Cold(1, 100.0)}, "nodes in store"),
        ({"jobs": (*PLAIN.jobs, job(1e6, rung(4), name="second"))}, "several jobs"),
        ({"jobs": (job(1e30, rung(60, replicas=6), elastic=20.0),)}, "jobs that go on without a replica"),
    ],
)
def test_what_a_leap_cannot_live_through_is_lived_event_by_event_and_said(monkeypatch, life, said):
    counted = Counted(monkeypatch, worth=1)
    other = replace(PLAIN, horizon=100_000.0, **life)
    assert leap.hindrances(other) == (said,)
    assert sample(other, seed=1) == sample(other, seed=1, leaping=False)
    assert counted.leaps == 0


def test_a_strike_that_would_take_more_nodes_than_the_job_has_is_left_to_the_engine(monkeypatch):
    counted = Counted(monkeypatch, worth=1)
    small = replace(
        PLAIN,
        jobs=(job(1e30, rung(2, interval=100.0, save=5.0)),),
        causes=(Cause("gpu", 1e-6, 1.0, 7.0, evicted=4), Cause("crash", 1e-3, 0.0, 7.0, per_job=True)),
    )
    assert_same_life(sample(small, seed=1), sample(small, seed=1, leaping=False), small.horizon)
    assert counted.leaps > 0


def test_nothing_is_leapt_over_where_nothing_fails(monkeypatch):
    counted = Counted(monkeypatch, worth=1)
    calm = replace(PLAIN, causes=())
    assert sample(calm, seed=1) == sample(calm, seed=1, leaping=False)
    assert counted.leaps == 0
