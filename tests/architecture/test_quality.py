"""Style, types and floors are tests like any other, so that one command checks everything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--check", "--no-cache", "."],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    ],
    ids=["ruff check", "ruff format", "mypy", "import floors"],
)
def test_is_quiet(command):
    tool = Path(sys.executable).with_name(command[0])
    found = subprocess.run([str(tool), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
