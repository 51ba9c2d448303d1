"""Why a run that did not finish was not getting anywhere when it ended."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.plan.model import JobPlan, Plan
from simulator.report.words import amount, count, duration
from simulator.results.projection import Projection

__all__ = ["stuck"]


def stuck(plan: Plan, projections: Sequence[Projection]) -> str:
    """The reason of the first job that has one, with the numbers that show it."""
    job, projection = next(
        (job, one) for one in projections for job in plan.jobs if one.job == job.name and one.hindrance is not None
    )
    found = projection.hindrance
    assert found is not None
    needed, given = duration(found.needed), duration(found.given)
    said = {
        "nodes": f"{job.name} was waiting for nodes: {_short_of(plan, job)}",
        "start": f"starting {job.name} takes {needed}, and the run ended {given} after its nodes were there",
        "restart": f"a restart of {job.name} takes {needed}, and something interrupts it every {given} on average",
        "time": f"{job.name} had started, but no checkpoint was written in time; restarting takes it {needed}, and "
        f"something interrupts it every {given} on average",
    }[found.kind]
    return f"Nothing was being trained any more: {said}."


def _short_of(plan: Plan, job: JobPlan) -> str:
    """What the job's smallest size needs, and what there is."""
    smallest = min(job.rungs, key=lambda rung: rung.accelerators)
    installed = sum(pool.nodes * pool.accelerators for pool in plan.pools)
    cap = f", {amount(max(step.watts for step in plan.power), 'W')} of power" if plan.power else ""
    return (
        f"its smallest size needs {count(smallest.accelerators)} accelerators and {amount(smallest.power, 'W')}; the "
        f"cluster has at most {count(installed)} accelerators{cap}, spares, broken nodes and other jobs' nodes included"
    )
