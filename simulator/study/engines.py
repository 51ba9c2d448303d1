"""Where tasks are performed: on this machine's cores, or on a Dask cluster.  joblib is the only seam between the two.

An engine takes calls of a function of this package and gives back their results as they come, in no order.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from joblib import Parallel, cpu_count, delayed

from simulator.errors import SimulatorError
from simulator.study.interrupts import deaf, unheard

__all__ = ["Engine", "Name", "engine"]

Name = Literal["local", "dask"]
_SECONDS = 5  # to find a cluster


@dataclass(frozen=True)
class Engine:
    """Workers, and how joblib reaches them."""

    name: Name
    workers: int
    backend: Any = field(repr=False)
    options: dict[str, Any] = field(repr=False)
    deaths: tuple[type[BaseException], ...]  # how it says that a worker died, or several in turn
    near: bool = True  # on this machine's cores, which this process may use itself
    link: str = ""  # of a page that shows what the workers do

    def stream(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], *, ahead: int) -> Iterator[Any]:
        """Results of ``function(*call)``; so many calls are under way or wait at a worker.

        Raises
        ------
        BaseException
            One of ``deaths``: a worker died, and what was under way has to be asked for again.
        """
        parallel = Parallel(
            n_jobs=self.workers,
            backend=self.backend,
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch=ahead,
            **self.options,
        )
        with unheard() if self.backend == "loky" and self.workers > 1 else nullcontext():
            results = parallel(delayed(function)(*call) for call in calls)
        try:
            for result in results:  # noqa: UP028  `yield from` closes joblib's generator before warnings are off
                yield result
        finally:
            with warnings.catch_warnings():  # whoever stops early knows that not all was wanted
                warnings.simplefilter("ignore", UserWarning)
                results.close()


@contextmanager
def engine(name: Name, *, workers: int | None = None, address: str | None = None) -> Iterator[Engine]:
    """The engine of that name, its workers started when they are first needed.

    Parameters
    ----------
    workers
        Processes on this machine; default: one a core.  A cluster at an address has its own.
    address
        Scheduler of a Dask cluster, e.g. ``tcp://10.0.0.1:8786``; None: a cluster on this machine, on loopback only.

    Raises
    ------
    SimulatorError
        Dask is not installed, nobody answers at the address, nobody works there, or workers are of another version.
    """
    if name == "local":
        if address is not None:
            raise SimulatorError("--address: expected together with --engine dask")
        count = workers or cpu_count()
        # alone, it works in this process, which must go on hearing Ctrl-C
        options = {"initializer": _begin, "initargs": (os.getpid(),)} if count > 1 else {}
        yield Engine("local", count, "loky", options, (BrokenExecutor,))
        return
    from simulator.study.dask import cluster

    if address is not None and workers is not None:
        raise SimulatorError("--workers: expected without --address, whose cluster has its own workers")
    with cluster(address, workers or cpu_count(), seconds=_SECONDS) as (backend, deaths, count, link):
        yield Engine("dask", count, backend, {}, deaths, near=False, link=link)


def _begin(coordinator: int) -> None:
    """Ctrl-C is for the process that was asked, which tells its workers when to end; they do not outlive it either."""
    deaf()
    threading.Thread(target=_follow, args=(coordinator,), daemon=True).start()


def _follow(coordinator: int) -> None:
    while os.getppid() == coordinator:
        time.sleep(1.0)
    os._exit(0)
