"""Side by side, time and cost of a run are those of the same thing: the whole job."""

import pytest

from simulator.run import run
from simulator.scenario import read
from simulator.study.compare import compare

QUICK = "aws-p5"


def test_what_did_not_finish_is_carried_on_in_time_and_in_money():
    short, full = read(QUICK, changes=["horizon=10 d"]), read(QUICK)
    cut, whole = compare([short, full]).to_dict("records")
    assert (cut["finished"], whole["finished"]) == (False, True)
    for column in ("time_to_train_d", "cost_usd", "cost_usd_per_million_tokens"):
        assert cut[column] == pytest.approx(whole[column], rel=0.05), column
    assert cut["energy_MWh"] < 0.5 * whole["energy_MWh"]
    assert cut["cost_usd"] / cut["cost_usd_per_million_tokens"] == pytest.approx(full.jobs[0].tokens / 1e6)


def test_what_finished_costs_what_it_cost():
    (row,) = compare([read(QUICK)]).to_dict("records")
    summary = run(QUICK).summary
    assert row["cost_usd"] == summary.cost_usd
    assert row["cost_usd_per_million_tokens"] == pytest.approx(summary.cost_usd_per_million_tokens)


def test_what_never_ends_has_no_cost():
    (row,) = compare([read(QUICK, changes=["horizon=1 s"])]).to_dict("records")
    assert row["problem"] == ""
    assert row["time_to_train_d"] is row["cost_usd"] is row["cost_usd_per_million_tokens"] is None
