"""A Dask cluster as joblib sees it: found or started, its workers of this version."""

from __future__ import annotations

import importlib.metadata
import logging
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import simulator
from simulator.errors import SimulatorError

__all__ = ["cluster"]


@contextmanager
def cluster(
    address: str | None, workers: int, *, seconds: float
) -> Iterator[tuple[Any, tuple[type[BaseException], ...], int, str]]:
    """joblib's way to the cluster, how it says that workers died, its number of threads, and its page.

    Raises
    ------
    SimulatorError
        As of :func:`simulator.study.engines.engine`.
    """
    try:
        distributed = import_module("distributed")  # 0.5 s
    except ImportError as absent:
        raise SimulatorError(
            "--engine dask: needs Dask, of the extra `cluster`: pip install 'simgpu[cluster]'"
        ) from absent
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # the sweep tells what went wrong
    if address is None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the workers inherit: Ctrl-C is not for them
        try:
            local = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
        finally:
            signal.signal(signal.SIGINT, before)
        with local, distributed.Client(local) as client:
            yield _backend(client), (distributed.KilledWorker,), workers, _page(client)
        return
    try:
        client = distributed.Client(address, timeout=seconds)
    except Exception as refused:  # of another protocol, whose answer Dask takes for a length of 3 EiB, any
        raise SimulatorError(
            f"--address {address}: no Dask scheduler answers within {seconds:g} s ({type(refused).__name__}); expected "
            "one's address, e.g. tcp://10.0.0.1:8786, which `dask scheduler` prints"
        ) from refused
    with client:
        _check_workers(client, address)
        try:
            yield _backend(client), (distributed.KilledWorker,), sum(client.ncores().values()), _page(client)
        except CancelledError as lost:
            raise SimulatorError(
                f"--address {address}: the connection to the scheduler is lost; what was done is kept, the same "
                "command goes on from there"
            ) from lost


def _page(client: Any) -> str:
    """Where Dask shows what its workers do; without bokeh, the page says only that it is missing."""
    return str(client.dashboard_link) if find_spec("bokeh") else ""


def _check_workers(client: Any, address: str) -> None:
    """Refuse a cluster without workers, and one whose workers would compute other numbers."""
    if not client.ncores():
        raise SimulatorError(f"--address {address}: no worker there yet; start one with `dask worker {address}`")
    found = client.run(importlib.metadata.version, "simgpu", on_error="return")
    for worker, version in found.items():
        if version != simulator.__version__:
            has = "no simgpu" if isinstance(version, Exception) else f"simgpu {version}"
            raise SimulatorError(
                f"--address {address}: the worker {worker} has {has}, this is simgpu {simulator.__version__}: "
                "install the same version on all"
            )


def _backend(client: Any) -> Any:
    """joblib's backend for Dask, but for two of its habits.

    It forgets to say when a call ended with an error; and with a single worker, joblib would rather do all the work in
    this process.
    """
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
            future = super().submit(func, callback)
            if callback is not None:
                future.add_done_callback(lambda done: callback(done) if done.exception() is not None else None)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            return out.result() if hasattr(out, "exception") else super().retrieve_result_callback(out)

    return Backend(client=client)
