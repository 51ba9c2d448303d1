"""The page about studies tells the truth: its first study runs, and its tables are the store's."""

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
FIRST = re.search(r"## A first study.*?```sh\n(.*?)```", PAGE, flags=re.DOTALL)[1].splitlines()


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in FIRST:
        _, *arguments = shlex.split(line, comments=True)
        ran = CliRunner().invoke(app, [*arguments, *(["--workers", "1"] if arguments[0] == "sweep" else [])])
        assert ran.exit_code == 0, ran.output
    return tmp_path / "first.db"


def test_the_first_study_runs_as_it_stands_and_the_tables_are_as_the_page_says(store):
    rows = re.findall(r"^\| `(\w+)`(?: \(view\))? \|.*\| (.*) \|$", PAGE, flags=re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", columns)) for name, columns in rows}
    with closing(sqlite3.connect(store)) as db:
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type <> 'index'")}
        assert set(told) == there
        for name, columns in told.items():
            assert columns <= {column for _, column, *_ in db.execute(f"PRAGMA table_info({name})")}, name
    assert {path.name for path in store.parent.iterdir()} == {"first.db", "first.png", "first.csv", "first.md"}
