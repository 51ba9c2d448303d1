"""A Dask cluster gives the numbers of one process, with a worker lost on the way; a wrong one is told in seconds."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pandas as pd
import pytest

from simulator.errors import SimulatorError
from simulator.study import engines, load
from simulator.study.engines import engine
from simulator.study.file import study_of
from simulator.study.sweep import sweep
from simulator.study.task import perform


@contextmanager
def processes(*commands, **environment):
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def listening():
    """A scheduler's address and its process."""
    port = free_port()
    with processes(("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")) as (process,):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}", process


@pytest.fixture(scope="module")
def scheduler():
    with listening() as (address, _):
        yield address


def slow():
    """A performer that travels by value, since workers elsewhere do not have this file."""

    def slowly(work, tasks):
        time.sleep(0.01 * len(tasks))
        return perform(work, tasks)

    return slowly


def worker(address):
    return ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")


def wait_for(address, number):
    from distributed import Client

    with Client(address, timeout=30) as client:
        client.wait_for_workers(number, timeout=60)


def test_a_cluster_that_loses_a_worker_gives_the_numbers_of_one_process(tmp_path, scheduler):
    study = study_of("aws-p5", ["failures.scale=0.5,1,2"], replicas=100)
    with processes(worker(scheduler), worker(scheduler)) as workers:
        wait_for(scheduler, 2)
        killed = []

        def watch(progress):
            if progress.done > 40 and not killed:
                killed.append(workers[0].pid)
                os.kill(workers[0].pid, signal.SIGKILL)

        with engine("dask", address=scheduler) as cluster:
            assert cluster.workers == 2
            found = sweep(study, tmp_path / "dask.db", cluster, performer=slow(), watch=watch)
    assert killed
    assert (found.progress.done, found.progress.failed) == (300, 0)
    with engine("local", workers=1) as alone:
        sweep(study, tmp_path / "serial.db", alone)
    pd.testing.assert_frame_equal(load(tmp_path / "dask.db"), load(tmp_path / "serial.db"), check_exact=True)


def test_a_scheduler_that_dies_is_told_and_what_was_done_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_SECONDS", 2)
    study = study_of("aws-p5", ["failures.scale=0.5,1,2"], replicas=100)
    with listening() as (address, process), processes(worker(address)):
        wait_for(address, 1)
        with (
            pytest.raises(SimulatorError, match="the connection to the scheduler is lost; what was done is kept"),
            engine("dask", address=address) as cluster,
        ):
            sweep(
                study, tmp_path / "study.db", cluster, performer=slow(), watch=lambda p: p.done > 20 and process.kill()
            )
    assert 20 < len(load(tmp_path / "study.db")) < 300


def test_a_cluster_of_our_own_is_on_loopback_and_gives_the_same_numbers(tmp_path):
    study = study_of("aws-p5", ["failures.scale=0.5,1,2"], replicas=4)
    with engine("dask", workers=1) as cluster:
        assert cluster.backend.client.scheduler.address.startswith("tcp://127.0.0.1:")
        sweep(study, tmp_path / "dask.db", cluster)
    with engine("local", workers=1) as alone:
        sweep(study, tmp_path / "serial.db", alone)
    pd.testing.assert_frame_equal(load(tmp_path / "dask.db"), load(tmp_path / "serial.db"), check_exact=True)


def test_a_cluster_without_workers_is_told(scheduler):
    with (
        pytest.raises(SimulatorError, match=r"no worker there yet; start one with `dask worker tcp://127"),
        engine("dask", address=scheduler),
    ):
        pass


def test_a_worker_of_another_version_is_told_before_anything_is_computed(tmp_path, scheduler):
    other = tmp_path / "simgpu-9.9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: simgpu\nVersion: 9.9.9\n")
    with processes(worker(scheduler), PYTHONPATH=str(tmp_path)):
        wait_for(scheduler, 1)
        with (
            pytest.raises(SimulatorError, match=r"has simgpu 9\.9\.9, this is simgpu"),
            engine("dask", address=scheduler),
        ):
            pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "tcp://127.0.0.1:notaport"])
def test_an_address_at_which_nobody_answers_is_told_in_seconds(address, monkeypatch):
    monkeypatch.setattr(engines, "_SECONDS", 0.5)
    with (
        pytest.raises(SimulatorError, match=f"--address {address}: .*`dask scheduler`"),
        engine("dask", address=address),
    ):
        pass


def test_an_address_at_which_another_protocol_answers_is_told(monkeypatch):
    monkeypatch.setattr(engines, "_SECONDS", 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"

        def answer():
            there, _ = server.accept()
            with there:
                there.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)

        threading.Thread(target=answer, daemon=True).start()
        with (
            pytest.raises(SimulatorError, match=f"--address {address}: no Dask scheduler answers"),
            engine("dask", address=address),
        ):
            pass


def test_an_extra_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SimulatorError, match=r"pip install 'simgpu\[cluster\]'"), engine("dask"):
        pass


def test_options_that_contradict_each_other_are_told():
    with pytest.raises(SimulatorError, match="--engine dask"), engine("local", address="tcp://127.0.0.1:1"):
        pass
    with pytest.raises(SimulatorError, match="--workers"), engine("dask", address="tcp://127.0.0.1:1", workers=2):
        pass
