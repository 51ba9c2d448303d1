"""What happens over the days when things break, arrive and come back.  SimPy lives here and nowhere else."""

from __future__ import annotations

import simpy

from simulator.engine.cluster import Cluster
from simulator.engine.delivery import deliver
from simulator.engine.failures import check_count, fail
from simulator.engine.log import Activity, Event, Interval, JobEnd, Log, Sample
from simulator.engine.power import supply
from simulator.engine.record import Record
from simulator.engine.repair import Workshop
from simulator.engine.replay import replay
from simulator.engine.training import Training
from simulator.plan.model import Plan

__all__ = ["Activity", "Event", "Interval", "JobEnd", "Log", "Sample", "simulate"]


def simulate(plan: Plan, *, seed: int | None = None) -> Log:
    """Let the plan happen: from its start until all jobs are done or the horizon is reached.

    The same plan and seed give the same log, to the last bit.  The cost grows with the number of failures, not with
    accelerators or days.  Intervals come job after job, each job's in the order of time.

    Raises
    ------
    PlanError
        So many failures are expected that nobody could wait for the end.
    """
    if plan.recorded is None:
        check_count(plan)
    seed = plan.seed if seed is None else seed
    env, cluster, record = simpy.Environment(0.0), Cluster(plan), Record(len(plan.jobs))
    workshop = Workshop(env, plan, cluster, record, seed)
    drawn = plan.causes if plan.recorded is None else ()
    failures = [env.process(fail(env, cause, cluster, workshop, seed)) for cause in drawn]
    # Power and nodes of the first moment have to be there before a job looks for them.
    env.process(supply(env, plan, cluster, record))
    env.process(deliver(env, plan, cluster, record, failures))
    trainings = [Training(env, index, plan, cluster, record) for index in range(len(plan.jobs))]
    cluster.tenants.extend(trainings)
    if plan.recorded is not None:
        env.process(replay(env, plan, plan.recorded, cluster, record, seed))

    while not all(cluster.finished) and env.peek() <= plan.horizon:
        env.step()
        if cluster.dirty and env.peek() > env.now:  # one sample per moment, after all of its changes
            record.sample(env.now, cluster)

    end = env.now if all(cluster.finished) else plan.horizon
    if not all(cluster.finished):
        record.event(end, "horizon", "", "reached before all jobs were done")
    jobs = tuple(training.end(end) for training in trainings)
    record.sample(end, cluster)
    return Log(
        seed=seed,
        end=end,
        intervals=tuple(interval for intervals in record.intervals for interval in intervals),
        events=tuple(record.events),
        samples=tuple(record.samples),
        jobs=jobs,
    )
