"""docs/traces.md names every column that is understood, and no other; its examples are read."""

import re
from pathlib import Path

import pytest

from simulator import scenario as scenarios
from simulator.scenario.recorded_jobs import NAMES
from simulator.workload.queue import TraceColumns

PAGE = (Path(__file__).parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("role", TraceColumns.model_fields)
def test_the_table_of_names_is_the_one_that_is_used(role):
    row = re.search(rf"^\| {role} \| (.*?) \|", PAGE, flags=re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", row[1])) == NAMES[role]


def test_the_examples_are_scenarios(tmp_path):
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "jobs.csv").write_text("submit,runtime,cards\n0,9,1\n")
    (tmp_path / "seeds").symlink_to(Path(__file__).parents[2] / "seeds")
    for number, example in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)):
        lines = example.replace("queue:\n", "queue:\n  arrivals: null\n")
        path = folder / f"example-{number}.yaml"
        path.write_text(f"name: example-{number}\nextends: shared-cluster\n{lines}")
        assert scenarios.read(path).name == f"example-{number}"
