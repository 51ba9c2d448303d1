"""A sweep's numbers are those of its tasks: whoever performs them, in whatever company, order and attempt."""

import os
import signal
import threading
import time
from dataclasses import replace

import pandas as pd
import psutil
import pytest

from simulator import scenario as scenarios
from simulator.errors import SimulatorError
from simulator.plan import plan
from simulator.scenario import digest, read
from simulator.study import load
from simulator.study import sweep as loop
from simulator.study.design import design_of
from simulator.study.engines import engine
from simulator.study.file import study_of
from simulator.study.findings import command, overview
from simulator.study.replicate import replicate
from simulator.study.task import Outcome, Tasks, Work, _planned, perform

SCALES = "failures.scale=0.5,1,2"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "study.db"


def swept(study, store, *, workers=1, performer=perform, near=True, watch=lambda progress: None):
    with engine("local", workers=workers) as chosen:
        return loop.sweep(study, store, replace(chosen, near=near), performer=performer, watch=watch)


def numbered(work, tasks):
    """A task's number and seed as its values; next to nothing to do."""
    return [
        Outcome(task.number, "done", "", {"time_to_train_d": float(task.number), "cost_usd": float(task.seed)}, 1e-4)
        for task in tasks
    ]


def test_tasks_are_made_when_asked_for_and_points_share_their_seeds():
    study = study_of("aws-p5", [SCALES, "site.pue=1.1,1.2"], replicas=4)
    tasks = Tasks(design_of(study), 4, seed=7)
    assert len(tasks) == 24
    assert tasks[9].point == 2
    assert tasks[9].replica == 1
    assert tasks[9].changes == design_of(study).point(2)
    assert [task.seed for task in tasks[0:4]] == [task.seed for task in tasks[20:24]]
    assert len({task.seed for task in tasks[0:4]}) == 4
    with pytest.raises(IndexError):
        tasks[24]


def test_a_task_is_the_run_that_the_printed_command_gives(store):
    study = study_of("aws-p5", [SCALES, "horizon=90 d"], replicas=2)
    swept(study, store)
    frame = load(store)
    row = frame.iloc[3]
    assert row["command"] == "simgpu run aws-p5 --set 'horizon=90 d' --set failures.scale=1 --seed " + str(row["seed"])
    changes = ("horizon=90 d", "failures.scale=1")
    scenario = read("aws-p5", changes=changes)
    base = read("aws-p5")
    assert _planned(Work(digest(base), "simulate", ("cost",), base), changes).scenario == digest(scenario)
    summary = replicate(plan(scenario), 2).ensemble.summaries[1]
    assert summary.seed == row["seed"]
    assert summary.cost_usd == row["cost_usd"]
    assert summary.goodput == row["goodput"]


def test_the_numbers_are_the_same_for_any_number_of_workers(tmp_path):
    study = study_of("aws-p5", [SCALES], replicas=30)
    swept(study, tmp_path / "one.db")
    swept(study, tmp_path / "two.db", workers=2, near=False)
    one, two = (load(tmp_path / name) for name in ("one.db", "two.db"))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert overview(tmp_path / "one.db") == overview(tmp_path / "two.db")


def test_a_plan_in_closed_form_needs_no_seed(store):
    study = study_of("aws-p5", [SCALES], mode="plan", outputs=("time_to_train_d", "mfu"))
    found = swept(study, store)
    frame = load(store)
    assert found.progress.done == len(frame) == 3
    assert frame["time_to_train_d"].is_monotonic_increasing
    assert frame["command"][2] == "simgpu plan aws-p5 --set failures.scale=2"


def test_what_is_done_is_not_done_again(store):
    study = study_of("aws-p5", [SCALES], replicas=5)
    performed = []

    def counted(work, tasks):
        performed.extend(task.number for task in tasks)
        return numbered(work, tasks)

    swept(study, store, performer=counted)
    assert sorted(performed) == list(range(15))
    again = swept(study, store, performer=counted)
    assert len(performed) == 15
    assert (again.progress.before, again.progress.done) == (15, 0)


def test_more_replicas_begin_with_the_fewer(tmp_path):
    few, more = (study_of("aws-p5", [SCALES], replicas=n) for n in (2, 5))
    swept(few, tmp_path / "grown.db")
    found = swept(more, tmp_path / "grown.db")
    assert (found.progress.before, found.progress.done) == (6, 9)
    swept(more, tmp_path / "whole.db")
    pd.testing.assert_frame_equal(load(tmp_path / "grown.db"), load(tmp_path / "whole.db"), check_exact=True)


def test_a_precision_stops_each_point_where_replicate_stops_it(store):
    study = study_of("aws-p5", ["failures.scale=1,4"], precision="1%")
    swept(study, store)
    frame = load(store)
    for scale in (1, 4):
        alone = replicate(plan(read("aws-p5", changes=[f"failures.scale={scale}"])), 1000, precision=0.01)
        assert (frame["failures.scale"] == scale).sum() == len(alone.ensemble)
    assert frame["failures.scale"].value_counts()[4] > frame["failures.scale"].value_counts()[1]


def test_a_point_that_cannot_be_is_an_answer_and_the_others_go_on(store):
    study = study_of("aws-p5", ["jobs.0.layout.tensor=1", "jobs.0.layout.pipeline=1", "jobs.0.layout.zero=0,3"])
    swept(study, store)
    found = overview(store)
    assert (found.done, found.failed) == (1, 1)
    (failure,) = found.failures
    assert "does not fit" in failure.reason
    assert command(found.header, failure.changes).endswith("--set jobs.0.layout.zero=0")


def test_a_bug_of_ours_fails_its_task_and_says_where(store, monkeypatch):
    def broken(made, tally):
        if tally.seed != made.seed:
            raise ZeroDivisionError("division by zero")
        return summarise(made, tally)

    from simulator.study import task

    summarise = task.summarise
    monkeypatch.setattr(task, "summarise", broken)
    swept(study_of("aws-p5", [SCALES], replicas=2), store)
    frame = load(store)
    assert list(frame["status"]) == ["done", "failed"] * 3
    assert frame["reason"][1].startswith("a bug of simgpu: ZeroDivisionError: division by zero (test_sweep.py:")


def test_reasons_that_differ_in_numbers_only_are_told_once(store):
    def impossible(work, tasks):
        return [Outcome(t.number, "failed", f"needs {90 + t.number} GB, has 80 GB", {}, 0.0) for t in tasks]

    swept(study_of("aws-p5", [SCALES], replicas=5), store, performer=impossible)
    (failure,) = overview(store).failures
    assert (failure.tasks, failure.reason) == (15, "needs 90 GB, has 80 GB")


def is_worker(process):
    try:
        return "LokyProcess" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_a_worker_that_is_killed_costs_nothing_but_time(store):
    me = os.getpid()

    def slow(work, tasks):
        time.sleep(0.005 * len(tasks))
        return [replace(outcome, took=0.005) for outcome in numbered(work, tasks)]

    def kill_one():
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            workers = [child for child in psutil.Process(me).children() if is_worker(child)]
            if len(workers) == 2 and progressed.is_set():
                workers[0].send_signal(signal.SIGKILL)
                return
            time.sleep(0.02)

    progressed = threading.Event()
    killer = threading.Thread(target=kill_one)
    killer.start()
    study = study_of("aws-p5", [SCALES], replicas=200)
    found = swept(
        study, store, workers=2, near=False, performer=slow, watch=lambda p: progressed.set() if p.done else None
    )
    killer.join()
    frame = load(store)
    assert found.progress.done == 600
    assert list(frame["time_to_train_d"]) == list(range(600))


def test_a_task_that_kills_its_workers_is_given_up_and_tried_again_by_the_next_sweep(store):
    me = os.getpid()

    def poisoned(work, tasks):
        if any(task.number == 3 for task in tasks) and os.getpid() != me:
            os.kill(os.getpid(), signal.SIGKILL)
        return numbered(work, tasks)

    study = study_of("aws-p5", [SCALES], replicas=2)
    found = swept(study, store, workers=2, near=False, performer=poisoned)
    frame = load(store)
    assert found.progress.failed == 1
    assert list(frame.loc[frame["status"] == "lost", "point"]) == [1]
    assert "its worker died each time" in frame["reason"][3]
    swept(study, store, performer=numbered)
    assert (load(store)["status"] == "done").all()


def test_a_worker_of_another_version_refuses_to_compute(store):
    asked_by = ("0.0.1", loop._who()[1])
    with pytest.raises(SimulatorError, match=r"a worker has simgpu .* install the same version on all machines"):
        loop._performed(numbered, None, asked_by, 0, [])


def test_outputs_of_a_run_can_be_any_number_of_its_summary(store):
    study = study_of("aws-p5", [SCALES], outputs=("goodput", "lost_s.checkpoint save"))
    swept(study, store)
    summary = replicate(plan(scenarios.read("aws-p5", changes=["failures.scale=0.5"])), 1).ensemble.summaries[0]
    assert load(store)["lost_s.checkpoint save"][0] == summary.lost_s["checkpoint save"]
