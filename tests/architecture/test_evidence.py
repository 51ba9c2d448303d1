"""Each number of a shipped scenario is traced: to a source, a claim, or a choice or estimate that says why."""

import re
from pathlib import Path

import pytest

from simulator import scenario as scenarios

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))


def numbers(written, path=()):
    """Path and value of everything with a digit in it; list items go by their name."""
    if isinstance(written, dict):
        for key, value in written.items():
            yield from numbers(value, (*path, str(key)))
    elif isinstance(written, list):
        for index, value in enumerate(written):
            yield from numbers(value, (*path, str(value.get("name", index)) if isinstance(value, dict) else str(index)))
    elif re.search(r"\d", str(written)):
        yield path, written


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_every_number_has_its_evidence(path):
    written = scenarios.resolve(path)
    stated = [tuple(key.split(".")) for key in written["evidence"]]
    named = {"name", "node", "model", "fabric", "site", "failures", "precision", "fleet"}  # entries carry their own
    for where, value in numbers({k: v for k, v in written.items() if k not in ("evidence", "notes", "extends")}):
        if where[-1] in named or where[0] in ("question", "site", "failures"):
            continue
        assert any(where[: len(prefix)] == prefix for prefix in stated), f"{'.'.join(where)} = {value}"
