"""A scenario file becomes what its author meant: quantities in base units, parents below children, changes on top."""

import datetime as dt
import time
from pathlib import Path

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import packaged, read, resolve, vary
from simulator.units import DAY, YEAR

DATA = Path(__file__).parent / "data"
GROWING = DATA / "growing.yaml"


def test_values_arrive_in_base_units():
    scenario = read(GROWING)
    assert scenario.jobs[0].tokens == 15.6e12
    assert scenario.jobs[0].batch == 16e6
    assert scenario.jobs[1].batch == -2048  # sequences count below zero: their length is not known here
    assert scenario.horizon == 180 * DAY
    assert scenario.cluster.spares == 0.02
    assert scenario.cluster.pools[0].arrivals == {dt.date(2024, 8, 1): 1000, dt.date(2024, 11, 1): 2000}
    assert scenario.jobs[0].accelerators == 16_000


def test_dates_read_the_same_with_and_without_quotes():
    assert read(GROWING).cluster.pools[1].arrivals == {dt.date(2024, 12, 1): 500}
    assert read(GROWING, changes=["start='2024-09-03'"]) == read(GROWING, changes=["start=2024-09-03"])


def test_short_forms_name_a_catalogue_entry():
    scenario = read(GROWING)
    assert scenario.site.name == "memphis"
    assert scenario.failures.fleet == "llama-3-fleet"


def test_a_comparison_may_begin_with_greater_than_without_quotes():
    bounds = {expectation.metric: expectation for expectation in read(GROWING).expect.given}
    assert set(bounds) == {"time_to_train", "cost", "goodput"}
    assert (bounds["goodput"].comparison, bounds["goodput"].bound) == (">", 0.9)


def test_a_child_keeps_what_it_does_not_change():
    child, parent = read(DATA / "child.yaml"), read(GROWING)
    assert child.checkpoint.interval == "optimal"
    assert child.checkpoint.save == parent.checkpoint.save == 40.0
    assert child.jobs == parent.jobs


def test_a_mapping_over_a_short_form_keeps_the_name():
    child = read(DATA / "child.yaml")
    assert child.site.name == "memphis"
    assert child.site.power == {dt.date(2024, 9, 2): 20e6}


def test_a_short_form_over_a_mapping_replaces_it(tmp_path):
    grandchild = tmp_path / "grandchild.yaml"
    grandchild.write_text(f"extends: {DATA / 'child.yaml'}\nsite: memphis\n")
    assert read(grandchild).site.power is None


def test_a_list_replaces_the_parents_list(tmp_path):
    child = tmp_path / "one-job.yaml"
    child.write_text(
        f"extends: {GROWING}\njobs:\n  - {{name: only, model: Llama-3.1-405B, tokens: 1 Ttoken, batch: 8 Mtoken}}\n"
    )
    assert [job.name for job in read(child).jobs] == ["only"]


def test_dates_written_either_way_are_one_key_when_files_merge(tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text(f"extends: {DATA / 'child.yaml'}\nsite:\n  power: {{'2024-09-02': 30 MW}}\n")
    assert read(child).site.power == {dt.date(2024, 9, 2): 30e6}


@pytest.mark.parametrize("path", ["jobs.pretrain.tokens", "jobs.0.tokens"])
def test_a_list_item_goes_by_name_or_index(path):
    assert read(GROWING, changes=[f"{path}=2 Ttoken"]).jobs[0].tokens == 2e12


def test_later_changes_win_and_the_file_stays_as_it_was():
    scenario = read(GROWING, changes=["seed=2", "seed=3", "cluster.pools.first.arrivals={2024-09-02: 4_000}"])
    assert scenario.seed == 3
    assert scenario.cluster.pools[0].arrivals == {dt.date(2024, 9, 2): 4000}
    assert read(GROWING).seed == 7


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("site.pue=1.3", lambda s: s.site.pue == 1.3 and s.site.name == "memphis"),
        ("failures.scale=2", lambda s: s.failures.scale == 2 and s.failures.fleet == "llama-3-fleet"),
        ("jobs.pretrain.layout.tensor=8", lambda s: s.jobs[0].layout.tensor == 8),
        ("expect.mfu=> 0.38", lambda s: s.expect.mfu.bound == 0.38),
        ("expect.mtti='>= 3 h'", lambda s: s.expect.mtti.comparison == ">="),
        ("evidence.jobs.pretrain.batch=claim batch", lambda s: s.evidence["jobs.pretrain.batch"] == "claim batch"),
        ("cluster.pools.first.arrivals.2024-10-01=1_500", lambda s: len(s.cluster.pools[0].arrivals) == 3),
        ("money={accelerators: bought, depreciation: 4 y}", lambda s: s.money.depreciation == 4 * YEAR),
    ],
)
def test_a_change_reaches_what_it_names(change, found):
    assert found(read(GROWING, changes=[change]))


def test_resolve_keeps_the_written_form():
    merged = resolve(DATA / "child.yaml", changes=["seed=11"])
    assert merged["horizon"] == "180 d"
    assert merged["site"] == {"name": "memphis", "power": {"2024-09-02": "20 MW"}}
    assert merged["seed"] == 11
    assert "extends" not in merged


def test_vary_does_from_python_what_set_does_on_the_command_line():
    varied = vary(read(GROWING), {"jobs.pretrain.tokens": "2 Ttoken", "site.pue": 1.3, "start": dt.date(2024, 10, 1)})
    assert varied == read(GROWING, changes=["jobs.pretrain.tokens=2 Ttoken", "site.pue=1.3", "start=2024-10-01"])


def test_vary_leaves_the_original_alone_and_reports_all_faults():
    scenario = read(GROWING)
    with pytest.raises(ScenarioError) as caught:
        vary(scenario, {"jobs.pretrain.tokenz": "2 Ttoken", "horizon": 180, "cluster.fabric": "spectrum-x-400"})
    messages = str(caught.value)
    assert "did you mean 'tokens'?" in messages
    assert "horizon=180: horizon: expected time" in messages
    assert "did you mean 'spectrum-x-400g'?" in messages
    assert scenario == read(GROWING)


def test_the_first_delivery_may_come_before_the_start():
    scenario = read(GROWING)
    assert min(scenario.cluster.pools[0].arrivals) < scenario.start


def test_reading_is_quick_once_everything_is_imported():
    read(GROWING)
    began = time.process_time()
    read(GROWING)
    assert time.process_time() - began < 0.08


@pytest.mark.parametrize("name", packaged())
def test_every_shipped_scenario_is_valid(name):
    assert read(name).question
