"""simgpu sensitivity and simgpu optimise, and what check and schema say of studies."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.study import load
from simulator.study.engines import engine
from simulator.study.file import read_study
from simulator.study.json_schema import study_schema_text
from simulator.study.schema import DesignRequest
from simulator.study.sweep import sweep

STUDY = """\
name: mine
question: What moves it?
base: aws-p5
factors:
  failures.scale: {loguniform: [0.5, 8]}
  site.pue: {uniform: [1, 1.3]}
  checkpoint.interval: [5 min, 20 min, 1 h]
design: {kind: saltelli, n: 16}
mode: plan
outputs: [time_to_train, cost]
objective: {minimise: time_to_train}
constraints: {goodput: "> 0.5", cost: "< 10 MUSD"}
"""
runner = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(STUDY)


def _invoke(*arguments):
    return runner.invoke(app, list(arguments), catch_exceptions=False)


def test_sensitivity_ranks_the_factors_of_every_output_and_draws_them():
    result = _invoke("sensitivity", "mine.yaml", "--workers", "1", "--out", "s.db")
    assert result.exit_code == 0, result.output
    assert "80 points, plan" in result.stdout
    for output in ("time_to_train_d", "cost_usd"):
        assert re.search(rf"^{output}: .* first order +total$", result.stdout, flags=re.MULTILINE)
    assert re.search(r"more would narrow them: simgpu sensitivity\s+mine.yaml --points \d+", result.stdout)
    assert sorted(path.name for path in Path().glob("s*")) == ["s-cost_usd.png", "s-time_to_train_d.png", "s.db"]
    assert _invoke("sensitivity", "mine.yaml", "--workers", "1", "--out", "s.db").stdout == result.stdout


def test_sensitivity_as_a_document_of_one_output():
    asked = ("sensitivity", "mine.yaml", "--output", "goodput", "--points", "32", "--workers", "1", "--json")
    document = json.loads(_invoke(*asked).stdout)
    (found,) = document["outputs"]
    assert (found["output"], found["base_points"], found["left_out"]) == ("goodput", 32, 0)
    ranked = [index["factor"] for index in found["indices"]]
    assert set(ranked[:2]) == {"failures.scale", "checkpoint.interval"}
    assert found["indices"][2]["total"] == pytest.approx(0, abs=1e-12), "efficiency of cooling stops no job"
    assert len(load(document["store"])) == 32 * 5


def test_sensitivity_of_runs_meets_the_same_weather_everywhere():
    asked = ("--points", "4", "--replicas", "2", "--workers", "1", "--out", "s.db", "--quiet")
    changes = ("--set", "failures.scale=1,2", "--set", "checkpoint.interval=10 min,1 h")
    assert _invoke("sensitivity", "aws-p5", *changes, *asked).exit_code == 0
    frame = load("s.db")
    assert len(frame) == 4 * 4 * 2
    assert frame["seed"].nunique() == 2


def test_optimise_finds_the_best_and_says_how_to_get_it_again():
    result = _invoke("optimise", "mine.yaml", "--trials", "24", "--workers", "1", "--out", "o.db")
    assert result.exit_code == 0, result.output
    assert re.search(r"^least time_to_train_d: [\d.]+, \d+ points tried$", result.stdout, flags=re.MULTILINE)
    assert "without effect on the best: cost < 10 MUSD, goodput > 0.5" in result.stdout
    (command,) = re.findall(r"^simgpu (plan aws-p5 --set .*)$", result.stdout, flags=re.MULTILINE)
    assert _invoke(*shlex.split(command)).exit_code == 0
    assert Path("o.png").is_file()


def test_optimise_goes_on_where_it_was():
    first = _invoke("optimise", "mine.yaml", "--trials", "8", "--workers", "1", "--out", "o.db", "--json")
    more = _invoke("optimise", "mine.yaml", "--trials", "16", "--workers", "1", "--out", "o.db", "--json")
    tried = [json.loads(result.stdout)["trials"] for result in (first, more)]
    assert tried[1][: len(tried[0])] == tried[0]
    assert len(tried[1]) > len(tried[0])


def test_optimise_exits_1_when_nothing_keeps_the_constraints():
    Path("mine.yaml").write_text(STUDY.replace("10 MUSD", "10 USD"))
    result = _invoke("optimise", "mine.yaml", "--trials", "8", "--workers", "1")
    assert result.exit_code == 1
    assert "no trial keeps the constraints, 8 points tried; the nearest breaks cost < 10 USD (by" in result.stdout


def test_optimise_takes_its_objective_from_the_command_line():
    changes = ("--set", "checkpoint.interval=5 min,1 h,optimal", "--plan-only", "--workers", "1", "--trials", "9")
    document = json.loads(_invoke("optimise", "aws-p5", *changes, "--maximise", "goodput", "--json").stdout)
    assert document["maximise"] == "goodput"
    assert document["best"]["factors"] == {"checkpoint.interval": "optimal"}
    result = _invoke("optimise", "aws-p5", *changes)
    assert result.exit_code == 2
    assert "expected an objective to search for" in result.stderr
    assert _invoke("optimise", "aws-p5", *changes, "--maximise", "mfu", "--minimise", "cost").exit_code == 2


@pytest.mark.parametrize(("command", "module"), [("sensitivity", "SALib.analyze"), ("optimise", "optuna")])
def test_a_missing_extra_is_named_before_anything_runs(monkeypatch, command, module):
    monkeypatch.setitem(sys.modules, module, None)
    result = _invoke(command, "mine.yaml")
    assert result.exit_code == 2
    assert "of the extra `analysis`: pip install 'simgpu[analysis]'" in result.stderr
    assert not Path("runs").exists()


def test_check_tells_studies_and_scenarios_apart():
    result = _invoke("check", "mine.yaml", "colossus", "grok-3-date")
    assert result.exit_code == 0
    assert result.stdout == "mine.yaml: valid, 80 points\ncolossus: valid\ngrok-3-date: valid, 64 points\n"
    Path("mine.yaml").write_text(STUDY.replace("[1, 1.3]", "[1.3, 1]").replace("n: 16", "n: 0"))
    result = _invoke("check", "mine.yaml", "colossus")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 2
    assert "mine.yaml:6: factors.site.pue: expected a range from the smaller to the larger value" in result.stderr


def test_a_study_is_checked_with_what_a_person_should_know():
    Path("mine.yaml").write_text(STUDY.replace("n: 16", "n: 1_000_000"))
    said = _invoke("check", "mine.yaml").stdout.splitlines()
    assert said[0] == "mine.yaml: valid, 5,000,000 points"
    assert said[1].startswith("mine.yaml: design: a Sobol sequence is balanced at powers of two")
    assert said[2] == "mine.yaml: 5,000,000 tasks: simgpu sweep asks for --yes"


def test_the_schema_of_studies_is_printed():
    assert _invoke("schema", "--study").stdout == study_schema_text()


@pytest.mark.parametrize("name", ["colossus-size", "machines-and-models", "grok-3-date"])
def test_a_shipped_study_runs_at_a_reduced_size(name):
    """At six points drawn from its factors, every output has a number."""
    study = read_study(name).model_copy(update={"design": DesignRequest(kind="random", n=6)})
    with engine("local", workers=1) as local:
        sweep(study, Path("s.db"), local)
    frame = load("s.db")
    assert frame["status"].tolist() == ["done"] * 6
    assert frame[list(study.kept)].notna().all(axis=None)
