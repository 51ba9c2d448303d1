"""The fleet fitted to the StepFun trace against what that trace shows: 400 servers for 348 days."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from simulator.engine import sample
from simulator.engine.repair import Workshop
from simulator.plan.model import Ageing, Cause, Delivery, JobPlan, Plan, PoolPlan, Repair, Rung
from simulator.reliability import Fleet
from simulator.units import DAY

SERVERS, DAYS = 400, 348
NOTHING: Any = None


@pytest.fixture(scope="module")
def runs():
    """Faults and returns by server, and the books, of some runs on which no job runs."""
    fleet = Fleet.load("stepfun-trace")
    idle = Rung((SERVERS + 1,), 1, 1.0, 1.0, 0.0, 600.0, 1.0, 1.0, 1.0, 1e9, 1.0, None, NOTHING, NOTHING, NOTHING)
    toy = Plan(
        name="trace", question="", start=dt.date(2024, 1, 1), horizon=DAYS * DAY, seed=1,
        pools=(PoolPlan("servers", "", "", 8, (Delivery(0.0, SERVERS),), 0.0, 1.0, 1.0, 1.0),), power=(),
        jobs=(JobPlan("none", "", 1e30, 1.0, 1.0, (idle,)),),
        causes=tuple(Cause(name, one.rate, one.node_lost, one.detection) for name, one in fleet.classes.items()),
        repairs=tuple(Repair(band.name, band.share, band.mean) for band in fleet.repair), standby=60.0,
        tariff=NOTHING, carbon=0.0, references=(),
        ageing=Ageing(lemons=fleet.nodes.lemons, refail=fleet.nodes.refails, refail_after=fleet.nodes.refails_after),
    )  # fmt: skip
    seen: list[dict] = []
    take, give_back = Workshop.take, Workshop._give_back

    def taken(self, pool, cause, node, visit):
        seen[-1][node].append([self._calendar.now, float("inf")])
        take(self, pool, cause, node, visit)

    def given_back(self, pool, cause, node, how):
        seen[-1][node][-1][1] = self._calendar.now
        give_back(self, pool, cause, node, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workshop, "take", taken)
        patch.setattr(Workshop, "_give_back", given_back)
        books = []
        for seed in range(40):
            seen.append(defaultdict(list))
            books.append(sample(toy, seed=seed))
    return seen, books


def test_as_many_faults(runs):
    assert statistics.fmean(books.faults for books in runs[1]) == pytest.approx(467, rel=0.08)


def test_as_many_servers_down(runs):
    shares = [sum(n * seconds for n, seconds in books.down.items()) / books.end / SERVERS for books in runs[1]]
    # a run begins with no server in repair, and the longest repairs take a month: a tenth less than in the long run
    # and of the published share 467 faults of 584 remain, those without tests and changes; a run scatters by 15 %
    assert statistics.fmean(shares) == pytest.approx(0.9 * 0.0232, rel=0.15)


def test_faults_as_uneven_over_the_servers(runs):
    found = []
    for seen in runs[0]:
        counts = [len(times) for times in seen.values()] + [0] * (SERVERS - len(seen))
        found.append(statistics.variance(counts) / statistics.fmean(counts))
    assert statistics.fmean(found) == pytest.approx(2.6, rel=0.12)


@pytest.mark.parametrize(("days", "published"), [(7, 0.306), (28, 0.42)])
def test_as_many_fail_again(runs, days, published):
    again = total = 0
    for seen in runs[0]:
        for times in seen.values():
            total += sum(back < (DAYS - days) * DAY for _, back in times)
            again += sum(fault - back < days * DAY for (_, back), (fault, _) in pairwise(times))
    assert again / total == pytest.approx(published, abs=0.04)
