"""What must hold in every run, whatever the plan."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_plans import job, kinds, plan, pool, rung

from simulator.engine import Activity, Log, simulate
from simulator.plan.model import Cause, Plan, Repair

HORIZON = 50_000.0


@st.composite
def ladders(draw, pools: int) -> list:
    """A handful of sizes, the fastest first."""
    sizes = draw(st.lists(st.tuples(*[st.integers(0, 8)] * pools).filter(any), min_size=1, max_size=5, unique=True))
    save, restart, load = (draw(st.sampled_from([0.0, 1.0, 30.0])) for _ in range(3))
    interval, mtti = draw(st.sampled_from([5.0, 60.0, 1000.0])), draw(st.sampled_from([100.0, 1e4, float("inf")]))
    rungs = [rung(*size, save=save, restart=restart, load=load, interval=interval, mtti=mtti) for size in sizes]
    return sorted(rungs, key=lambda r: -r.tokens_per_second)


@st.composite
def plans(draw) -> Plan:
    times = st.one_of(st.just(0.0), st.floats(0, HORIZON))
    pools = [
        pool(
            *draw(st.lists(st.tuples(times, st.integers(1, 6)), min_size=1, max_size=3)),
            spare_share=draw(st.sampled_from([0.0, 0.1, 0.4])),
            weight=draw(st.sampled_from([0.5, 1.0])),
            holding_power=draw(st.sampled_from([300.0, 450.0])),
            standing_power=draw(st.sampled_from([0.0, 40.0])),
            name=f"pool {index}",
        )
        for index in range(draw(st.integers(1, 2)))
    ]
    jobs = [
        job(draw(st.floats(1e4, 1e7)), *draw(ladders(len(pools))), name=f"job {index}")
        for index in range(draw(st.integers(1, 3)))
    ]
    causes = [
        Cause(f"cause {index}", rate, draw(st.sampled_from([0.0, 0.5, 1.0])), draw(st.sampled_from([0.0, 7.0])))
        for index, rate in enumerate(draw(st.lists(st.sampled_from([0.0, 1e-5, 1e-4, 1e-3]), max_size=2)))
    ]
    steps = draw(st.lists(st.tuples(times, st.floats(0, 20_000)), max_size=3, unique_by=lambda step: step[0]))
    repairs = [Repair("reset", 0.6, 100.0), Repair("part", 0.4, 10_000.0)]
    return plan(pools, jobs, causes=causes, repairs=repairs, power=steps, horizon=HORIZON, seed=draw(st.integers(0, 9)))


def check_intervals(toy: Plan, log: Log) -> None:
    for index, end in enumerate(log.jobs):
        intervals = [interval for interval in log.intervals if interval.job == index]
        over = log.end if end.finished is None else end.finished
        assert intervals[0].start == end.first_request
        assert intervals[-1].end == over
        assert all(one.end == other.start for one, other in pairwise(intervals))
        assert all(interval.start < interval.end for interval in intervals)
        spent = sum(interval.end - interval.start for interval in intervals)
        assert spent == pytest.approx(over - end.first_request, rel=1e-9)


def check_samples(toy: Plan, log: Log) -> None:
    steps = sorted(toy.power, key=lambda step: step.time)
    for sample in log.samples:
        for installed, healthy, working in zip(sample.installed, sample.healthy, sample.working, strict=True):
            assert 0 <= working <= healthy <= installed
        # A moment later: at the very moment a cap falls, the last save may end by rounding.
        step = bisect_right([s.time for s in steps], sample.time + 1e-6)
        if steps:
            assert sample.power <= (steps[step - 1].watts if step else 0.0) * (1 + 1e-8) or any(
                abs(s.time - sample.time) < 1e-6 for s in steps
            )
        assert sample.power >= 0
    for one, other in pairwise(log.samples):
        assert one.time < other.time
        assert all(before <= after for before, after in zip(one.tokens, other.tokens, strict=True))
    assert log.samples[-1].tokens == tuple(end.tokens for end in log.jobs)
    assert log.samples[-1].time == log.end


def check_ends(toy: Plan, log: Log) -> None:
    for index, (asked, end) in enumerate(zip(toy.jobs, log.jobs, strict=True)):
        assert end.tokens <= asked.tokens
        assert (end.tokens == asked.tokens) or end.finished is None
        told = [event for event in log.events if event.job == asked.name and event.kind == "interruption"]
        assert len(told) == end.interruptions
        ran = (Activity.COMPUTE, Activity.DEGRADED, Activity.SAVE, Activity.WASTED)
        running = sum(i.end - i.start for i in log.intervals if i.job == index and i.activity in ran)
        assert end.running == pytest.approx(running, rel=1e-9, abs=1e-6)
    assert all(one.time <= other.time for one, other in pairwise(log.events))
    assert (log.end == toy.horizon) or all(end.finished is not None for end in log.jobs)


@settings(max_examples=200, deadline=None)
@given(plans())
def test_every_second_node_and_token_is_accounted_for_once(toy):
    log = simulate(toy)
    check_intervals(toy, log)
    check_samples(toy, log)
    check_ends(toy, log)


@settings(max_examples=100, deadline=None)
@given(plans())
def test_tokens_are_speed_times_productive_time(toy):
    # With one rung there is one speed, and nothing to be degraded from.
    for one in toy.jobs:
        object.__setattr__(one, "rungs", one.rungs[:1])
    log = simulate(toy)
    for index, (asked, end) in enumerate(zip(toy.jobs, log.jobs, strict=True)):
        spent = dict.fromkeys(Activity, 0.0)
        for interval in log.intervals:
            if interval.job == index:
                spent[interval.activity] += interval.end - interval.start
        assert spent[Activity.DEGRADED] == 0
        assert spent[Activity.COMPUTE] * asked.rungs[0].tokens_per_second == pytest.approx(end.tokens, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(plans())
def test_without_failures_nothing_is_wasted_recovered_or_repaired(toy):
    object.__setattr__(toy, "causes", ())
    log = simulate(toy)
    assert not {i.activity for i in log.intervals} & {Activity.WASTED, Activity.RECOVERY, Activity.RESTORE}
    assert not {"interruption", "setback", "spare", "repair"} & set(kinds(log))
    assert all(sample.healthy == sample.installed for sample in log.samples)
