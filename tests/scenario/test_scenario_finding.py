"""A scenario goes by its path, or by its name when it came with the package."""

import os

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import find, packaged


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A package that came with two scenarios, seen from an empty working folder."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    for name in ("colossus", "dojo"):
        (shipped / f"{name}.yaml").write_text(f"name: {name}\n")
    (shipped / "scenario.schema.json").write_text("{}")
    monkeypatch.setattr("simulator.scenario.locate._folder", lambda kind: shipped)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return shipped


def test_packaged_scenarios_have_names(shelf):
    assert packaged() == ("colossus", "dojo")


@pytest.mark.parametrize("name", ["colossus", "colossus.yaml"])
def test_a_name_finds_the_packaged_scenario(shelf, name):
    assert find(name) == shelf / "colossus.yaml"


def test_an_existing_file_wins(shelf, tmp_path):
    own = tmp_path / "here" / "colossus.yaml"
    own.write_text("name: mine\n")
    assert find("colossus.yaml").samefile(own)


def test_a_folder_of_that_name_does_not_hide_the_scenario(shelf, tmp_path):
    (tmp_path / "here" / "dojo").mkdir()
    assert find("dojo") == shelf / "dojo.yaml"


def test_a_parent_is_looked_for_beside_its_child(shelf, tmp_path):
    own = tmp_path / "base.yaml"
    own.write_text("name: base\n")
    assert find("base.yaml", beside=tmp_path).samefile(own)
    assert find("colossus", beside=tmp_path) == shelf / "colossus.yaml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("colosus", "did you mean 'colossus'?"),
        ("colosus.yaml", "did you mean 'colossus'?"),
        ("elsewhere/nothing-like-it", "packaged scenarios are colossus, dojo"),
        ("", "got none"),
        ("a\x00b", "got none"),
    ],
)
def test_what_is_nowhere_is_told_with_what_there_is(shelf, name, message):
    with pytest.raises(ScenarioError) as caught:
        find(name)
    assert message in str(caught.value)


def test_what_is_there_and_no_file_is_told_for_what_it_is(shelf, tmp_path):
    here = tmp_path / "here"
    os.mkfifo(here / "pipe.yaml")
    (here / "link.yaml").symlink_to("colosus.yaml")
    (here / "folder.yaml").mkdir()
    kinds = {"pipe.yaml": "a named pipe", "folder.yaml": "a folder", os.devnull: "a device",
             "link.yaml": "a link to 'colosus.yaml', which does not exist"}  # fmt: skip
    for name, kind in kinds.items():
        with pytest.raises(ScenarioError) as caught:
            find(name)
        assert str(caught.value) == f"{name}: expected a scenario file; got {kind}"


def test_the_repository_finds_its_own_scenarios():
    for name in packaged():
        assert find(name).name == f"{name}.yaml"
