"""Replicas depend on their number alone, and what is done when somebody stops them is kept."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import handmade

from simulator.errors import SimulatorError
from simulator.results.series import series
from simulator.results.spread import curve
from simulator.results.summary import summarise
from simulator.study import replicate as study

PLAN = handmade.plan()


@pytest.fixture(autouse=True)
def _told(monkeypatch):
    def one(plan, number):
        log = handmade.simulate(plan, study.seed_of(plan.seed, number))
        state = series(plan, log)
        return summarise(plan, log, state), curve(plan, state)

    monkeypatch.setattr(study, "simulate", lambda plan, *, seed: handmade.simulate(plan, seed))
    monkeypatch.setattr(study, "_one", one)


def test_seeds_are_distinct_stable_and_exact_in_json():
    seeds = [study.seed_of(7, replica) for replica in range(1000)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 1000
    assert max(seeds) < 2**53
    assert seeds == [study.seed_of(7, replica) for replica in range(1000)]
    assert study.seed_of(8, 1) != seeds[1]


def test_more_replicas_begin_with_the_fewer():
    few, many = study.replicate(PLAN, 2), study.replicate(PLAN, 4)
    assert many.ensemble.summaries[:2] == few.ensemble.summaries
    assert many.first == few.first == handmade.simulate(PLAN, PLAN.seed)


def test_progress_hears_of_every_replica():
    heard = []
    study.replicate(PLAN, 3, progress=heard.append)
    assert heard == [1, 2, 3]


def test_an_interrupt_keeps_what_is_done():
    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    found = study.replicate(PLAN, 5, progress=stop)
    assert (len(found.ensemble), found.ensemble.asked, len(found.curves)) == (2, 5, 2)


def test_an_interrupt_before_the_first_is_an_interrupt(monkeypatch):
    def stop(plan, *, seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "simulate", stop)
    with pytest.raises(KeyboardInterrupt):
        study.replicate(PLAN, 2)


def test_no_replica_is_a_mistake():
    with pytest.raises(SimulatorError, match="at least one"):
        study.replicate(PLAN, 0)
