"""The README tells the truth: its commands are CI's, its output is what comes out, its files exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(label):
    match = re.search(rf"<!-- {re.escape(label)} -->\n```\w*\n(.*?)```", README, flags=re.DOTALL)
    assert match, label
    return match[1]


def test_ci_runs_exactly_the_test_command():
    last = (ROOT / ".ci/run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert last == block("tests").strip()


def test_the_shown_output_is_the_real_one(tmp_path, monkeypatch, request):
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    ran = CliRunner().invoke(app, ["run", "scenarios/colossus.yaml"])
    assert ran.exit_code == 0
    label = "output: simgpu run scenarios/colossus.yaml"
    said = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
    if request.config.getoption("--update-golden"):
        now = (ROOT / "README.md").read_text(encoding="utf-8")  # the scorecard may have been rewritten since
        changed = now.replace(f"<!-- {label} -->\n```\n{block(label)}```", f"<!-- {label} -->\n```\n{said}\n```")
        (ROOT / "README.md").write_text(changed, encoding="utf-8")
        picture = next((tmp_path / "runs").glob("*/dashboard.png"))
        (ROOT / "docs/colossus.png").write_bytes(picture.read_bytes())
        return
    assert block(label).strip() == said.strip()


@pytest.mark.parametrize("command", re.findall(r"^\| `simgpu (.*?)`", README, flags=re.MULTILINE))
def test_every_command_of_the_table_exists(command):
    known = {info.name or info.callback.__name__ for info in app.registered_commands}
    assert shlex.split(command)[0] in known


def test_every_scenario_is_listed():
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert f"`{path.stem}`" in README


def test_pictures_and_files_it_names_exist():
    for name in re.findall(r"\]\((docs/[^)]+)\)|`((?:notebooks|seeds|scenarios)/[\w./-]+)`", README):
        path = next(part for part in name if part)
        assert (ROOT / path).exists(), path
