"""Is the model as good as it was?  ``simgpu validate`` on all published rows, against the recorded scores.

``pytest --update-golden`` rewrites the record; CHANGELOG.md says under "Numbers" why a group got worse.
"""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from simulator.errors import SimulatorError
from simulator.report.scored import scored
from simulator.validation import measurements, read, scorecard, validate
from simulator.validation.baseline import constant_utilisation
from simulator.validation.scorecard import TARGETS
from simulator.validation.spread import coverage

RECORD = Path(__file__).with_name("ratchet.json")
ROWS = read(measurements())
OUTCOMES = validate(ROWS)
CARD = scorecard(OUTCOMES)
SLACK = 0.5  # points


def story():
    groups = {f"{score.group}, {score.inputs}": round(score.median_pct, 2) for score in CARD.groups}
    return {"predicted_share": round(CARD.predicted / CARD.rows, 4), "median_pct": groups}


README = Path(__file__).parents[2] / "README.md"
TABLE = re.compile(r"<!-- scorecard -->\n\n?((?:\|.*\n)*)")


def readme_table():
    lines = ["| rows | inputs | number | median error | P90 | constant utilisation | its P90 |",
             "|---|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for score in CARD.groups:
        if score.group in TARGETS:
            numbers = (score.median_pct, score.p90_pct, score.baseline_median_pct, score.baseline_p90_pct)
            shown = " | ".join(f"{value:.1f} %" for value in numbers)
            lines.append(f"| {score.group} | {score.inputs} | {score.rows} | {shown} |")
    return "\n".join(lines) + "\n"


def numbers(text):
    return [float(value) for value in re.findall(r"(\d+(?:\.\d+)?)(?: %| \|)", text)]


def test_the_scorecard_of_the_readme_is_the_real_one(request):
    text = README.read_text(encoding="utf-8")
    if request.config.getoption("--update-golden"):
        text = TABLE.sub(lambda _: f"<!-- scorecard -->\n\n{readme_table()}", text)
        README.write_text(text, encoding="utf-8")
    shown = TABLE.search(text)[1]
    assert re.sub(r"[\d.]+", "", shown) == re.sub(r"[\d.]+", "", readme_table())
    assert numbers(shown) == pytest.approx(numbers(readme_table()), abs=0.2)


@pytest.fixture(scope="module")
def record(request):
    if request.config.getoption("--update-golden"):
        RECORD.write_text(json.dumps(story(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return json.loads(RECORD.read_text(encoding="utf-8"))


def test_no_group_is_worse_than_it_was(record):
    now = story()["median_pct"]
    worse = {
        group: (was, now.get(group))
        for group, was in record["median_pct"].items()
        if now.get(group) is None or now[group] > was + SLACK
    }
    assert not worse, "median error (recorded, now); explain under Numbers in CHANGELOG.md, rerun with --update-golden"


def test_every_group_of_today_is_recorded(record):
    assert set(story()["median_pct"]) == set(record["median_pct"])


def test_as_many_rows_are_predicted_as_were(record):
    assert story()["predicted_share"] >= record["predicted_share"]
    assert CARD.predicted >= 0.95 * CARD.rows


def test_the_model_beats_a_constant_utilisation_where_it_says_so():
    """Over all rows, on layouts good and bad, with experts, and off NVIDIA; not on well-tuned rows of one vendor."""
    (whole,) = [score for score in CARD.groups if (score.group, score.inputs) == ("all rows", "all")]
    assert whole.median_pct < whole.baseline_median_pct
    assert whole.p90_pct < 0.5 * whole.baseline_p90_pct


def test_four_in_five_rows_of_a_source_left_out_lie_in_the_interval_of_the_others():
    inside = coverage(OUTCOMES)
    sources = sorted({one.row.source for one, _ in inside})
    by_source = [np.mean([yes for one, yes in inside if one.row.source == source]) for source in sources]
    assert 0.75 < np.mean([yes for _, yes in inside]) < 0.87
    assert 0.75 < np.mean(by_source) < 0.87


def test_the_baseline_does_not_see_the_row_or_its_source():
    scored = [one for one in OUTCOMES if one.scored]
    source = scored[0].row.source
    lied = [replace(one, measured=one.measured * 7) if one.row.source == source else one for one in scored]
    honest, after = constant_utilisation(scored), constant_utilisation(lied)
    for place, one in enumerate(scored):
        if one.row.source == source:
            assert after[place] + 1 == pytest.approx((honest[place] + 1) / 7)


def test_scores_are_of_the_rows_they_name():
    card = scorecard(OUTCOMES, ["source"])
    everything = [score for score in card.groups if score.inputs == "all"]
    for score in everything:
        parts = [part.rows for part in card.groups if part.group == score.group and part.inputs != "all"]
        assert sum(parts) == score.rows
    errors = {one.row.id: 100 * abs(one.error) for one in OUTCOMES if one.scored}
    for score in card.groups:
        assert score.median_pct <= score.p90_pct <= score.worst_pct + 1e-9
        assert errors[score.worst_id] == pytest.approx(score.worst_pct)
    assert CARD.predicted + sum(CARD.skipped.values()) == CARD.rows == len(ROWS)


def test_groups_by_two_columns_are_their_pairs():
    card = scorecard(OUTCOMES, ["accelerator", "precision"])
    assert any(score.group == "H100-SXM · fp8" for score in card.groups)


def test_groups_that_differ_in_their_last_column_do_so_on_the_screen():
    """However long the name of the source is, the release of the framework is to be seen."""
    card = scorecard(OUTCOMES, ["source", "framework"])
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(scored({"file": "x", "kind": "steps", **card.to_dict()}))
    screen = captured.get()
    releases = {part for score in card.groups for part in re.findall(r"NeMo (2[56]\.\d\d(?:\.\d\d)?)$", score.group)}
    assert len(releases) > 3
    assert all(release in screen for release in releases)


def test_an_unknown_column_is_refused_with_the_nearest():
    with pytest.raises(SimulatorError, match="did you mean 'source'"):
        scorecard(OUTCOMES, ["sorce"])


def test_nothing_to_score_is_an_empty_scorecard():
    assert scorecard([]).groups == ()


def test_the_whole_file_takes_seconds():
    began = time.perf_counter()
    validate(ROWS[:300])
    assert time.perf_counter() - began < 10
