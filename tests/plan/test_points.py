"""A study's points: what the plan and its outlook say of each scenario, in one flat row."""

import math

import pytest

from simulator.errors import PlanError
from simulator.plan import outlook, plan, point, points
from simulator.scenario import packaged, read, vary
from simulator.units import DAY, HOUR


@pytest.mark.parametrize("name", packaged())
def test_a_point_is_what_plan_and_outlook_say(name):
    scenario = read(name)
    made = plan(scenario, degraded=False)
    rung, ahead, found = made.jobs[0].rungs[0], outlook(made), point(scenario)
    tokens = sum(job.tokens for job in made.jobs)
    assert (found.accelerators, found.layout) == (rung.accelerators, str(rung.layout))
    assert found.step_time_s == rung.step.total
    assert found.mfu == rung.step.mfu
    assert found.tokens_per_second == rung.tokens_per_second
    assert found.mtti_h == rung.mtti / HOUR
    assert found.goodput == ahead.goodput
    assert found.time_to_train_d == ahead.finish / DAY
    assert found.finished == (ahead.finish <= scenario.horizon)
    assert found.cost_usd == ahead.cost
    assert found.cost_usd_per_million_tokens * tokens / 1e6 == pytest.approx(ahead.cost)
    assert found.energy_MWh * 1e6 * HOUR == pytest.approx(ahead.energy)
    assert found.carbon_tCO2e * 1e3 == pytest.approx(ahead.energy * made.carbon)
    # no more than every node at work, no less than what the whole time took on average
    most = sum(pool.nodes * (pool.training_power + pool.standing_power) for pool in made.pools) / 1e6
    assert found.energy_MWh / (found.time_to_train_d * 24) <= found.peak_power_MW <= most * (1 + 1e-9)


def test_many_points_are_those_of_each_alone_and_a_refusal_stands_in_its_place():
    base = read("tesla-h100")
    changed = [
        vary(base, {"cluster.pools.0.arrivals": {"2023-08-28": nodes}, "jobs.0.model": model})
        for model in ("Llama-3-8B", "Llama-3.1-405B")
        for nodes in (1, 200, 1300)
    ]
    found = points(changed)
    assert isinstance(found[3], PlanError)
    assert "does not fit" in str(found[3])
    assert [one for index, one in enumerate(found) if index != 3] == [point(changed[i]) for i in (0, 1, 2, 4, 5)]
    assert points(reversed(changed))[::-1][5] == found[5]


def test_what_never_ends_has_no_date_and_no_bill():
    """After two days of power there is none for the rest of the tokens."""
    dark = read("tesla-h100", changes=["site={name: us-average, power: {2023-08-28: 20 MW, 2023-08-30: 1 kW}}"])
    found = point(dark)
    assert math.isinf(outlook(plan(dark, degraded=False)).finish)
    assert not found.finished
    assert found.finish_date is found.time_to_train_d is found.cost_usd is found.cost_usd_per_million_tokens is None
    assert found.energy_MWh is found.carbon_tCO2e is None
    assert found.step_time_s > 0
