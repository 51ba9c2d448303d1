"""``simgpu validate``: what it prints, what it writes and how it exits."""

import csv
import json
from pathlib import Path

import matplotlib.image
import pytest
from typer.testing import CliRunner

import simulator.validation.kinds
from simulator.cli import app
from simulator.validation import RUNS, measurements
from simulator.validation.table import COLUMNS

PUBLISHED = measurements()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    few = [lines[0], *(line for line in lines if line.startswith(("korth22", "sc21", "epoch")))]
    Path("few.csv").write_text("\n".join(few) + "\n", encoding="utf-8")
    Path("half.csv").write_text("id,model,wall_days\n", encoding="utf-8")
    Path("semicolons.csv").write_text(lines[0].replace(",", ";") + "\n", encoding="utf-8")
    Path("latin.csv").write_text(f"{lines[0]}\né\n", encoding="latin-1")


def _invoke(*arguments: str):
    return CliRunner().invoke(app, ["validate", *arguments], catch_exceptions=False)


def test_it_prints_a_scorecard_and_writes_a_row_for_each_row():
    result = _invoke("few.csv", "--out", "out/predictions.csv")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "rows predicted" in result.stdout
    assert "constant" in result.stdout
    assert "an encoder-decoder model" in result.stdout
    with Path("out/predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with Path("few.csv").open(encoding="utf-8", newline="") as file:
        asked = [row["id"] for row in csv.DictReader(file)]
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == asked
    for row in rows:
        assert row["status"] in ("predicted", "skipped")
        assert row["reason"] or row["status"] == "predicted"
        if row["status"] == "predicted":
            low, middle, high = (float(row[f"{end}_tokens_per_s_per_gpu"]) for end in ("low", "predicted", "high"))
            assert low < high
            assert 0.2 < middle / low < 10
        if row["error_pct"]:
            off = float(row["predicted_tokens_per_s_per_gpu"]) / float(row["measured_tokens_per_s_per_gpu"]) - 1
            assert float(row["error_pct"]) == pytest.approx(100 * off, abs=0.01)


def test_the_same_file_gives_the_same_bytes():
    for name in ("a.csv", "b.csv"):
        _invoke("few.csv", "--out", name)
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_json_is_one_document_with_every_group_and_reason():
    document = json.loads(_invoke("few.csv", "--json", "--by", "accelerator,precision").stdout)
    assert document["file"] == "few.csv"
    assert document["predicted"] + sum(document["skipped"].values()) == document["rows"]
    assert {score["inputs"] for score in document["groups"]} <= {"all", "stated", "inferred"}
    assert any(score["group"] == "A100-SXM-80GB · fp16" for score in document["groups"])


def test_without_a_file_it_takes_all_that_was_published():
    document = json.loads(_invoke("--json").stdout)
    assert document["file"] == "seeds/measurements/throughput.csv"
    assert document["rows"] > 1000
    assert [other["file"] for other in document["also"]] == [
        "seeds/measurements/runs.csv", "seeds/reliability/cases.yaml",
    ]  # fmt: skip


def test_steps_and_runs_are_grouped_by_the_same_columns():
    document = json.loads(_invoke("--json", "--by", "framework,accelerator").stdout)
    (runs, _) = document["also"]
    assert {score["group"].split(" · ")[0] for score in runs["groups"]} == {"framework not stated"}
    assert len({score["group"] for score in document["groups"]}) > 20


def test_a_file_of_whole_runs_is_known_by_its_columns():
    runs = measurements(RUNS)
    result = _invoke(str(runs), "--out", "out.csv", "--figure", "runs.png", "--by", "accelerator")
    assert result.exit_code == 0
    assert "accelerator-hours" in result.stdout
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        written = {row["id"]: row for row in csv.DictReader(file)}
    assert len(written) == runs.read_text(encoding="utf-8").count("\n") - 1
    llama = written["llama-3.1-405b"]
    days = float(llama["predicted_accelerator_hours"]) / 16384 / 24
    assert float(llama["predicted_wall_days"]) == pytest.approx(days, rel=1e-4)
    off = 100 * (float(llama["predicted_accelerator_hours"]) / float(llama["measured_accelerator_hours"]) - 1)
    assert float(llama["error_pct"]) == pytest.approx(off, abs=0.01)
    assert written["llama-2-70b"]["predicted_wall_days"] == ""
    assert written["jais-13b"]["reason"] == "accelerator: not stated"
    assert matplotlib.image.imread("runs.png").shape[0] > 500


def test_without_a_file_an_installed_package_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(simulator.validation.kinds, "__file__", "/site-packages/simulator/validation/kinds.py")
    result = _invoke()
    assert result.exit_code == 2
    assert "not installed with the package" in result.stderr


def test_the_figure_is_drawn():
    assert _invoke("few.csv", "--figure", "validation.png").exit_code == 0
    assert matplotlib.image.imread("validation.png").shape[0] > 500


def test_a_file_without_rows_has_an_empty_scorecard_and_figure():
    Path("none.csv").write_text(Path("few.csv").read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    result = _invoke("none.csv", "--out", "out.csv", "--figure", "none.png")
    assert result.exit_code == 0
    assert "0 of 0 rows" in result.stdout
    assert Path("out.csv").read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.csv"], "none.csv: cannot be read"),
        (["."], "cannot be read"),
        (["few.csv", "--by", "colour"], "--by: expected some of source"),
        (["semicolons.csv"], "stand between semicolons instead of commas"),
        (["latin.csv"], "save it as UTF-8"),
        (["half.csv"], "half.csv: expected a CSV file with the columns id, model, tokens_b"),
        (["few.csv", "--out", "few.csv/out.csv"], "few.csv is not a folder"),
    ],
)
def test_a_mistake_ends_with_its_message_and_code_two(arguments, says):
    result = _invoke(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output
