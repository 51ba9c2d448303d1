"""Every column of every table, with its unit and its meaning.  A frame has exactly these columns, in this order.

The unit stands in the name, as its last word: ``elapsed_d``, ``energy_MWh``.  ``{pool}``, ``{job}`` and ``{row}`` stand
for one column per pool, job and row of the bill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FRAMES", "Column", "names"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, the unit of its values (empty for text and plain numbers) and what it says."""

    name: str
    unit: str
    meaning: str


FRAMES: dict[str, tuple[Column, ...]] = {
    "timeline": (
        Column("date", "", "date and time at which this state begins"),
        Column("elapsed_d", "d", "time since the scenario's start"),
        Column("installed_nodes", "nodes", "delivered so far"),
        Column("healthy_nodes", "nodes", "installed and not broken"),
        Column("working_nodes", "nodes", "in a running job"),
        Column("working_accelerators", "accelerators", "in a running job"),
        Column("power_MW", "MW", "drawn by the facility"),
        Column("power_cap_MW", "MW", "available to the facility; empty without a cap"),
        Column("energy_MWh", "MWh", "drawn since the start"),
        Column("tokens", "tokens", "trained and safe since the start, all jobs"),
        Column("cost_usd", "USD", "spent since the start, all rows of the bill"),
        Column("installed_nodes.{pool}", "nodes", "delivered so far, this pool"),
        Column("healthy_nodes.{pool}", "nodes", "installed and not broken, this pool"),
        Column("working_nodes.{pool}", "nodes", "in a running job, this pool"),
        Column("tokens.{job}", "tokens", "trained and safe since the start, this job"),
        Column("cost_usd.{row}", "USD", "spent since the start, this row of the bill"),
    ),
    "events": (
        Column("date", "", "date and time"),
        Column("elapsed_d", "d", "time since the scenario's start"),
        Column("kind", "", "delivery, power, start, interruption, setback, repair, planned stop, resize, finish …"),
        Column("job", "", "the job concerned; empty: the cluster"),
        Column("detail", "", "what exactly"),
    ),
    "ledger": (
        Column("job", "", "the job"),
        Column("activity", "", "what its seconds went into"),
        Column("time_s", "s", "wall time in this activity"),
        Column("time_d", "d", "the same in days"),
        Column("share", "", "of the job's wall time"),
    ),
    "bill": (
        Column("row", "", "row of the bill"),
        Column("cost_usd", "USD", "until the last job's end"),
        Column("share", "", "of the total"),
    ),
    "interruptions": (
        Column("cause", "", "class of failure, or the stop that was planned"),
        Column("interruptions", "", "how often it stopped a running job"),
        Column("setbacks", "", "how often it struck a job that was not yet running again"),
        Column("time_d", "d", "wall time it cost: lost work, recovery, waiting, loading"),
        Column("share", "", "of the job's wall time"),
    ),
    "queue": (
        Column("training", "", "with the training jobs, or without them"),
        Column("accelerators", "accelerators", "sizes of the class"),
        Column("jobs", "", "how many"),
        Column("delay_mean_h", "h", "from submission to first start"),
        Column("delay_p50_h", "h", "half of the jobs wait less"),
        Column("delay_p95_h", "h", "one in twenty waits longer"),
        Column("slowdown", "", "mean of time from submission to end over runtime, both at least 10 s"),
        Column("stopped", "", "how often a job lost its accelerators to others or to a failure"),
    ),
    "queue_timeline": (
        Column("training", "", "with the training jobs, or without them"),
        Column("elapsed_d", "d", "time since the scenario's start; all that follows are means until the next row"),
        Column("there_accelerators", "accelerators", "healthy ones that the queue has"),
        Column("busy_accelerators", "accelerators", "of them in use"),
        Column("waiting_jobs", "", "jobs that wait"),
        Column("wanted_accelerators", "accelerators", "what they wait for"),
        Column("power_MW", "MW", "what those in use draw beyond idling"),
    ),
    "comparison": (
        Column("scenario", "", "its name"),
        Column("accelerators", "accelerators", "of the best size the job can have"),
        Column("finished", "", "within its horizon"),
        Column("finish_date", "", "or when it would have finished at its last rate"),
        Column("time_to_train_d", "d", "or what it would have needed at its last rate; empty: never"),
        Column("tokens_per_second", "tokens/s", "mean while training"),
        Column("mfu", "", "mean while training"),
        Column("goodput", "", "useful time over wall time"),
        Column("mtti_h", "h", "running time between interruptions; empty: none happened"),
        Column("cost_usd", "USD", "or what it would have cost at its last rate; empty: never"),
        Column("cost_usd_per_million_tokens", "USD", "over the tokens asked for"),
        Column("energy_MWh", "MWh", "until the end of the run, finished or not"),
        Column("peak_power_MW", "MW", "highest draw of the facility"),
        Column("carbon_tCO2e", "tCO2e", "of that energy"),
        Column("problem", "", "why it cannot be planned; empty: it can"),
    ),
    "curve": (
        Column("scenario", "", "its name"),
        Column("accelerators", "accelerators", "the job asks for"),
        Column("time_to_train_d", "d", "median of the replicas; carried on at the last rate where unfinished"),
        Column("time_to_train_p5_d", "d", "one in twenty is faster"),
        Column("time_to_train_p95_d", "d", "one in twenty is slower"),
        Column("cost_usd", "USD", "median, until the last token"),
        Column("cost_p5_usd", "USD", "one in twenty is cheaper"),
        Column("cost_p95_usd", "USD", "one in twenty is dearer"),
        Column("goodput", "", "median of useful time over wall time"),
        Column("mfu", "", "median while training"),
        Column("problem", "", "why it cannot be planned; empty: it can"),
    ),
    "expectation": (
        Column("accelerators", "accelerators", "of the best size of the first job"),
        Column("layout", "", "of that job at that size"),
        Column("step_time_s", "s", "of that layout"),
        Column("mfu", "", "of that step"),
        Column("tokens_per_second", "tokens/s", "of that step, while it computes"),
        Column("mtti_h", "h", "running time between interruptions at that size; empty: nothing ever fails"),
        Column("goodput", "", "expected share of the jobs' time that is useful"),
        Column("finished", "", "within the horizon"),
        Column("finish_date", "", "expected; empty: never"),
        Column("time_to_train_d", "d", "expected, with what failures cost on average; empty: never"),
        Column("cost_usd", "USD", "expected, until the last token; empty: never"),
        Column("cost_usd_per_million_tokens", "USD", "over the tokens asked for"),
        Column("energy_MWh", "MWh", "expected, until the last token; empty: never"),
        Column("peak_power_MW", "MW", "highest expected draw of the facility"),
        Column("carbon_tCO2e", "tCO2e", "of that energy"),
    ),
    "spread": (
        Column("elapsed_d", "d", "time since the scenario's start"),
        Column("quantity", "", "which column of the timeline"),
        Column("p5", "the quantity's", "5 % of the replicas are at or below"),
        Column("p50", "the quantity's", "the median replica"),
        Column("p95", "the quantity's", "95 % of the replicas are at or below"),
    ),
}


def names(frame: str, **members: Sequence[str]) -> list[str]:
    """Column names of a frame, with each placeholder spelt out: ``names("timeline", pool=[…], job=[…], row=[…])``."""
    found: list[str] = []
    for column in FRAMES[frame]:
        placeholder = column.name.partition("{")[2].partition("}")[0]
        if placeholder:
            found += [column.name.replace(f"{{{placeholder}}}", member) for member in members[placeholder]]
        else:
            found.append(column.name)
    return found
