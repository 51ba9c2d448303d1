"""Did numbers move?  Plan and summary of every shipped scenario, compared with the recorded ones.

``pytest --update-golden`` rewrites the records; CHANGELOG.md says under "Numbers" why they moved.  Whether the numbers
are right is another question, asked in tests/validation.
"""

import json
import math
from pathlib import Path

import pytest

from simulator import scenario as scenarios
from simulator.engine import simulate
from simulator.plan import levers, outlook, plan
from simulator.results import summarise

HERE = Path(__file__).parent
SCENARIOS = sorted(path.stem for path in (HERE.parents[1] / "scenarios").glob("*.yaml"))


def story(name):
    """Some twenty numbers of a scenario's plan and of one simulated run."""
    scenario = scenarios.read(HERE.parents[1] / "scenarios" / f"{name}.yaml")
    made = plan(scenario)
    best = made.jobs[0].rungs[0]
    expected = outlook(made)
    summary = summarise(made, simulate(made))
    return {
        "layout": str(best.layout),
        "accelerators": best.accelerators,
        "step_s": best.step.total,
        "mfu": best.step.mfu,
        "memory_GB": best.memory.total / 1e9,
        "power_MW": best.power / 1e6,
        "mtti_h": best.mtti / 3600,
        "expected_d": expected.finish / 86400,
        "expected_cost_usd": expected.cost,
        "helps_most": levers(scenario, made)[0].name,
        "finish_date": summary.finish_date,
        "time_to_train_s": summary.time_to_train_s,
        "tokens": summary.tokens,
        "goodput": summary.goodput,
        "interruptions": summary.interruptions,
        "cost_usd": summary.cost_usd,
        "energy_MWh": summary.energy_MWh,
        "peak_power_MW": summary.peak_power_MW,
        "carbon_tCO2e": summary.carbon_tCO2e,
    }


def test_there_are_scenarios():
    assert len(SCENARIOS) >= 12


@pytest.mark.parametrize("name", SCENARIOS)
def test_numbers_have_not_moved(name, request):
    record = HERE / f"{name}.json"
    now = story(name)
    if request.config.getoption("--update-golden"):
        record.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    before = json.loads(record.read_text(encoding="utf-8"))
    assert now.keys() == before.keys()
    moved = {
        key: (before[key], value)
        for key, value in now.items()
        if (not math.isclose(value, before[key], rel_tol=1e-6) if isinstance(value, float) else value != before[key])
    }
    assert not moved, "moved (recorded, now); explain under Numbers in CHANGELOG.md and rerun with --update-golden"


def test_every_record_belongs_to_a_scenario():
    assert {path.stem for path in HERE.glob("*.json")} == set(SCENARIOS)
