"""simgpu sweep and simgpu results: what they print, what they leave, how they exit."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import simulator
from simulator.cli import app
from simulator.study import load

QUICK = ("sweep", "aws-p5", "--set", "failures.scale=0.5,1,2", "--workers", "1", "--out", "study.db")
runner = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _invoke(*arguments):
    return runner.invoke(app, list(arguments), catch_exceptions=False)


def test_the_command_of_a_row_in_closed_form_gives_that_row_again():
    # where the power or the failures make a smaller size train more, the plan goes on searching and a study does not
    _invoke("sweep", "frontier", "--set", "failures.scale=0.5,2", "--plan-only", "--out", "study.db")
    for _, row in load("study.db").iterrows():
        words = shlex.split(row["command"])[1:]
        found = json.loads(_invoke(*words, "--json").stdout)
        point = found["point"]
        assert {name: point[name] for name in ("time_to_train_d", "cost_usd", "goodput", "mfu")} == dict(
            row[["time_to_train_d", "cost_usd", "goodput", "mfu"]]
        )
        assert point["accelerators"] > found["jobs"][0]["sizes"][0]["accelerators"]
        said = f"studies try full sizes alone: {point['accelerators']:,} accelerators"
        assert said in " ".join(_invoke(*words).stdout.split())


def test_a_sweep_shows_means_with_intervals_and_the_command_of_the_best():
    result = _invoke(*QUICK, "--replicas", "5")
    assert result.exit_code == 0, result.output
    assert "15 of 15 tasks done" in result.stdout
    assert re.search(r"^\* +0\.5 +5 +[\d.]+ ± [\d.]+ +\$[\d.]+ M ± \$", result.stdout, flags=re.MULTILINE)
    (best,) = re.findall(r"^\* least time_to_train_d: simgpu (.*)$", result.stdout, flags=re.MULTILINE)
    assert _invoke(*shlex.split(best), "--quiet").exit_code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["runs", "study.db", "study.png"]


def test_results_say_what_the_sweep_said():
    said = _invoke(*QUICK).stdout
    assert said == _invoke("results", "study.db").stdout + "figure: study.png\n"
    document = json.loads(_invoke("results", "study.db", "--json").stdout)
    assert document["tasks"] == {"asked": 3, "done": 3, "failed": 0, "lost": 0}
    assert document["best"]["factors"] == {"failures.scale": "0.5"}
    assert [point["point"] for point in document["points"]] == [0, 1, 2]


def test_without_a_name_the_same_question_finds_its_store_again():
    for done in ("3 of 3", "3 of 3", "6 of 6"):
        replicas = "2" if done.startswith("6") else "1"
        assert done in _invoke(*QUICK[:-2], "--replicas", replicas).stdout
    (store,) = Path("runs").glob("*.db")
    assert re.fullmatch(r"aws-p5-[0-9a-f]{8}\.db", store.name)
    _invoke(*QUICK[:-2], "--set", "site.pue=1.3")
    assert len(list(Path("runs").glob("*.db"))) == 2


def test_tables_go_to_files():
    _invoke(*QUICK, "--replicas", "2")
    assert _invoke("results", "study.db", "--csv", "a.csv", "--md", "a.md").stdout == "files: a.csv, a.md\n"
    frame = pd.read_csv("a.csv")
    pd.testing.assert_frame_equal(
        frame[["seed", "cost_usd", "command"]], load("study.db")[["seed", "cost_usd", "command"]]
    )
    lines = Path("a.md").read_text().splitlines()
    assert lines[0].startswith("| failures.scale | replicas | time_to_train_d |")
    assert len(lines) == 5


def test_a_question_in_sql_is_answered_as_text_json_and_csv():
    _invoke(*QUICK)
    sql = ("results", "study.db", "--query", 'SELECT "failures.scale" AS scale, goodput FROM means ORDER BY scale')
    rows = json.loads(_invoke(*sql, "--json").stdout)
    assert [row["scale"] for row in rows] == [0.5, 1, 2]
    assert rows[0]["goodput"] > rows[2]["goodput"]
    _invoke(*sql, "--csv", "q.csv")
    assert pd.read_csv("q.csv").to_dict("records") == rows
    text = _invoke(*sql).stdout.splitlines()
    assert text[0].split() == ["scale", "goodput"]
    assert len(text) == 4


def test_failures_are_told_with_the_command_that_shows_them():
    impossible = ("--set", "jobs.0.layout.tensor=1", "--set", "jobs.0.layout.pipeline=1", "--set")
    result = _invoke(*QUICK, *impossible, "jobs.0.layout.zero=0,3")
    assert result.exit_code == 0, result.output
    assert "3 of 6 tasks done, 3 failed" in result.stdout
    (command,) = re.findall(r"^    simgpu (.*)$", result.stdout, flags=re.MULTILINE)
    assert runner.invoke(app, shlex.split(command)).exit_code == 2
    alone = runner.invoke(app, [*QUICK[:-1], "none.db", *impossible, "jobs.0.layout.zero=0"])
    assert alone.exit_code == 2
    assert "3 tasks: " in alone.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep", "aws-p5", "--set", "failures.scal=1,2"), "did you mean"),
        (("sweep", "aws-p5", "--set", "failures.scale=1"), "expected a list to sweep over"),
        (("sweep", "aws-p5"), "expected a list to sweep over"),
        (("sweep", "no-such-study"), "no-such-study"),
        ((*QUICK, "--replicas", "400000"), "1,200,000 tasks; add --yes to go ahead"),
        ((*QUICK, "--precision", "often"), "--precision"),
        ((*QUICK, "--engine", "spark"), "--engine: expected local or dask; got 'spark'"),
        ((*QUICK, "--engine", "local", "--address", "tcp://127.0.0.1:1"), "--engine dask"),
        ((*QUICK[:-1], "folder"), "folder: expected a file for the store; got a folder"),
        ((*QUICK[:-1], "file/below.db"), "not a folder"),
        (("results", "nothing.db"), "nothing.db: expected a store"),
        (("results", "file"), "expected a store of simgpu; got another file"),
    ],
)
def test_mistakes_exit_2_with_a_message_and_nothing_written(arguments, said):
    Path("file").write_text("not a store")
    Path("folder").mkdir()
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder"]


def test_an_extra_that_is_missing_is_named(monkeypatch):
    _invoke(*QUICK)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    result = runner.invoke(app, ["results", "study.db", "--parquet", "a.parquet"])
    assert result.exit_code == 2
    assert "pip install 'simgpu[parquet]'" in result.stderr
    assert not list(Path().glob("*parquet*"))


def test_a_store_of_another_version_is_marked(monkeypatch):
    _invoke(*QUICK)
    monkeypatch.setattr(simulator, "__version__", "9.9.9", raising=False)
    result = _invoke("results", "study.db")
    assert re.search(r"study\.db: filled by simgpu \d\S+; this is 9\.9\.9", result.stderr)
    assert runner.invoke(app, list(QUICK)).exit_code == 2


def test_progress_for_programs_is_a_line_of_json_each():
    result = _invoke(*QUICK, "--json-lines", "--quiet")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "end"]
    assert (lines[0]["done"], lines[-1]["done"], lines[-1]["total"]) == (0, 3, 3)
    assert result.stdout == ""


@pytest.mark.parametrize("signals", [1, 2], ids=["once", "twice"])
def test_an_interrupt_leaves_a_store_that_goes_on_and_exits_130(signals):
    command = [sys.executable, "-m", "simulator.cli", *QUICK, "--replicas", "30000", "--json-lines", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(simulator.__file__).parents[1])}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        for line in process.stderr:
            if json.loads(line).get("done"):
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
        while json.loads(process.stderr.readline())["event"] != "stopping":
            pass
        if signals > 1:
            os.killpg(process.pid, signal.SIGINT)
        lines = process.stderr.read().splitlines()
        assert process.wait(timeout=60) == 130
    assert "interrupted: " in lines[-1], lines
    assert not any("Traceback" in line for line in lines)
    done = int(re.search(r"interrupted: ([\d,]+) of 90,000 tasks done", lines[-1])[1].replace(",", ""))
    frame = load("study.db")
    assert len(frame) == done > 0
    assert [path.name for path in Path().iterdir()] == ["study.db"]
