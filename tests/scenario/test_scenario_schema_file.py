"""The JSON Schema helps an editor with every file that :func:`read` accepts, and with the mistakes it can see."""

import json
from pathlib import Path

import jsonschema
import pytest

from simulator.scenario import file_schema, schema_text, starter
from simulator.scenario.document import parse

DATA = Path(__file__).parent / "data"
SCENARIOS = Path(__file__).parents[2] / "scenarios"
SCHEMA = file_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
FILES = [*sorted(DATA.glob("*.yaml")), *sorted(SCENARIOS.glob("*.yaml"))]


def as_an_editor_sees(text):
    """YAML 1.2 as editors read it: dates are text."""
    return parse(text, "").data


def broken(**changes):
    return {**as_an_editor_sees((DATA / "growing.yaml").read_text()), **changes}


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_committed_schema_is_fresh():
    committed = SCENARIOS / "scenario.schema.json"
    assert committed.read_text(encoding="utf-8") == schema_text(), "write it again: simgpu schema"


def test_the_text_is_the_same_each_time():
    assert schema_text() == schema_text()
    assert schema_text().endswith("}\n")
    assert json.loads(schema_text()) == SCHEMA


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_satisfies_the_schema(path):
    VALIDATOR.validate(as_an_editor_sees(path.read_text(encoding="utf-8")))


def test_a_starting_file_satisfies_the_schema():
    VALIDATOR.validate(as_an_editor_sees(starter("mine", str(DATA / "growing.yaml"))))


@pytest.mark.parametrize(
    "text",
    [
        "extends: colossus\n",
        "extends: colossus\ncluster: {spares: 3 %}\n",
        "extends: colossus\nfailures: {scale: 2}\nsite: {pue: 1.2}\nmoney: {accelerators: rented}\n",
        "extends: colossus\nstart: '2024-09-02'\nseed: '12'\n",
    ],
)
def test_a_child_may_leave_out_what_its_parent_says(text):
    VALIDATOR.validate(as_an_editor_sees(text))


def test_a_count_with_underscores_is_text_to_an_editor():
    pools = [{"name": "a", "node": "HGX-H100", "arrivals": {"2024-09-02": "12_500"}}]
    VALIDATOR.validate({"extends": "colossus", "cluster": {"pools": pools}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizn": "3 d"}, {"horizon": 180}, {"horizon": "soon"}, {"seed": -1}, {"seed": "many"}, {"jobs": []},
        {"expect": {"cost": "400 MUSD"}}, {"expect": {"cots": "< 400 MUSD"}}, {"money": {"accelerators": "stolen"}},
        {"cluster": {"pools": [{"name": "a"}], "fabric": "x"}}, {"site": 3}, {"jobs": [{"name": "a"}]},
        {"evidence": {"horizon": "because"}},
    ],
    ids=str,
)  # fmt: skip
def test_an_editor_marks_the_mistakes_it_can_see(wrong):
    assert list(VALIDATOR.iter_errors(broken(**wrong)))


def test_every_key_explains_itself_on_hover():
    def unexplained(part, path):
        for key, value in part.get("properties", {}).items():
            if not value.get("description"):
                yield f"{path}.{key}"

    silent = list(unexplained(SCHEMA, ""))
    for name, definition in SCHEMA["$defs"].items():
        silent += unexplained(definition, name)
    assert silent == []
