"""Text and figures say the summary's numbers, in any width, with any name, on any machine."""

import datetime as dt
import json
import os
import stat
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from math import inf
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from handmade import DAY, plan, simulate
from rich.console import Console

from simulator.errors import SimulatorError
from simulator.plan import Lever
from simulator.report import figures, folder, words
from simulator.report.listing import comparison, markdown
from simulator.report.text import Answer, answer, headline
from simulator.results import Ensemble, columns, summarise, timeline
from simulator.results.expectations import judge
from simulator.results.projection import project
from simulator.results.series import series
from simulator.results.spread import curve, spread
from simulator.scenario import Expect

PLAN = plan()
LEVERS = (Lever("twice the memory", 4.0, 2e5), Lever("half the failures", inf, -inf), Lever("a worse idea", -3.0, -1e5))


def _answer(planned=PLAN, replicas=1, expect=None):
    logs = [simulate(planned, seed) for seed in range(7, 7 + replicas)]
    summaries = tuple(summarise(planned, log) for log in logs)
    verdicts = judge(Expect.model_validate(expect or {}).given, summaries)
    stopped = timeline.interruptions(planned, logs[0])
    projections = project(planned, logs[0], series(planned, logs[0]))
    return Answer(
        planned, summaries[0], Ensemble(summaries, replicas), projections, stopped, LEVERS, verdicts, "runs/x"
    )


def _text(shown, width=100):
    console = Console(markup=False, highlight=False, width=width, color_system=None)
    with console.capture() as captured:
        console.print(answer(shown))
    return captured.get()


def test_text_shows_the_numbers_of_the_summary():
    shown = _answer()
    said = " ".join(_text(shown).split())
    summary = shown.summary
    assert "Finishes on 20 October 2024, after 48.0 days, for $1.52 M" in said
    for expected in (
        words.percent(summary.mfu), words.percent(summary.goodput), f"{summary.interruptions}",
        words.energy(summary.energy_MWh), words.power(summary.peak_power_MW), words.carbon(summary.carbon_tCO2e),
        words.money(summary.cost_rows_usd["capital"]), words.duration(summary.lost_s["wasted progress"]),
        "TP 8 · PP 4", "runs/x/", PLAN.question,
    ):  # fmt: skip
        assert expected in said, expected


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("replicas", [1, 5])
def test_text_fits_a_screen(width, replicas):
    lines = _text(_answer(replicas=replicas, expect={"cost": "< 1 MUSD", "mtti": "> 1 h"}), width).splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= width


def test_only_levers_that_help_are_shown():
    said = _text(_answer())
    assert "twice the memory" in said
    assert "half the failures" in said
    assert "worse idea" not in said


def test_missed_expectations_stand_out_without_colour():
    said = _text(_answer(expect={"cost": "< 1 MUSD", "goodput": "> 0.5"}))
    assert "MISSED" in said
    assert "met" in said


def test_a_name_with_brackets_is_not_markup():
    odd = replace(PLAN, question="does [red]this[/red] break? $x_1$ [/]")
    assert "[red]this[/red]" in _text(_answer(odd))
    figures.dashboard(
        timeline.timeline(odd, simulate(odd)), headline=odd.question, subtitle="$", target=1e12
    ).canvas.draw()


def test_an_unfinished_run_says_what_it_would_have_needed():
    said = headline(_answer(replace(PLAN, horizon=30 * DAY)))
    assert "Does not finish within 30.0 days" in said
    assert "it would have needed" in said
    assert "(until" in said


def test_replicas_are_told_with_their_spread():
    shown = _answer(replicas=5)
    assert headline(shown).startswith("Half of 5 runs finish by")
    assert "± s.e." in _text(shown)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.duration(61.4 * DAY), "61.4 d"), (words.duration(11_124), "3.1 h"), (words.duration(0.026), "26 ms"),
        (words.duration(5 * 365.25 * DAY), "5.0 years"), (words.duration(None), "–"),
        (words.days(61.4 * DAY), "61.4 days"),
        (words.money(412e6), "$412 M"), (words.money(4.7e9), "$4.70 bn"), (words.money(0.089), "$0.0890"),
        (words.money(-81_300), "−$81.3 k"), (words.money(0), "$0"), (words.money(999_999_999), "$1.00 bn"),
        (words.percent(0.382), "38.2 %"), (words.percent(1e-5), "<0.1 %"), (words.percent(0), "0.0 %"),
        (words.tokens(15.6e12), "15.6 trillion tokens"), (words.count(12_500), "12,500"),
        (words.energy(230_000), "230 GWh"), (words.power(0.5), "500 kW"), (words.carbon(8930.2), "8,930 tCO2e"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(written, expected):
    assert written == expected


def _png(path: Path, band: bool) -> bytes:
    log = simulate(PLAN)
    bands = spread([curve(PLAN, series(PLAN, simulate(PLAN, seed))) for seed in range(4)]) if band else None
    frame = timeline.timeline(PLAN, log)
    figures.save(figures.dashboard(frame, headline="h", subtitle="s", target=2e12, spread=bands), path)
    return path.read_bytes()


@pytest.mark.parametrize("band", [False, True])
def test_the_same_figure_is_the_same_file(tmp_path, band):
    first, second = _png(tmp_path / "a.png", band), _png(tmp_path / "b.png", band)
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert b"Software" not in first
    assert b"matplotlib" not in first


def test_every_axis_names_its_unit_and_is_dated():
    page = figures.dashboard(timeline.timeline(PLAN, simulate(PLAN)), headline="h", subtitle="s", target=2e12)
    page.canvas.draw()
    units = [axes.get_ylabel() for axes in page.axes]
    assert units == ["nodes", "trillion tokens", "MW", "million USD"]
    for axes in page.axes:
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert 3 <= len([label for label in labels if label]) <= 8
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("start", [dt.date(2026, 2, 25), dt.date(2026, 4, 20), dt.date(2024, 12, 24)])
@pytest.mark.parametrize("horizon", [4 * DAY, 9 * DAY, 17 * DAY, 33 * DAY, 60 * DAY])
def test_dates_never_collide_and_all_panels_have_the_same(start, horizon):
    short = replace(PLAN, start=start, horizon=horizon)
    page = figures.dashboard(timeline.timeline(short, simulate(short)), headline="h", subtitle="s", target=2e12)
    page.canvas.draw()
    for axes in page.axes:
        extents = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert all(right.x0 - left.x1 > 3 for left, right in pairwise(extents))
        assert [*axes.get_xticks()] == [*page.axes[0].get_xticks()]


def test_the_year_stands_clear_of_the_footer():
    short = replace(PLAN, horizon=9 * DAY)
    page = figures.dashboard(timeline.timeline(short, simulate(short)), headline="h", subtitle="s " * 200, target=2e12)
    page.canvas.draw()
    footer = max(text.get_window_extent().y1 for text in page.texts if text.get_text().startswith("s"))
    for axes in page.axes[2:]:
        year = axes.xaxis.get_offset_text()
        assert year.get_text() == "2024"
        assert year.get_window_extent().y0 > footer


def _replicated():
    frame = timeline.timeline(PLAN, simulate(PLAN))
    bands = spread([curve(PLAN, series(PLAN, simulate(PLAN, seed))) for seed in range(4)])
    return figures.dashboard(frame, headline="h", subtitle="s", target=2e12, spread=bands)


def test_a_state_is_drawn_in_steps_and_a_total_is_not():
    page = _replicated()
    drawn = {axes.get_title(loc="left"): {line.get_label(): line for line in axes.lines} for axes in page.axes}
    for title, expected in (("Nodes", "steps-pre"), ("Facility power", "steps-pre"), ("Tokens trained", "default")):
        assert drawn[title]["median"].get_drawstyle() == expected
    # the second pool's delivery is a cliff within one bin of the band, not a slope
    heights = drawn["Nodes"]["median"].get_ydata()
    between = (heights > heights[1] * 1.05) & (heights < heights.max() * 0.95)
    assert between.sum() <= 1


def test_the_legend_of_replicas_leaves_the_title_alone():
    page = _replicated()
    page.canvas.draw()
    for axes in page.axes[::2]:
        assert axes._left_title.get_window_extent().x1 + 5 < axes.get_legend().get_window_extent().x0


def test_averages_keep_the_integral():
    frame = timeline.timeline(PLAN, simulate(PLAN))
    _, mean = figures.averaged(frame, "power_MW")
    days = frame["elapsed_d"].iloc[-1]
    assert mean.mean() * days * 24 == pytest.approx(frame["energy_MWh"].iloc[-1], rel=1e-9)


def test_no_global_state():
    assert "pyplot" not in Path(figures.__file__).read_text()


def _comparison():
    nan = float("nan")
    rows = [
        ("quick", 1024, True, "2025-01-01", 61.2, 1e6, 0.38, 0.9, 3.1, 4.1e8, 1.2, 2e5, 150.0, 9e4, ""),
        ("slow|odd", 512, False, None, nan, 1e5, 0.2, 0.5, nan, 1e7, nan, 1e3, 1.0, 1e2, ""),
        ("none", nan, False, None, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, "needs 96 GB, has 80 GB"),
    ]
    return pd.DataFrame(rows, columns=columns.names("comparison"))


def test_comparison_tells_unfinished_from_impossible():
    console = Console(width=100, color_system=None, markup=False)
    with console.capture() as captured:
        console.print(comparison(_comparison()))
    said = captured.get()
    assert "–*" in said
    assert "1 GWh*" in said
    assert "days and cost carried on at its last rate; energy so far" in said
    assert "none: needs 96 GB, has 80 GB" in said
    assert "nan" not in said


def test_markdown_table_is_rectangular_and_escaped():
    lines = markdown(_comparison()).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "slow\\|odd" in lines[3]


def test_comparison_figure_draws_what_never_ends(tmp_path):
    frame = _comparison()
    figures.save(figures.compare(frame[frame["problem"] == ""]), tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000


def test_an_existing_file_stays_when_writing_fails(tmp_path):
    target = tmp_path / "summary.json"
    target.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(SimulatorError, match="No space left"):
        folder.write(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupt_while_writing_leaves_no_crumbs(tmp_path):
    def stop(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write(tmp_path / "new.json", stop)
    assert list(tmp_path.iterdir()) == []


def test_files_have_the_rights_the_user_gives_new_files(tmp_path):
    folder.write(tmp_path / "deep" / "f.json", lambda path: path.write_text("x"))
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "deep" / "f.json").stat().st_mode) == 0o644 & ~mask


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SimulatorError, match="is not a folder"):
        folder.check_writable(tmp_path / "file" / "below")


def test_a_name_no_file_can_have_is_refused_before_the_work(tmp_path):
    long = "x" * 300
    for out in (tmp_path / long, tmp_path / "new" / long / "below"):
        with pytest.raises(SimulatorError, match="File name too long"):
            folder.check_writable(out)
        with pytest.raises(SimulatorError, match="File name too long"):
            folder.write(out / "f", lambda path: None)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SimulatorError, match="is not a folder"):
        folder.check_writable(tmp_path / "link")


def test_a_longest_name_can_be_written(tmp_path):
    folder.write(tmp_path / ("x" * 255), lambda path: path.write_text("x"))


def test_a_pipe_is_written_into_and_stays_one(tmp_path):
    """So is a device: ``--out /dev/stdout`` prints, and does not put a file in its place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    folder.write(pipe, lambda path: path.write_text("x"))
    reader.join(timeout=10)
    assert received == ["x"]
    assert pipe.is_fifo()


def test_what_cannot_be_removed_is_told(tmp_path):
    folder.remove(tmp_path / "absent")
    (tmp_path / "run.json").mkdir()
    with pytest.raises(SimulatorError, match=r"run\.json: cannot be written"):
        folder.remove(tmp_path / "run.json")


def test_json_can_hold_any_file_name():
    name = os.fsdecode(b"b\xff\xc3\xbc")
    text = folder.as_json({"folder": name})
    assert json.loads(text.encode("utf-8"))["folder"] == name
    assert "ü" in text


def test_json_refuses_what_json_has_not():
    with pytest.raises(ValueError, match="JSON"):
        folder.as_json({"x": float("nan")})
