"""What a prediction rests on: thin parameters are named, weighed, and extrapolation is said."""

from dataclasses import fields

import pytest

from simulator import scenario as scenarios
from simulator.hardware import Efficiency
from simulator.plan import explain, plan
from simulator.plan.evidence import EFFICIENCIES, SOFTWARE
from simulator.scenario import vary
from simulator.step import Machine
from simulator.workload.software import Software


def reasons(name, **changes):
    scenario = vary(scenarios.read(name), changes)
    return explain(scenario, plan(scenario))[0]


@pytest.fixture(scope="module")
def tesla():
    return reasons("tesla-h100")


def test_every_fitted_parameter_is_weighed_but_the_tile():
    """A tile is a whole number, a reference a name, and narrow_formats stands for formats with a share of their own."""
    provenance = {
        "name",
        "source",
        "sources",
        "estimates",
        "status",
        "notes",
        "aliases",
        "tile",
        "reference",
        "by_format",
    }
    assert set(Efficiency.model_fields) - provenance == set(EFFICIENCIES)
    assert set(Software.model_fields) - provenance - {"native", "stops"} == set(SOFTWARE)
    machine = {field.name for field in fields(Machine)}
    assert all(machine.issuperset(numbers) for numbers in EFFICIENCIES.values())


def test_the_parameter_that_moves_the_step_most_comes_first(tesla):
    effects = [one.slower for one in tesla.thin]
    assert effects == sorted(effects, reverse=True)
    assert tesla.thin[0].parameter == "hopper sustained"
    assert 0.03 < effects[0] < 0.12  # a tenth worse cannot add more than a ninth
    assert all(one.why for one in tesla.thin)


def test_sixteen_bit_does_not_rest_on_what_narrow_formats_reach(tesla):
    assert "hopper narrow_formats" not in {one.parameter for one in tesla.thin}
    narrow = reasons("tesla-h100", **{"jobs.llama.precision": "fp8"})
    assert "hopper narrow_formats" in {one.parameter for one in narrow.thin}


def test_within_the_measured_sizes_nothing_is_extrapolated(tesla):
    assert tesla.confidence.extrapolated == ""
    assert tesla.confidence.low < 1 < tesla.confidence.high


def test_beyond_the_largest_measured_job_the_plan_says_extrapolated():
    assert "hopper was measured on at most" in reasons("colossus").confidence.extrapolated


def test_a_machine_nobody_measured_says_so():
    assert reasons("dojo").confidence.extrapolated == "no step of dojo accelerators was ever measured"


@pytest.mark.parametrize("name", sorted(set(scenarios.packaged())))
def test_every_packaged_scenario_is_explained(name):
    scenario = scenarios.read(name)
    made = plan(scenario)
    for job, why in zip(made.jobs, explain(scenario, made), strict=True):
        assert why.choice.alternatives, job.name
        assert why.choice.fit <= why.choice.tried
        assert sum(one.seconds for one in why.traffic) < job.rungs[0].step.total
        assert min(one.step for one in why.sensitivities) < 0
