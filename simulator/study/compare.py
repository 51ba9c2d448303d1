"""Several scenarios side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simulator.engine import simulate
from simulator.errors import PlanError
from simulator.plan import plan
from simulator.results.columns import names
from simulator.results.summary import summarise
from simulator.scenario import Scenario
from simulator.study.outputs import answered

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare"]

_AS_THEY_ARE = ("tokens_per_second", "mfu", "goodput", "energy_MWh", "peak_power_MW", "carbon_tCO2e")


def compare(scenarios: Sequence[Scenario], *, seed: int | None = None) -> pd.DataFrame:
    """One run of each scenario, one row each.

    Of a run that does not finish, time and cost are those of the whole job, carried on at the last rate; energy and
    carbon are what it has used so far.
    A machine on which the job cannot run is an answer too: its row says why under ``problem``.
    """
    import pandas as pd

    labels = _labels([scenario.name for scenario in scenarios])
    rows = [{"scenario": label, **_row(scenario, seed)} for label, scenario in zip(labels, scenarios, strict=True)]
    return pd.DataFrame(rows, columns=names("comparison"))


def _labels(called: Sequence[str]) -> list[str]:
    """Names, numbered where two scenarios share one."""
    before = [called[:at].count(name) for at, name in enumerate(called)]
    return [f"{name} ({n + 1})" if called.count(name) > 1 else name for n, name in zip(before, called, strict=True)]


def _row(scenario: Scenario, seed: int | None) -> dict[str, Any]:
    try:
        planned = plan(scenario)
    except PlanError as impossible:
        return {"finished": False, "problem": str(impossible)}
    log = simulate(planned, seed=planned.seed if seed is None else seed)
    summary = summarise(planned, log)
    as_they_are = {name: getattr(summary, name) for name in _AS_THEY_ARE}
    return answered(planned, summary) | as_they_are | {"problem": ""}
