"""Which pools a job runs on, what each of them does of a step, and which it does without."""

from __future__ import annotations

from typing import Any

from simulator.plan.model import JobPlan, Rung
from simulator.report.words import count, percent

__all__ = ["dealt", "shares_dict", "without"]


def dealt(rung: Rung) -> str:
    """The share of each pool where they are balanced by speed; empty where all replicas do the same."""
    if not rung.shares:
        return ""
    whole = sum(share.replicas * share.microbatches * share.layout.microbatch for share in rung.shares)
    told = []
    for share in rung.shares:
        part = share.replicas * share.microbatches * share.layout.microbatch / whole
        size = f" of {share.layout.microbatch}" if share.layout.microbatch > 1 else ""
        again = f", recompute {share.layout.recompute}" if share.layout.recompute != "none" else ""
        told.append(
            f"{share.accelerator} {percent(part)} ({count(share.replicas)} replicas × "
            f"{share.microbatches} microbatch{'es' if share.microbatches > 1 else ''}{size}{again})"
        )
    return "shares of the batch by speed: " + " · ".join(told)


def without(job: JobPlan) -> str:
    """Pools that do not pay, and what a size with them would train."""
    return " · ".join(
        f"{one.pool} does not pay: with it the job would train {percent(1 - one.useful)} fewer tokens a day"
        for one in job.left_out
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
            "step_s": share.seconds,
        }
        for share in rung.shares
    ]
