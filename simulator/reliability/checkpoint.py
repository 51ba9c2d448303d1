"""How often to save, and what goodput that leaves: the closed forms.

Letters: ``tau`` useful work between checkpoints, ``C`` blocking cost of one, ``M`` mean time between interruptions of
the job, ``R`` everything from the fault to training again.  All in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from simulator.units import Seconds, Unit

__all__ = [
    "Checkpoint", "daly_interval", "effective_recovery", "expected_goodput", "interval_for", "optimal_interval",
    "young_interval",
]  # fmt: skip

Policy = Literal["optimal", "young", "daly", "observed"]
_POLICIES = ("optimal", "young", "daly", "observed")
_TIME = Unit("second", "time or one of optimal, young, daly, observed", "30 min", zero=False)


def _interval(written: Any) -> float | str:
    return written if written in _POLICIES else _TIME.parse(written)


class Memory(BaseModel):
    """Checkpoints that stay in the memory of nodes, between those that go to the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: Seconds = Field(gt=0, description="work between two")
    save: Seconds | None = Field(
        default=None, description="blocking time of one; default: an accelerator's part over the link to its host"
    )
    load: Seconds | None = Field(
        default=None, description="time to read one back; default: that part from a peer over the network"
    )
    copies: int = Field(
        default=2, ge=1, le=1000, description="nodes that hold each part: a failure that takes fewer loses none"
    )


class Checkpoint(BaseModel):
    """The ``checkpoint:`` section of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: Annotated[
        float | Policy,
        PlainValidator(_interval),
        PlainSerializer(lambda i: i if isinstance(i, str) else f"{i!r} second"),
        WithJsonSchema({"type": "string", "examples": ["optimal", "young", "daly", "observed", "30 min"]}),
    ] = Field(
        default="optimal",
        description="work between checkpoints: a time, or the rule that chooses it; observed: the optimum for what "
        "the run has seen so far",
    )
    save: Seconds | None = Field(default=None, description="time to write one; default: bytes over bandwidth")
    snapshot: Seconds | None = Field(
        default=None,
        description="blocking time when the write itself goes on beside the training; default: the write blocks",
    )
    memory: Memory | None = Field(default=None, description="a second tier that stays in memory; default: none")
    load: Seconds | None = Field(default=None, description="time to read one back; default: bytes over bandwidth")


def young_interval(save: float, between: float) -> float:
    """Young's interval, τ = √(2 C M). [s]

    Source
    ------
    Young, "A first order approximation to the optimum checkpoint interval", CACM 17(9), 1974; as given with its error
    in the reliability notes this project was built from.
    """
    return math.sqrt(2 * save * between)


def daly_interval(save: float, between: float) -> float:
    """Daly's higher-order interval. [s]

        τ = √(2 C M) [1 + ⅓ √(C / 2M) + C / 18M] − C    for C < 2M,   else M

    Within 0.1 % of the optimum up to C/M = 0.07.

    Source
    ------
    Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", FGCS 22(3), 2006.
    """
    if save >= 2 * between:
        return between
    ratio = save / (2 * between)
    return math.sqrt(2 * save * between) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - save


def _lambert(x: float) -> float:
    """Principal branch W₀ on [−1/e, 0): the root of w eʷ = x, by Newton's method from the branch point's series."""
    p = math.sqrt(max(0.0, 2 * (math.e * x + 1)))
    w = -1 + p - p * p / 3
    for _ in range(50):
        error = w * math.exp(w) - x
        slope = math.exp(w) * (w + 1)
        if slope <= 0 or abs(error) <= 1e-16:
            break
        w -= error / slope
    return w


def optimal_interval(save: float, between: float) -> float:
    """The interval that maximises :func:`expected_goodput`, τ* = M [1 + W₀(−e^{−1−C/M})]. [s]

    W₀ is the Lambert function.  The optimum does not depend on R, nor on whether faults can strike a restart.
    """
    if save == 0:
        return 0.0
    return between * (1 + _lambert(-math.exp(-1 - save / between)))


def expected_goodput(*, interval: float, save: float, between: float, restart: float, while_restarting: bool) -> float:
    """Share of the time that is useful work under exponential interruptions.

        G = τ / [(e^{(τ+C)/M} − 1) (M + R)]            faults only while running
        G = τ / [M e^{R/M} (e^{(τ+C)/M} − 1)]          faults at any time (Daly)

    Returns 1 in the limit of no faults and free saves.
    """
    tau, C, M, R = interval, save, between, restart
    if math.isinf(M):
        return tau / (tau + C) if tau + C > 0 else 1.0
    grown = math.expm1(min((tau + C) / M, 700.0))
    share = tau / grown if grown > 0 else M
    return share / (M * math.exp(min(R / M, 700.0)) if while_restarting else M + R)


def effective_recovery(recoveries: Sequence[tuple[float, float]], *, between: float) -> float:
    """The fixed recovery time that costs as much as recoveries that vary, faults striking those too. [s]

        R = −M ln Σ share · e^{−R_c / M}

    Each attempt succeeds if no fault strikes it, with probability φ = E[e^{−R_c/M}]; attempts are drawn anew, so the
    mean time from a fault to running again is M (1/φ − 1), which is what a fixed R has at e^{−R/M} = φ.

    Parameters
    ----------
    recoveries
        (share, R_c) of each kind; shares add up to one.
    """
    if math.isinf(between) or not recoveries:
        return 0.0
    shortest = min(seconds for _, seconds in recoveries)
    spread = sum(share * math.exp(-(seconds - shortest) / between) for share, seconds in recoveries)
    return shortest - between * math.log(spread)


def interval_for(policy: float | str, *, save: float, between: float) -> float:
    """Useful work between checkpoints under a policy; without faults, one day. [s]"""
    if isinstance(policy, float | int):
        return float(policy)
    if math.isinf(between):
        return 86400.0
    # A free save would be taken for ever; a second of work between two is beyond anything measured.
    rules = {"young": young_interval, "daly": daly_interval}
    return max(rules.get(policy, optimal_interval)(save, between), 1.0)
