"""What a job goes through in a leap: run, be struck, recover, and perhaps be struck again before it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.plan.model import Cause, Domain, Rung

__all__ = ["Chain", "Ways", "chain", "stored_after"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ways:
    """By cause: what :meth:`Training._stop_for` makes of it."""

    found: Floats  # until it is found out [s]
    memory: Flags  # whether checkpoints in memory survive it

    @classmethod
    def of(cls, members: Sequence[Cause | Domain], copies: int) -> Ways:
        """Of all causes; domains end a leap before they strike."""
        found = [member.detection if isinstance(member, Cause) and member.speed == 1 else 0.0 for member in members]
        memory = [
            isinstance(one, Cause) and (max(1, one.evicted) < copies or (one.node_lost == 0 and copies > 0))
            for one in members
        ]
        return cls(np.array(found), np.array(memory, dtype=bool))


@dataclass(frozen=True, slots=True)
class Chain:
    """The job from the run it is in to the beginning of its last run in the leap; runs are all but that last one."""

    strikes: int  # that have hit the job
    end: float  # when the last run begins
    recovery: Floats  # seconds after each strike
    restore: Floats
    begin: Floats  # of each run
    over: Floats
    ended_by: Ints  # the strike
    interval: Floats  # between its checkpoints
    work: Floats
    saving: Floats
    wasted: Floats
    tokens: Floats  # before each run, and after the last


def chain(
    time: Floats, found: Floats, attempts: Ints, memory: Flags,
    *, rung: Rung, begun: float, tokens: float, target: float, until: float,
    intervals: Callable[[list[float]], list[float]],
) -> Chain | None:  # fmt: skip
    """Live through the strikes; None if the job does not run again in between, or soon comes to its end.

    Parameters
    ----------
    time, found, attempts, memory
        Of each strike, the last three as :meth:`Training._stop_for` has them.
    begun, tokens
        When the present run began, and what there was then.
    target
        All tokens of the job.
    until
        Nothing is known after this.
    intervals
        Between the checkpoints of runs of which each has lasted so long: see :meth:`Training.intervals_ahead`.
    """
    load = np.where(memory & (rung.every > 1), rung.quick_load, rung.load)
    recovery = found + attempts * rung.restart + (attempts - 1) * load
    resume = time + (recovery + load)
    following = np.append(time[1:], until)
    runs = np.flatnonzero(resume < following)
    if not len(runs):
        return None
    begin = np.concatenate([[begun], resume[runs[:-1]]])
    ended_by = np.concatenate([[0], runs[:-1] + 1])
    over = time[ended_by]
    elapsed = over - begin
    interval = np.array(intervals(elapsed.tolist()))
    saves = _saves_after(elapsed, rung, interval)
    kept = np.where(memory[ended_by] & (rung.every > 1), saves, stored_after(elapsed, rung, interval))
    work = kept * interval
    trained = np.cumsum(np.concatenate([[tokens], work * rung.tokens_per_second]))
    left = (target - trained[:-1]) / rung.tokens_per_second
    near = np.flatnonzero(left <= (saves + 2 * rung.every + 1) * interval)
    count = int(near[0]) if len(near) else len(begin)  # runs; the one after them is handed back when it begins
    if not count:
        return None
    last = int(runs[count - 1])
    length = np.minimum(following, resume)[: last + 1] - time[: last + 1]
    recovered = np.minimum(recovery[: last + 1], length)
    work, elapsed, kept = work[:count], elapsed[:count], kept[:count]
    stored = kept // rung.every
    saving = stored * rung.save + (kept - stored) * rung.quick
    return Chain(
        strikes=last + 1,
        end=float(resume[last]),
        recovery=recovered,
        restore=length - recovered,
        begin=begin[:count],
        over=over[:count],
        ended_by=ended_by[:count],
        interval=interval[:count],
        work=work,
        saving=saving,
        wasted=np.maximum(0.0, elapsed - work - saving),
        tokens=trained[: count + 1],
    )


def stored_after(elapsed: Floats, rung: Rung, interval: Floats) -> Ints:
    """:meth:`Stretch.stored_after`, long before the end of a stretch."""
    return (np.maximum(0.0, elapsed - rung.drain) / _round(rung, interval)).astype(int) * rung.every


def _saves_after(elapsed: Floats, rung: Rung, interval: Floats) -> Ints:
    """:meth:`Stretch.saves_after`, likewise."""
    rounds: Ints = (elapsed / _round(rung, interval)).astype(int)
    if rung.every == 1:
        return rounds
    rest = elapsed - rounds * _round(rung, interval)
    quick: Ints = np.minimum((rest / (interval + rung.quick)).astype(int), rung.every - 1)
    return rounds * rung.every + quick


def _round(rung: Rung, interval: Floats) -> Floats:
    return rung.every * interval + (rung.every - 1) * rung.quick + rung.save
