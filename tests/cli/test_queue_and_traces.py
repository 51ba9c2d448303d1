"""Queues and traces from a scenario file to the results folder, and every way to get them wrong."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app

TRACE = Path(__file__).parents[2] / "seeds" / "traces" / "stepfun_fault_trace.json"
SMALL = "jobs.pretrain.tokens=0.2 Ttoken"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def scenario(tmp_path):
    """A child of the shipped scenario with other lines in its queue, and files beside it."""

    def write(*lines, **files):
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        path = tmp_path / "asked.yaml"
        path.write_text("\n".join(("name: asked", "extends: shared-cluster", *lines)) + "\n")
        return path

    return write


def test_a_run_writes_the_queue_as_text_table_figure_and_json(tmp_path):
    told = run("run", "shared-cluster", "--set", SMALL, "--out", tmp_path)
    assert told.exit_code == 0
    assert "with training" in told.output
    assert {"queue.csv", "queue_timeline.csv", "queue.png"} <= {path.name for path in tmp_path.iterdir()}
    assert "queue.png" in json.loads((tmp_path / "run.json").read_text())["sha256"]
    found = json.loads((tmp_path / "summary.json").read_text())["queue"]
    assert found["with_training"]["delay_mean_s"] >= found["without_training"]["delay_mean_s"]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        assert run("run", "shared-cluster", "--set", SMALL, "--out", tmp_path / name, "-q").exit_code == 0
    for name in ("queue.csv", "queue_timeline.csv", "queue.png", "summary.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_run_without_a_queue_leaves_no_queue_of_an_earlier_one(tmp_path):
    run("run", "shared-cluster", "--set", SMALL, "--out", tmp_path, "-q")
    run("run", "tesla-h100", "--set", "jobs.llama.tokens=0.2 Ttoken", "--out", tmp_path, "-q")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("queue")]


def test_a_recorded_queue_lies_beside_the_scenario_that_names_it(scenario, tmp_path, monkeypatch):
    path = scenario(
        "queue: {arrivals: null, trace: mine.csv, skip: 100 s}",
        **{"mine.csv": "submit,runtime,gpus\n0,9,1\n500,60,8\n"},
    )
    monkeypatch.chdir("/")
    told = run("run", path, "--set", SMALL, "--out", tmp_path / "out")
    assert told.exit_code == 0
    assert "2 recorded jobs" in told.output
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["queue"]["jobs"] == 1


def test_another_content_is_another_question(scenario, tmp_path):
    named = []
    for content in ("submit,runtime,gpus\n0,9,1\n", "submit,runtime,gpus\n0,9,2\n"):
        path = scenario("queue: {arrivals: null, trace: mine.csv}", **{"mine.csv": content})
        run("run", path, "--set", SMALL, "--out", tmp_path / "out", "-q")
        named.append(json.loads((tmp_path / "out" / "run.json").read_text())["scenario_digest"])
    assert named[0] != named[1]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["queue: {trace: mine.csv}"], "asked.yaml:3: queue: expected either arrivals or trace; got both"),
        (["queue: {arrivals: null}"], "asked.yaml:3: queue: expected either arrivals or trace; got neither"),
        (["queue: {arrivals: null, trace: none.csv}"], "asked.yaml:3: queue.trace: expected a trace file; got"),
        (
            ["queue: {arrivals: {rate: 5 /h, sizes: {1: 50 %}}}"],
            "expected shares of the jobs that add up to 100 %; got 110 %",
        ),
        (
            ["queue: {arrivals: {sizes: {8: 0 %, 4096: 42 %}}}"],
            "queue.arrivals.sizes.4096: expected at most the 2,048 accel",
        ),
        (
            ["queue: {arrivals: {rate: 1 /s}}"],
            "queue.arrivals.rate: expected at most 5,000,000 jobs within the horizon",
        ),
        (["queue: {arrivals: {rate: -1 /h}}"], "queue.arrivals.rate: expected rate"),
        (["queue: {backfil: easy}"], "asked.yaml:3: queue.backfil: unknown key; did you mean 'backfill'?"),
        (["queue: {arrivals: null, trace: mine.csv, skip: 9 d}"], "queue.skip: expected to leave at least one job"),
        (["failures: {trace: none.json}"], "asked.yaml:3: failures.trace: expected a trace file; got"),
        (["failures: {servers: 400}"], "expected servers beside a trace only; got 400 without one"),
    ],
)
def test_mistakes_exit_2_and_say_where(scenario, lines, said):
    told = run("check", scenario(*lines, **{"mine.csv": "submit,runtime,gpus\n0,9,1\n"}))
    assert told.exit_code == 2
    assert said in " ".join(told.output.split())


def test_a_recorded_job_larger_than_the_cluster_is_refused_with_its_line(scenario):
    rows = "".join(f"{n},60,{4096 if n % 2 else 1}\n" for n in range(10)) + "11,-60,1\n"
    told = run("check", scenario("queue: {arrivals: null, trace: m.csv}", **{"m.csv": "submit,runtime,gpus\n" + rows}))
    assert told.exit_code == 2
    assert "m.csv:3: gpus: expected at most the 2,048 accelerators the cluster will ever have; got 4,096" in told.output
    assert told.output.count("accelerators the cluster will ever have") == 5
    assert "m.csv:12: runtime: expected 0 or more; got '-60'" in told.output  # with whatever else is wrong


def test_recorded_faults_strike_the_job_and_the_answer_says_how_nodes_map(scenario, tmp_path):
    shutil.copy(TRACE, tmp_path / "faults.json")
    path = scenario("failures: {fleet: llama-3-fleet, trace: faults.json, servers: 400}")
    told = run("run", path, "--set", SMALL, "--out", tmp_path / "out")
    assert told.exit_code == 0
    assert "584 recorded faults of 400 servers" in told.output
    assert "256 of the servers are drawn" in " ".join(told.output.split())
    assert "256 of the servers" in json.loads((tmp_path / "out" / "summary.json").read_text())["replayed"]
