"""What a store holds stays there, whatever happens to the process, the disk or the file."""

import gc
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import victim

from simulator.errors import SimulatorError
from simulator.study import load, tables
from simulator.study import store as storage
from simulator.study import sweep as loop
from simulator.study.engines import engine
from simulator.study.file import study_of
from simulator.study.findings import overview, query
from simulator.study.task import Outcome

SCALES = "failures.scale=0.5,1,2"
KILLS = 55


def study(replicas=50, scales=SCALES):
    return study_of("aws-p5", [scales], replicas=replicas)


def numbered(work, tasks):
    return [
        Outcome(task.number, "done", "", {"time_to_train_d": float(task.number), "cost_usd": float(task.seed)}, 1e-4)
        for task in tasks
    ]


def fill(path, asked=None, performer=numbered):
    with engine("local", workers=1) as chosen:
        return loop.sweep(asked or study(), path, chosen, performer=performer)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.db"


@pytest.fixture
def filled(path):
    fill(path)
    return path


def change(path, key, value):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE study SET value = ? WHERE key = ?", (json.dumps(value), key))


def test_a_sweep_killed_at_any_moment_loses_nothing_that_was_saved_and_does_nothing_twice(path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["simulator.study.sweep", "ruamel.yaml"])
    moments, kept, replicas, killed = random.Random(1), 0, 2000, 0
    while killed < KILLS:
        begun = context.Event()
        process = context.Process(target=victim.until_killed, args=(str(path), study(replicas), begun))
        process.start()
        if killed % 10:  # now and then while it opens the store
            begun.wait(30)
        process.join(moments.uniform(0.0, 0.1))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        if not path.exists() or not path.stat().st_size:
            continue
        with closing(tables.connect(path, "ro")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            there = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            now = db.execute("SELECT count(*) FROM tasks").fetchone()[0] if there else 0
        assert now >= kept
        kept = now
        replicas += 2000 if process.exitcode == 0 else 0
    assert kept > 0
    performed = []

    def counted(work, tasks):
        performed.extend(task.number for task in tasks)
        return victim.numbered(work, tasks)

    fill(path, study(replicas), counted)
    frame = load(path)
    assert len(performed) == 3 * replicas - kept
    assert list(frame["replica"]) == list(range(replicas)) * 3
    assert not list(path.parent.glob("*-lock"))


def test_a_full_disk_is_told_and_what_was_saved_goes_on(path, monkeypatch):
    def small(where, mode, **options):
        db = tables.connect(where, mode, **options)
        db.execute("PRAGMA max_page_count = 40")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(storage, "connect", small)
        patch.setattr(storage, "_BETWEEN", 0.0)
        with pytest.raises(SimulatorError, match=r"study\.db: .*the disk is full; what was saved before stays"):
            fill(path, study(5000))
    before = len(load(path))
    assert 0 < before < 15_000
    found = fill(path, study(5000))
    assert (found.progress.before, found.progress.done) == (before, 15_000 - before)


def test_numbers_of_two_versions_are_never_in_one_store(filled):
    change(filled, "simgpu", "0.0.9")
    with pytest.raises(SimulatorError, match=r"study\.db: filled by simgpu 0\.0\.9; this is simgpu .*--out"):
        fill(filled)
    assert len(load(filled)) == 150


def test_numbers_of_two_catalogues_are_never_in_one_store(filled):
    change(filled, "catalogue", "abcdef0123456789")
    with pytest.raises(SimulatorError, match=r"a catalogue whose digest begins with abcdef01; this is"):
        fill(filled)


def test_tables_of_another_kind_are_refused_by_name(filled):
    change(filled, "schema", 99)
    for use in (fill, load, overview):
        with pytest.raises(SimulatorError, match=r"study\.db: expected tables of kind 1; simgpu .* made it"):
            use(filled)


def test_another_study_is_not_mixed_in(filled):
    with pytest.raises(SimulatorError, match=r"holds another study: design differ; choose another file"):
        fill(filled, study(scales="failures.scale=1,2"))
    with pytest.raises(SimulatorError, match="holds another study: fixed, scenario differ"):
        fill(filled, study_of("aws-p5", [SCALES, "site.pue=1.5"], replicas=50))


def test_a_damaged_store_is_named_and_what_can_be_read_goes_on(path):
    fill(path, study(2000))
    whole = load(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(random.Random(1).randbytes(8192))
    with pytest.raises(
        SimulatorError, match=r"study\.db: damaged .*saved in .*study-saved\.db: sweep with --out"
    ) as told:
        fill(path, study(2000))
    saved = path.with_name("study-saved.db")
    part = load(saved)
    assert f"{len(part):,} of at most 6,000 tasks" in str(told.value)
    assert 4000 < len(part) < 6000
    fill(saved, study(2000))
    pd.testing.assert_frame_equal(load(saved), whole, check_exact=True)


def test_reading_a_damaged_store_saves_it_too(path):
    fill(path, study(2000))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(SimulatorError, match=r"study\.db: damaged"):
        overview(path)


def test_a_store_whose_header_is_gone_says_that_nothing_can_be_saved(path):
    fill(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(16_000))
    with pytest.raises(SimulatorError, match=r"study\.db: damaged .*nothing was saved"):
        load(path)
    assert [file.name for file in path.parent.iterdir()] == ["study.db"]


@pytest.mark.parametrize("use", [fill, load])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.mkdir(), "expected a file for the store; got a folder"),
        (lambda path: path.write_text("point,replica\n"), "expected a store of simgpu; got another file"),
        (lambda path: sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close(), "of another program"),
        (lambda path: path.symlink_to("/dev/null"), "got a device"),
    ],
    ids=["folder", "text", "other database", "device"],
)
def test_what_is_no_store_is_refused_and_left_alone(path, make, said, use):
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(SimulatorError, match=rf"study\.db: .*{said}"):
        use(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_store_that_is_not_there_is_told_where_it_is_read():
    with pytest.raises(SimulatorError, match=r"nothing\.db: expected a store, as simgpu sweep --out makes it"):
        load("nothing.db")


def test_no_permission_is_told_before_any_work(filled, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != filled)
    with pytest.raises(SimulatorError, match=r"study\.db: expected a file that can be written to; no permission"):
        fill(filled)


@pytest.mark.parametrize("name", ["x" * 252, "x" * 256])
def test_a_name_that_the_disk_cannot_have_is_told(tmp_path, name):
    with pytest.raises(SimulatorError, match=r"x: cannot be (read|written): .*too long"):
        fill(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_sweep_that_ends_early_says_why_and_nothing_of_joblib(path, recwarn, monkeypatch):
    def full(*_):
        raise SimulatorError("the disk is full")

    monkeypatch.setattr(storage.Store, "add", full)
    with engine("local", workers=2) as chosen, pytest.raises(SimulatorError, match="the disk is full"):
        loop.sweep(study(), path, replace(chosen, near=False), performer=numbered)
    gc.collect()
    assert not [str(one.message) for one in recwarn]


def test_a_store_whose_sweep_was_killed_while_it_put_the_log_away_can_be_read(filled):
    hot = (
        "import os, signal, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN EXCLUSIVE'); "
        "db.execute('UPDATE tasks SET took_s = 7, reason = hex(zeroblob(400))'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", hot, str(filled)], check=False)
    assert filled.with_name("study.db-journal").exists()
    assert query(filled, "SELECT count(*), max(length(reason)) FROM tasks")[1] == [(150, 0)]


def test_two_sweeps_do_not_fill_one_store(path):
    def other(work, tasks):
        with pytest.raises(SimulatorError, match="another sweep is filling it"):
            fill(path)
        return numbered(work, tasks)

    fill(path, study(1), other)


def test_anybody_may_read_while_a_sweep_writes(path, monkeypatch):
    seen = []

    def looking(work, tasks):
        seen.append(len(load(path)))
        return numbered(work, tasks)

    monkeypatch.setattr(storage, "_BETWEEN", 0.0)
    fill(path, study(20), looking)
    assert seen == sorted(seen)
    assert 0 < seen[-1] < 60


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tasks",
        "UPDATE study SET value = 1",
        "CREATE TABLE mine (a)",
        "ATTACH 'elsewhere.db' AS elsewhere",
        "PRAGMA journal_mode = DELETE",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM tasks",
        "SELECT nothing FROM results",
        "",
    ],
)
def test_a_question_can_change_nothing(filled, sql):
    before = filled.read_bytes()
    with pytest.raises(SimulatorError, match=r"--query: .*expected one SELECT"):
        query(filled, sql)
    assert filled.read_bytes() == before
    assert [file.name for file in filled.parent.iterdir()] == ["study.db"]


def test_the_views_answer_what_people_ask(filled):
    titles, rows = query(filled, 'SELECT "failures.scale", replicas, time_to_train_d FROM means ORDER BY 1')
    assert titles == ["failures.scale", "replicas", "time_to_train_d"]
    assert rows == [(0.5, 50, 24.5), (1, 50, 74.5), (2, 50, 124.5)]
    assert query(filled, 'SELECT count(*) FROM results WHERE "failures.scale" > 0.7')[1] == [(100,)]


def test_labels_keep_their_last_digit(path):
    fill(path, study(1, "failures.scale=0.10,0.1234567890123456,3"))
    frame = load(path)
    assert frame["command"][1].split("failures.scale=")[1].split()[0] == "0.1234567890123456"
    assert list(frame["failures.scale"]) == [0.1, 0.1234567890123456, 3.0]
