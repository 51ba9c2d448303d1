"""Which pools a job runs on, what each of them does of a step, which it does without, and what a cap on power does."""

from __future__ import annotations

from typing import Any

from simulator.plan.model import JobPlan, Rung
from simulator.report.words import count, percent

__all__ = ["curtailed", "dealt", "shares_dict", "without"]


def dealt(rung: Rung) -> str:
    """The share of each pool where they are balanced by speed; empty where all replicas do the same."""
    if not rung.shares:
        return ""
    whole = sum(share.replicas * share.microbatches * share.layout.microbatch for share in rung.shares)
    told = []
    for share in rung.shares:
        part = share.replicas * share.microbatches * share.layout.microbatch / whole
        size = f" of {share.layout.microbatch}" if share.layout.microbatch > 1 else ""
        again = f", recompute {share.layout.recomputed}" if share.layout.recomputed else ""
        told.append(
            f"{share.accelerator} {percent(part)} ({count(share.replicas)} replicas × "
            f"{share.microbatches} microbatch{'es' if share.microbatches > 1 else ''}{size}{again})"
        )
    return "batch by speed: " + " · ".join(told)


def curtailed(rung: Rung) -> str:
    """What the cap made of the size, and what the other way to stay under it would train; empty without a choice."""
    if rung.instead is None:
        return ""
    other = rung.instead
    mine, theirs = (_clocked(*one) for one in ((rung.accelerators, rung.clock), (other.accelerators, other.clock)))
    more, fewer = other.useful - 1, 1 - other.useful
    change = f"{percent(more)} more" if more > 0 else f"{percent(fewer)} fewer"
    return f"the cap leaves {mine}; {theirs} would train {change} tokens a day"


def _clocked(accelerators: int, clock: float) -> str:
    return f"{count(accelerators)} accelerators at {'full clock' if clock == 1 else f'{percent(clock)} of their clock'}"


def without(job: JobPlan) -> str:
    """Pools that do not pay, and what a size with them would train."""
    return " · ".join(
        f"{one.pool}, for with it the job trains {percent(1 - one.useful)} fewer tokens a day" for one in job.left_out
    )


def shares_dict(rung: Rung) -> list[dict[str, Any]]:
    """The shares for programs."""
    return [
        {
            "accelerator": share.accelerator,
            "replicas": share.replicas,
            "microbatches": share.microbatches,
            "microbatch": share.layout.microbatch,
            "recompute": share.layout.recompute,
            "recompute_layers": share.layout.recompute_layers,
            "step_s": share.seconds,
        }
        for share in rung.shares
    ]
