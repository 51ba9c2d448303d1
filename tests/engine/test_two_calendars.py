"""SimPy tells the story, a heap runs the ensembles: whatever is switched on, both live the same life."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_plans import job, ledger, plan, pool, rung

from simulator.engine import Activity, sample, simulate
from simulator.engine.calendar import HeapCalendar
from simulator.engine.cluster import Cluster, State
from simulator.errors import SimulatorError
from simulator.plan.model import Ageing, Cause, Cold, Domain, Maintenance, Plan, Removal, Repair

HORIZON = 60_000.0
maybe = st.booleans()


@st.composite
def lives(draw) -> Plan:
    """Every feature on or off, in every combination."""
    tier = {"every": 4, "quick": 1.0, "quick_load": 2.0} if draw(maybe) else {}
    drain = {"drain": 40.0} if draw(maybe) else {}
    rungs = [
        rung(*nodes, interval=100.0, save=5.0, replicas=nodes[0], mtti=3000.0, **tier, **drain)
        for nodes in ((8,), (7,), (4,))
    ]
    causes = [
        Cause("gpu", 1e-5, 0.8, 7.0, evicted=draw(st.sampled_from([1, 3])), repeats=draw(st.sampled_from([0.0, 0.3]))),
        *([Cause("corruption", 1e-5, 1.0, 5.0, latency=2000.0)] if draw(maybe) else []),
        *([Cause("slow", 2e-5, draw(st.sampled_from([0.0, 0.5, 1.0])), 900.0, speed=0.6)] if draw(maybe) else []),
        *([Cause("spike", 1e-4, 0.0, 30.0, per_job=True)] if draw(maybe) else []),
    ]
    ageing = Ageing(
        early=draw(st.sampled_from([0.0, 2.0])),
        settling=20_000.0,
        doubling=draw(st.sampled_from([math.inf, 50_000.0])),
        wear=1.6,
        lemons=draw(st.sampled_from([math.inf, 0.9])),
        refail=draw(st.sampled_from([0.0, 0.3])),
        refail_after=3000.0,
    )
    jobs = [job(draw(st.sampled_from([1e6, 2e7])), *rungs, elastic=draw(st.sampled_from([None, 20.0])))]
    if draw(maybe):
        jobs.append(job(4e6, rung(3), rung(2), name="second"))
    power = [(0.0, 20_000.0), (20_000.0, 5_000.0), (30_000.0, 20_000.0)] if draw(maybe) else []
    return plan(
        [
            pool(
                (0.0, 9),
                (25_000.0, 4),
                spare_share=draw(st.sampled_from([0.0, 0.12])),
                holding_power=400.0,
                standing_power=draw(st.sampled_from([0.0, 50.0])),
            )
        ],
        jobs,
        causes=causes,
        repairs=[Repair("reset", 0.6, 500.0), Repair("part", 0.4, 9000.0, hands=draw(st.sampled_from([0.0, 3000.0])))],
        horizon=HORIZON,
        seed=draw(st.integers(0, 99)),
        power=power,
        domains=(Domain("rack", 3, 2e-5, draw(st.sampled_from([0.4, 1.0])), 2000.0, 1.0),) if draw(maybe) else (),
        ageing=ageing,
        crews=draw(st.sampled_from([None, 1])),
        removal=Removal(2, 30_000.0, 5000.0) if draw(maybe) else None,
        hot=draw(st.sampled_from([None, 0, 1])),
        warm=300.0,
        cold=Cold(1, 2000.0) if draw(maybe) else None,
        copies=2 if tier else 1,
        maintenance=Maintenance(15_000.0, 600.0) if draw(maybe) else None,
        follow=draw(maybe),
    )


@settings(max_examples=50, deadline=None)
@given(lives())
def test_both_calendars_keep_the_same_books_to_the_last_bit(toy):
    assert sample(toy, seed=toy.seed, leaping=False) == simulate(toy).tally


@settings(max_examples=40, deadline=None)
@given(lives())
def test_a_state_that_is_remembered_is_the_one_that_would_be_worked_out_anew(toy):
    remembered = Cluster.state

    def compared(cluster: Cluster) -> State:
        assert remembered(cluster) == cluster._work_out()
        return remembered(cluster)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Cluster, "state", compared)
        simulate(toy)


@settings(max_examples=40, deadline=None)
@given(lives())
def test_every_second_node_and_joule_is_in_one_row_of_the_books_and_of_the_story(toy):
    log = simulate(toy)
    books = log.tally
    for index, end in enumerate(log.jobs):
        wall = (log.end if end.finished is None else end.finished) - end.first_request
        assert sum(books.spent[index].values()) == pytest.approx(wall, rel=1e-9)
        told = ledger(log, index)
        for activity in Activity:
            assert books.spent[index][activity] == pytest.approx(told[activity], rel=1e-9, abs=1e-4)
            assert books.spent[index][activity] >= -1e-9
        assert 0 <= end.tokens <= toy.jobs[index].tokens
        if end.finished is not None:
            assert end.tokens == toy.jobs[index].tokens
    pairs = list(zip(log.samples, log.samples[1:], strict=False))
    assert books.energy == pytest.approx(sum(a.power * (b.time - a.time) for a, b in pairs), rel=1e-9)
    assert sum(books.down.values()) == pytest.approx(log.end, rel=1e-9)
    for one in log.samples:
        assert all(0 <= w <= h <= n for w, h, n in zip(one.working, one.healthy, one.installed, strict=True))


@settings(max_examples=100, deadline=None)
@given(lives())
def test_work_that_was_kept_is_what_was_trained(toy):
    log = simulate(toy)
    for asked, end in zip(toy.jobs, log.jobs, strict=True):
        trained = sum(rung.tokens_per_second * worked for rung, worked in zip(asked.rungs, end.worked, strict=True))
        assert trained == pytest.approx(end.tokens, rel=1e-9, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(lives())
def test_what_causes_cost_is_part_of_what_the_wall_lost(toy):
    books = simulate(toy).tally
    useful = (Activity.COMPUTE, Activity.SAVE, Activity.DEGRADED)
    lost = sum(seconds for spent in books.spent for activity, seconds in spent.items() if activity not in useful)
    assert sum(loss.seconds for loss in books.losses.values()) <= lost * (1 + 1e-9) + 1e-3


def test_a_rule_that_feeds_itself_is_stopped_and_not_waited_for():
    calendar = HeapCalendar()

    def again() -> None:
        calendar.after(0.0, again)

    calendar.after(1.0, again)

    def for_ever() -> None:
        while True:
            calendar.step()

    with pytest.raises(SimulatorError, match="stands still at 1 s"):
        for_ever()
