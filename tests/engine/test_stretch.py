"""The closed form of a stretch against counting second by second what a checkpointing job does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.stretch import Split, Stretch

stretches = st.builds(Stretch, work=st.integers(1, 60), interval=st.integers(1, 20), save=st.integers(0, 9))


def counted(stretch: Stretch, elapsed: int) -> tuple[int, int, int]:
    """Complete saves, work done, seconds in saves after ``elapsed`` whole seconds."""
    saves = work = saving = since = saved = 0
    for _ in range(elapsed):
        while since == 0 and saved == 0 and work == stretch.work:
            break
        if since < stretch.interval and work < stretch.work:
            work, since = work + 1, since + 1
        else:
            saved, saving = saved + 1, saving + 1
        if saved == stretch.save and (since == stretch.interval or work == stretch.work):
            saves, since, saved = saves + 1, 0, 0
    return saves, work, saving


@given(stretches, st.data())
def test_a_failure_leaves_what_second_by_second_counting_leaves(stretch, data):
    elapsed = data.draw(st.integers(0, int(stretch.duration) - 1) if stretch.duration > 1 else st.just(0))
    saves, _, _ = counted(stretch, elapsed)
    safe = min(saves * stretch.interval, stretch.work)
    if safe == stretch.work:  # a free last save: the stretch is over at the moment of the failure
        return
    split = stretch.failed(elapsed)
    assert split == Split(safe, saves * stretch.save, elapsed - safe - saves * stretch.save)
    assert stretch.safe_after(elapsed) == safe


@given(stretches, st.data())
def test_the_horizon_keeps_the_work_that_counting_finds(stretch, data):
    elapsed = data.draw(st.integers(0, int(stretch.duration)))
    _, work, saving = counted(stretch, elapsed)
    assert stretch.cut(elapsed) == Split(work, saving, 0)


@given(stretches, st.data())
def test_a_planned_stop_loses_nothing(stretch, data):
    asked = data.draw(st.integers(0, int(stretch.duration)))
    _, work, _ = counted(stretch, asked)
    ends = asked + stretch.stop(asked)[0]
    assert asked <= ends <= asked + stretch.save
    split = stretch.stop(asked)[1]
    assert split.work == pytest.approx(work)
    assert sum(split) == pytest.approx(ends)
    assert split.wasted == 0


@given(stretches)
def test_an_undisturbed_stretch_saves_once_per_interval_and_at_the_end(stretch):
    saves, work, saving = counted(stretch, int(stretch.duration))
    assert stretch.finished() == Split(work, saving, 0)
    assert work == stretch.work
    assert saves == -(-stretch.work // stretch.interval)


def test_work_that_is_a_multiple_of_the_interval_but_for_rounding_gets_no_extra_save():
    assert Stretch(0.1 * 3, 0.1, 5.0).duration == pytest.approx(15.3)


@given(stretches, st.floats(0, 1), st.floats(0, 1))
def test_safe_work_never_shrinks(stretch, one, other):
    early, late = sorted((one * stretch.duration, other * stretch.duration))
    assert stretch.safe_after(early) <= stretch.safe_after(late) <= stretch.work
