"""Every command: what it prints, what it writes and how it exits."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

import simulator
import simulator.errors
from simulator.cli import app
from simulator.report.text import headline
from simulator.run import run

QUICK = "aws-p5"
LONG = "x" * 300
runner = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _invoke(*arguments: str):
    return runner.invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def quick():
    return run(QUICK)


def test_a_run_answers_and_writes_its_folder():
    result = _invoke("run", QUICK)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(rf"{QUICK}-[0-9a-f]{{8}}", folder.name)
    assert str(folder) in result.stdout
    expected = {"summary.json", "run.json", "timeline.csv", "events.csv", "ledger.csv", "bill.csv", "interruptions.csv",
                "dashboard.png"}  # fmt: skip
    assert {path.name for path in folder.iterdir()} == expected


def test_json_is_one_document_with_the_numbers_of_the_text_and_the_file(quick):
    result = _invoke("run", QUICK, "--json", "--out", "here")
    document = json.loads(result.stdout)
    assert document.pop("folder") == "here"
    assert document == json.loads(Path("here/summary.json").read_text())
    assert document["answer"] == headline(quick.answer())
    assert document["summary"]["cost_usd"] == quick.summary.cost_usd
    assert sum(document["summary"]["cost_rows_usd"].values()) == pytest.approx(document["summary"]["cost_usd"])


def test_the_same_run_is_the_same_file_byte_for_byte():
    for folder in ("a", "b"):
        _invoke("run", QUICK, "--out", folder, "--quiet")
    for name in ("summary.json", "timeline.csv", "events.csv", "dashboard.png"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes(), name


def test_tables_in_the_folder_add_up():
    _invoke("run", QUICK, "--out", "here", "--quiet")
    summary = json.loads(Path("here/summary.json").read_text())["summary"]
    ledger, frame = pd.read_csv("here/ledger.csv"), pd.read_csv("here/timeline.csv")
    assert ledger["time_s"].sum() == pytest.approx(summary["wall_time_s"], rel=1e-9)
    assert pd.read_csv("here/bill.csv")["cost_usd"].sum() == pytest.approx(summary["cost_usd"], rel=1e-9)
    assert frame["energy_MWh"].iloc[-1] == pytest.approx(summary["energy_MWh"], rel=1e-9)
    assert frame["tokens"].iloc[-1] == pytest.approx(summary["tokens"], rel=1e-9)


def test_the_manifest_vouches_for_the_files():
    import hashlib

    _invoke("run", QUICK, "--out", "here", "--quiet")
    manifest = json.loads(Path("here/run.json").read_text())
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256(Path("here", name).read_bytes()).hexdigest() == digest, name
    assert manifest["simgpu"] == simulator.__version__
    assert manifest["scenario"]["name"] == QUICK


def test_another_seed_or_more_replicas_get_a_folder_of_their_own():
    for arguments in ((), ("--seed", "5"), ("--replicas", "3")):
        assert _invoke("run", QUICK, "--quiet", *arguments).exit_code == 0
    assert len({folder.name.split("-", 3)[-1] for folder in Path("runs").iterdir()}) == 3
    (many,) = Path("runs").glob("*-x3")
    replicates = pd.read_csv(many / "replicates.csv")
    assert len(replicates) == replicates["seed"].nunique() == 3
    statistics = json.loads((many / "summary.json").read_text())["replicas"]["statistics"]
    found = statistics["time_to_train_s"]
    assert found["p5"] <= found["p50"] <= found["p95"]
    assert found["mean"] == pytest.approx(replicates["time_to_train_s"].mean())


def test_replicas_print_their_spread():
    result = _invoke("run", QUICK, "--replicas", "3")
    assert "median" in result.stdout
    assert "P95" in result.stdout


def test_replicas_that_cannot_leap_say_what_made_them_slow():
    lemons = ("--set", "failures.nodes={lemons: 1}")
    assert _invoke("run", QUICK, "--replicas", "2").stderr == ""
    said = _invoke("run", QUICK, "--replicas", "2", *lemons).stderr
    assert "event by event, the slow way, for nodes that age or differ" in said
    assert _invoke("run", QUICK, *lemons).stderr == ""


def test_quiet_prints_nothing_but_the_document_asked_for():
    assert _invoke("run", QUICK, "--quiet").stdout == ""
    assert json.loads(_invoke("run", QUICK, "--quiet", "--json").stdout)["folder"]
    assert "--json still prints" in " ".join(re.sub("[│╭╰]", "", _invoke("run", "--help").stdout).split())


def test_a_folder_holds_the_last_run_and_nothing_of_the_one_before():
    _invoke("run", QUICK, "--replicas", "2", "--out", "here", "--quiet")
    Path("here/notes.txt").write_text("mine")
    _invoke("run", QUICK, "--out", "here", "--quiet")
    manifest = json.loads(Path("here/run.json").read_text())
    assert {path.name for path in Path("here").iterdir()} == {"run.json", "notes.txt", *manifest["sha256"]}
    assert "spread.csv" not in manifest["sha256"]


@pytest.mark.parametrize("name", ["summary.json", "events.csv", "dashboard.png", "run.json"])
@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_was_not_finished_has_no_run_json_and_no_half_file(quick, monkeypatch, name, trouble):
    quick.write(Path("here"))
    before = {path.name: path.read_bytes() for path in Path("here").iterdir()}
    replace = Path.replace

    def refuse(self, target):
        if Path(target).name == name:
            raise trouble
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises((simulator.errors.SimulatorError, KeyboardInterrupt)):
        quick.write(Path("here"))
    left = {path.name: path.read_bytes() for path in Path("here").iterdir()}
    assert left == {kept: content for kept, content in before.items() if kept != "run.json"}


def test_an_old_figure_does_not_stand_beside_a_new_table():
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    _invoke("compare", QUICK, "--out", "side")
    runner.invoke(app, ["compare", "impossible.yaml", "--out", "side"])
    assert [path.name for path in Path("side").iterdir()] == ["compare.csv"]


def test_a_missed_expectation_exits_1():
    result = _invoke("run", QUICK, "--set", "expect.cost=< 1 USD", "--set", "expect.goodput=> 0.1")
    assert result.exit_code == 1
    assert "MISSED" in result.stdout
    assert _invoke("run", QUICK, "--set", "expect.goodput=> 0.1").exit_code == 0


def test_not_finished_exits_3_and_is_an_answer_even_when_an_expectation_fails_too():
    result = _invoke("run", QUICK, "--set", "horizon=3 d", "--set", "expect.time_to_train=< 2 d")
    assert result.exit_code == 3
    assert "Does not finish within 3.00 days" in result.stdout
    assert "it would have needed" in " ".join(result.stdout.split())
    assert list(Path("runs").glob("*/dashboard.png"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "no-such-scenario"), "no-such-scenario"),
        (("run", QUICK, "--set", "site.pue=0.5"), "site.pue"),
        (("run", QUICK, "--set", "nonsense"), "nonsense"),
        (("run", QUICK, "--set", "seed=-1"), "seed"),
        (("plan", "no-such-scenario"), "no-such-scenario"),
        (("compare", QUICK, "no-such-scenario", "neither"), "neither"),
        (("catalogue", "no-shelf"), "unknown shelf"),
        (("catalogue", "accelerators", "H1000"), "did you mean"),
        (("new", "mine", "--from", "nothing"), "nothing"),
        (("new", "../mine", "--from", QUICK), "mine"),
        (("run", QUICK, "--out", "file/below"), "not a folder"),
        (("run", QUICK, "--out", LONG), "File name too long"),
        (("run", QUICK, "--out", f"deep/{LONG}/below"), "File name too long"),
        (("compare", QUICK, "--out", LONG), "File name too long"),
        (("schema", "--out", LONG), "File name too long"),
        (("new", LONG, "--from", QUICK), "expected at most 80"),
        (("run", os.devnull), "got a device"),
        (("plan", QUICK, "--set", "jobs.0.batch=1 token"), "at least one sequence of 4,096 tokens; got 1 token"),
        (("plan", QUICK, "--set", "jobs.0.tokens=1e30 token"), "expected at most 1e+18 tokens"),
        (("plan", QUICK, "--set", "name=!!map x"), "got the tag '!!map'"),
    ],
)
def test_mistakes_exit_2_with_a_message_and_nothing_written(arguments, said):
    Path("file").write_text("")
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert [path.name for path in Path().iterdir()] == ["file"]


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", QUICK, "--replicas", "0"), ("run", QUICK, "--nonsense"), ("walk",)]
)
def test_usage_errors_exit_2(arguments):
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_plan_shows_the_waterfall_and_json_agrees():
    text = _invoke("plan", QUICK).stdout
    document = json.loads(_invoke("plan", QUICK, "--json").stdout)
    best = document["jobs"][0]["sizes"][0]
    assert sum(best["step_parts_s"].values()) == pytest.approx(best["step_s"])
    assert f"MFU {100 * best['mfu']:.1f} %" in text
    for said in (
        "model arithmetic at peak",
        "memory, GB",
        "why this layout",
        "replica",
        "thin evidence",
        "if nothing broke",
    ):
        assert said in text
    assert document["failure_free"]["time_to_train_s"] <= document["expected"]["time_to_train_s"]


def test_plan_says_why_the_layout_wins_to_people_and_to_programs():
    text = _invoke("plan", QUICK).stdout
    why = json.loads(_invoke("plan", QUICK, "--json").stdout)["jobs"][0]["why"]
    assert f"of {why['layouts_that_fit']:,} that fit, of {why['layouts_tried']:,} tried" in text
    for other in why["alternatives"]:
        assert other["change"] in text
    assert why["sensitivities"][0]["change"] in text
    assert why["thin_evidence"][0]["parameter"] in text


@pytest.mark.parametrize("name", ["colossus", "cerebras-wse3", "dojo", "aws-p5"])
def test_a_plan_fits_its_screen(name, monkeypatch):
    for width in (80, 100):
        monkeypatch.setattr("simulator.cli.terminal.console", lambda width=width: _screen(width))
        lines = _invoke("plan", name).stdout.splitlines()
        assert max(map(len, lines)) <= width
        assert len(lines) <= {80: 130, 100: 110}[width]


def _screen(width):
    return Console(markup=False, highlight=False, emoji=False, width=width, color_system=None)


def test_a_partly_fixed_layout_is_planned_and_says_what_that_costs():
    result = _invoke("plan", QUICK, "--set", "jobs.0.layout={tensor: 8, recompute: full}")
    assert result.exit_code == 0
    assert "with nothing fixed, TP" in result.stdout


def test_a_layout_that_cannot_be_is_refused_with_the_nearest_that_can():
    result = _invoke("plan", QUICK, "--set", "jobs.0.layout={tensor: 48}")
    assert result.exit_code == 2
    assert "expected a divisor of 64 heads; got 48" in result.stderr
    assert "at most the 8 accelerators of one scale-up domain; got 48" in result.stderr
    assert "the nearest layout that works is TP 8" in result.stderr


def test_pareto_shows_both_frontiers_and_draws_them():
    result = _invoke("plan", QUICK, "--pareto", "--out", "traded")
    assert result.exit_code == 0, result.output
    assert "step time against memory left" in result.stdout
    assert "step time against accelerators" in result.stdout
    assert Path("traded/pareto.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads(_invoke("plan", QUICK, "--pareto", "--json").stdout)
    sizes = document["jobs"][0]["against_accelerators"]
    assert sizes[-1]["step_s"] < sizes[0]["step_s"]
    assert document["jobs"][0]["against_memory"][0]["step_s"] <= sizes[-1]["step_s"]


def test_a_folder_without_a_figure_to_put_there_is_refused():
    result = _invoke("plan", QUICK, "--out", "traded")
    assert result.exit_code == 2
    assert "together with --pareto" in result.stderr


def test_compare_puts_machines_side_by_side():
    result = _invoke("compare", QUICK, "twitter-a100", "--set", "seed=3", "--out", "side")
    assert result.exit_code == 0, result.output
    assert QUICK in result.stdout
    assert "twitter-a100" in result.stdout
    assert Path("side/compare.png").stat().st_size > 5000
    rows = json.loads(_invoke("compare", QUICK, QUICK, "--json").stdout)["scenarios"]
    assert [row["scenario"] for row in rows] == [f"{QUICK} (1)", f"{QUICK} (2)"]
    assert rows[0]["cost_usd"] == rows[1]["cost_usd"]
    assert _invoke("compare", QUICK, "--md").stdout.startswith("| scenario |")


def test_check_reports_every_fault_of_every_file():
    Path("one.yaml").write_text(f"name: one\nextends: {QUICK}\nsite: {{pue: 0.5}}\nhorizn: 3 d\n")
    Path("two.yaml").write_text("name: [\n")
    result = runner.invoke(app, ["check", QUICK, "one.yaml", "two.yaml"])
    assert result.exit_code == 2
    assert f"{QUICK}: valid" in result.stdout
    for said in ("one.yaml:3", "one.yaml:4", "two.yaml"):
        assert said in result.stderr
    assert _invoke("check", QUICK).exit_code == 0


def test_new_writes_a_scenario_that_is_valid_and_never_overwrites():
    assert _invoke("new", "mine", "--from", QUICK).exit_code == 0
    written = Path("mine.yaml").read_text()
    assert _invoke("check", "mine.yaml").exit_code == 0
    result = runner.invoke(app, ["new", "mine", "--from", QUICK])
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert Path("mine.yaml").read_text() == written


def test_new_takes_the_name_of_a_file_for_the_name():
    assert _invoke("new", "mine.yaml", "--from", QUICK).exit_code == 0
    assert [path.name for path in Path().iterdir()] == ["mine.yaml"]
    assert "name: mine\n" in Path("mine.yaml").read_text()


def test_schema_prints_what_it_writes():
    printed = _invoke("schema").stdout
    _invoke("schema", "--out", "s.json")
    assert Path("s.json").read_text() == printed
    assert json.loads(printed)["properties"]["cluster"]


def test_catalogue_shows_units_and_references():
    assert "accelerators" in _invoke("catalogue").stdout
    assert "H100-SXM" in _invoke("catalogue", "accelerators").stdout
    shown = _invoke("catalogue", "accelerators", "h100").stdout
    assert re.search(r"peak\.bf16 +989 TFLOP/s", shown)
    assert "http" in shown
    assert "estimate: " in shown


def test_every_shelf_and_every_entry_can_be_shown():
    from simulator import catalogue

    for shelf in catalogue.SHELVES:
        listed = _invoke("catalogue", shelf).stdout
        assert all(name in listed for name in catalogue.names(shelf)), shelf
        assert _invoke("catalogue", shelf, catalogue.names(shelf)[-1]).exit_code == 0


def test_sources_name_addresses_in_one_piece():
    from simulator import catalogue

    said = _invoke("sources", QUICK).stdout
    keys = re.findall(r"^\[\d+\] (\S+):", said, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) > 5
    for key in keys:
        assert str(catalogue.source(key).get("url", "")) in said


def test_version_is_the_distributions():
    result = _invoke("--version")
    assert result.stdout.strip() == f"simgpu {simulator.__version__}"
    assert re.match(r"\d+\.\d+", simulator.__version__)


def _process(*arguments: str, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(simulator.__file__).parents[1]), **options.pop("env", {})}
    options = {"capture_output": True, **options}
    return subprocess.run([sys.executable, *arguments], text=True, env=environment, check=False, **options)


def test_help_needs_none_of_the_heavy_packages():
    heavy = "numpy pandas matplotlib pydantic simpy ruamel.yaml"
    code = (
        "import sys, simulator.cli\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(simulator.cli.app, ['--help']).exit_code == 0\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    assert _process("-c", code).stdout.strip() == "[]"


def test_as_a_process_mistakes_have_no_traceback():
    result = _process("-m", "simulator.cli", "run", "nothing-there")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "arguments", [("--help",), ("schema",), ("plan", QUICK), ("run", QUICK, "--json", "--out", "here")]
)
def test_output_that_cannot_be_written_is_told_and_exits_2(arguments):
    with Path("/dev/full").open("w") as full:
        result = _process("-m", "simulator.cli", *arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert result.returncode == 2
    assert result.stderr == "standard output: cannot be written: No space left on device\n"


def test_a_reader_who_has_heard_enough_hears_no_complaint():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        result = _process("-m", "simulator.cli", "schema", stdout=pipe, stderr=subprocess.PIPE, capture_output=False)
    assert (result.returncode, result.stderr) == (141, "")


def test_a_folder_whose_name_is_no_text_is_written_and_named():
    name = os.fsdecode(b"b\xff")
    result = _process("-m", "simulator.cli", "run", QUICK, "--json", "--out", name)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["folder"] == name
    assert json.loads((Path(name) / "run.json").read_text())["arguments"][-1] == name


def test_a_terminal_without_our_letters_still_gets_its_answer():
    result = _process("-m", "simulator.cli", "plan", QUICK, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert result.returncode == 0, result.stderr
    assert "model arithmetic at peak" in result.stdout


def test_an_interrupt_keeps_the_replicas_that_are_done_and_exits_130():
    command = [sys.executable, "-m", "simulator.cli", "run", QUICK, "--replicas", "100000", "--out", "kept"]
    environment = {**os.environ, "PYTHONPATH": str(Path(simulator.__file__).parents[1])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(6)
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert "Traceback" not in complaint
    if "replicas done and kept" in complaint:
        done = json.loads(Path("kept/run.json").read_text())["replicas"]
        assert 0 < done["done"] < done["asked"] == 100000
        assert "asked for" in said


def test_public_names_lead_to_what_they_say():
    for name in simulator.__all__:
        assert getattr(simulator, name)
    assert set(simulator.__all__) <= set(dir(simulator))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        simulator.nonsense  # noqa: B018


def test_several_jobs_each_have_their_own_line_and_ledger():
    Path("two.yaml").write_text(
        f"name: two\nextends: {QUICK}\nevidence: {{}}\njobs:\n"
        "  - {name: first, model: Llama-2-70B, tokens: 30 Gtoken, batch: 4 Mtoken, accelerators: 256}\n"
        "  - {name: second, model: Llama-2-70B, tokens: 10 Gtoken, batch: 4 Mtoken, accelerators: 128}\n"
    )
    result = _invoke("run", "two.yaml", "--out", "here")
    assert result.exit_code == 0, result.output
    assert re.search(r"^second +\d+ \w+ \d{4}", result.stdout, flags=re.MULTILINE)
    shares = pd.read_csv("here/ledger.csv").groupby("job")["share"].sum()
    assert list(shares) == pytest.approx([1.0, 1.0], rel=1e-9)
    assert list(pd.read_csv("here/timeline.csv").filter(like="tokens.").columns) == ["tokens.first", "tokens.second"]


def test_an_interrupt_anywhere_exits_130(monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.scenario.read", stop)
    result = runner.invoke(app, ["plan", QUICK])
    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


IMPOSSIBLE = (
    f"name: impossible\nextends: {QUICK}\nevidence: {{}}\njobs:\n"
    "  - {name: llama, model: Llama-2-70B, tokens: 1 Ttoken, batch: 4 Mtoken,\n"
    "     layout: {tensor: 1, pipeline: 1, zero: 0}}\n"
)


def test_a_machine_that_cannot_is_a_row_that_says_why():
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    result = runner.invoke(app, ["compare", "impossible.yaml", QUICK])
    assert result.exit_code == 2
    assert "impossible: Llama-2-70B does not fit" in result.stdout
    assert "1 of 2 scenarios cannot be planned" in result.stderr
    alone = runner.invoke(app, ["compare", "impossible.yaml", "--json", "--out", "alone"])
    assert json.loads(alone.stdout)["scenarios"][0]["cost_usd"] is None
    assert [path.name for path in Path("alone").iterdir()] == ["compare.csv"]


def test_a_model_that_does_not_fit_says_so_and_leaves_no_folder():
    Path("impossible.yaml").write_text(IMPOSSIBLE)
    for command in ("run", "plan", "check"):
        result = runner.invoke(app, [command, "impossible.yaml"])
        assert result.exit_code == 2
        assert "does not fit" in result.stderr
    assert result.stderr.startswith("impossible.yaml: ")
    assert [path.name for path in Path().iterdir()] == ["impossible.yaml"]
