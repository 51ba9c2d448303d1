"""Published figures of reliability: what agreed goes on agreeing, what misses says why.

``pytest --update-golden`` rewrites the record of verdicts; CHANGELOG.md says under "Numbers" why a figure was lost.
"""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.errors import SimulatorError
from simulator.validation import CASES, measurements
from simulator.validation.reliability import document, judge, read
from simulator.validation.reliability.table import COLUMNS

RECORD = Path(__file__).with_name("ratchet-reliability.json")
FILE = measurements(CASES)
JUDGED = judge(read(FILE), FILE.parent)
BY_NAME = {one.id: one for one in JUDGED}

CASE = """\
mtti:
  says: hours between interruptions
  published: 1.8
  unit: h
  source: {title: A paper, url: https://example.org, locator: table 1}
  by: {way: time between interruptions, fleet: rsc-1, accelerators: 16384}
  within: 3 %
"""


def written(tmp_path, text):
    path = tmp_path / "cases.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def verdict(tmp_path, text):
    path = written(tmp_path, text)
    (one,) = judge(read(path), tmp_path)
    return one


@pytest.fixture(scope="module")
def record(request):
    if request.config.getoption("--update-golden"):
        verdicts = {one.id: one.verdict for one in JUDGED}
        RECORD.write_text(json.dumps(verdicts, indent=2) + "\n", encoding="utf-8")
    return json.loads(RECORD.read_text(encoding="utf-8"))


def test_what_agreed_with_its_publication_still_does(record):
    lost = [name for name, was in record.items() if was == "agrees" and BY_NAME[name].verdict != "agrees"]
    assert not lost
    assert set(record) == set(BY_NAME)


def test_every_case_is_predicted_and_every_miss_says_why():
    for one in JUDGED:
        assert one.predicted is not None
        assert one.verdict == "agrees" or len(one.remark) > 20


def test_most_published_figures_agree():
    assert document(JUDGED)["agree"] >= 0.7 * len(JUDGED)


def test_small_jobs_fail_more_often_than_rates_per_node_say():
    """A model that met this figure would have its node rates wrong."""
    assert BY_NAME["rsc-1-1024"].verdict == "misses"


def test_a_figure_within_the_tolerance_agrees_and_one_beyond_it_misses(tmp_path):
    assert verdict(tmp_path, CASE).verdict == "agrees"
    assert verdict(tmp_path, CASE.replace("1.8", "1.9")).verdict == "misses"
    assert verdict(tmp_path, CASE.replace("1.8", "[1.2, 1.79]")).verdict == "agrees"


def test_at_least_is_a_bound_from_below(tmp_path):
    assert verdict(tmp_path, CASE.replace("within: 3 %", "least: true").replace("1.8", "1.7")).verdict == "agrees"
    assert verdict(tmp_path, CASE.replace("within: 3 %", "least: true").replace("1.8", "1.9")).verdict == "misses"


def test_what_cannot_be_predicted_is_skipped_with_its_reason(tmp_path):
    one = verdict(tmp_path, CASE.replace("rsc-1", "rsc-9"))
    assert one.verdict == "skipped"
    assert "rsc-9" in one.remark
    assert verdict(tmp_path, CASE.replace("rsc-1", "none")).verdict == "skipped"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("within: 3 %", "", "expected one of within, least and spread; got 0"),
        ("within: 3 %", "spread: true", "expected a simulation for spread"),
        ("unit: h", "unit: s", "cases.yaml:4: mtti.unit: expected"),
        ("published: 1.8", "published: [3, 1]", "expected a range from low to high"),
        ("way: time between interruptions", "way: guess", "mtti.by"),
        ("accelerators: 16384", "accelerators: -3", "mtti.by.accelerators"),
        ("says: hours", "sais: hours", "mtti.sais"),
        (CASE, "- a\n- b\n", "expected cases by name"),
        (CASE, "a: [", "cases.yaml:1"),
    ],
)
def test_a_mistake_in_a_file_of_cases_names_its_line(tmp_path, old, new, says):
    path = written(tmp_path, CASE.replace(old, new))
    with pytest.raises(SimulatorError) as refused:
        read(path)
    assert says in str(refused.value)
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_the_command_prints_and_writes_every_verdict(tmp_path):
    path, out = written(tmp_path, CASE), tmp_path / "out.csv"
    result = CliRunner().invoke(app, ["validate", str(path), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 of 1 published figures agree" in " ".join(result.stdout.split())
    with out.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == COLUMNS
    assert row["verdict"] == "agrees"
    told = json.loads(CliRunner().invoke(app, ["validate", str(path), "--json"]).stdout)
    assert told["kind"] == "reliability"
    assert told["cases"][0]["predicted"] == pytest.approx(1.803, abs=0.001)


def test_a_miss_is_printed_with_its_reason(tmp_path):
    path = written(tmp_path, CASE.replace("1.8", "3") + "  remark: the planets stood badly\n")
    shown = CliRunner().invoke(app, ["validate", str(path)]).stdout
    assert "misses" in shown
    assert "the planets stood badly" in shown


def test_cases_cannot_be_drawn_and_say_so(tmp_path):
    path = written(tmp_path, CASE)
    result = CliRunner().invoke(app, ["validate", str(path), "--figure", str(tmp_path / "a.png")])
    assert result.exit_code == 2
    assert "--figure" in result.stderr
