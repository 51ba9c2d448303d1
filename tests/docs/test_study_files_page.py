"""docs/study-files.md: its examples are studies, its output is what comes out, it names every form and design."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from simulator.cli import app
from simulator.study.file import read_study
from simulator.study.schema import DesignRequest, Study

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "study-files.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"<!-- output: simgpu (.*?) -->\n```\n(.*?)```", PAGE, flags=re.DOTALL)
PICTURES = {"study.png": "colossus-size.png", "sensitivity-goodput.png": "sensitivity.png"}


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
def test_the_examples_are_studies(tmp_path, example):
    path = tmp_path / "mine.yaml"
    path.write_text(example, encoding="utf-8")
    assert read_study(path).name == "mine"


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command.split()[0] for command, _ in SHOWN])
def test_the_shown_output_is_the_real_one(tmp_path, monkeypatch, request, command, shown):
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, [*shlex.split(command), "--workers", "1"], catch_exceptions=False)
    assert ran.exit_code == 0
    said = "\n".join(line.rstrip() for line in ran.stdout.splitlines()).strip()
    if request.config.getoption("--update-golden"):
        now = (DOCS / "study-files.md").read_text(encoding="utf-8")
        label = f"<!-- output: simgpu {command} -->\n```\n"
        (DOCS / "study-files.md").write_text(now.replace(f"{label}{shown}```", f"{label}{said}\n```"), encoding="utf-8")
        for path in tmp_path.glob("*.png"):
            if path.name in PICTURES:
                (DOCS / PICTURES[path.name]).write_bytes(path.read_bytes())
        return
    assert shown.strip() == said


def test_every_key_form_and_design_is_named():
    for key in Study.model_fields.keys() - {"name", "question"}:
        assert f"`{key}`" in PAGE
    for kind in get_args(DesignRequest.model_fields["kind"].annotation):
        assert re.search(rf"`(?:{{kind: )?{kind}\b", PAGE)
    for form in ("uniform", "loguniform", "normal", "triangular", "choice", "variants", "from"):
        assert re.search(rf"`{{{form}: ", PAGE)


def test_pictures_it_shows_exist():
    for name in re.findall(r"\]\(([\w-]+\.png)\)", PAGE):
        assert (DOCS / name).exists(), name
