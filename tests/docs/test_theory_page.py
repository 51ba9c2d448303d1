"""docs/theory.md computes what it prints, and no section states equations without a number."""

import doctest
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "theory.md").read_text(encoding="utf-8")


def examples(text):
    """The Python of the page on the lines where it stands, all else blank: a fence would pass for printed output."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            kept.append("")
        else:
            kept.append(line if inside else "")
    return "\n".join(kept) + "\n"


def failures(text):
    said = []
    test = doctest.DocTestParser().get_doctest(examples(text), {}, "theory.md", "docs/theory.md", 0)
    doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    return "".join(said)


def test_every_number_is_what_the_code_computes():
    wrong = failures(PAGE)
    assert not wrong, wrong


def test_a_number_that_is_off_is_noticed():
    assert "Failed example" in failures(PAGE.replace("\n448.0\n", "\n449.0\n"))


@pytest.mark.parametrize(
    "section", re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:], ids=lambda text: text.split("\n")[0]
)
def test_every_section_has_a_worked_number(section):
    assert re.search(r"^>>> .*\n(?:\.\.\. .*\n)*[\d(\[]", examples(section), flags=re.MULTILINE)


def test_its_functions_are_used_not_just_imported():
    """An import without a call would name an equation and leave it unchecked."""
    code = examples(PAGE)
    for names in re.findall(r"^>>> from simulator\S* import (.*)$", code, flags=re.MULTILINE):
        for name in names.split(", "):
            assert len(re.findall(rf"\b{name}\b", code)) > 1, name
