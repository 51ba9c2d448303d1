"""One stretch of undisturbed running, in closed form: no event per step and none per checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Split", "Stretch"]

# Work that is a multiple of the interval but for rounding must not be given one more save.
_ROUNDING = 1e-9


class Split(NamedTuple):
    """What the seconds of a stretch went into; they add up to its length."""

    work: float
    saving: float
    wasted: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """``work`` seconds to do, saved every ``interval`` of them and once more at their end; a save stops the work.

    Every ``every``-th save goes to the store and takes ``save``; those between stay in memory and take ``quick``.  A
    save to the store counts ``drain`` seconds after it let the work go on.  The last save belongs to the run: its
    result is the model.  So a run whose work is ``n`` intervals is ``n`` segments of ``interval + save``, those of the
    exact formulas.
    """

    work: float
    interval: float
    save: float
    drain: float = 0.0
    every: int = 1
    quick: float = 0.0
    segments: int = field(init=False)
    round: float = field(init=False)  # from one save to the store to the next [s]

    def __post_init__(self) -> None:
        length = self.every * self.interval + (self.every - 1) * self.quick + self.save
        object.__setattr__(self, "round", length)
        object.__setattr__(self, "segments", max(1, math.ceil(self.work / self.interval - _ROUNDING)))

    @property
    def duration(self) -> float:
        """From the first step to the end of the last save. [s]"""
        return self.work + self.saving(self.segments - 1) + self.save

    def saving(self, saves: int) -> float:
        """Time the first so many saves took. [s]"""
        stored = saves // self.every
        return stored * self.save + (saves - stored) * self.quick

    def saves_after(self, elapsed: float) -> int:
        """Checkpoints taken after so many seconds, the last one of the run excepted.

            n = ⌊d / (τ + C)⌋

        and with saves in memory between those to the store, round by round.
        """
        if self.every == 1:
            return min(int(elapsed / self.round), self.segments - 1)
        rounds = int(elapsed / self.round)
        rest = elapsed - rounds * self.round
        quick = min(int(rest / (self.interval + self.quick)), self.every - 1)
        return min(rounds * self.every + quick, self.segments - 1)

    def stored_after(self, elapsed: float) -> int:
        """The same, of those whose last is safe in the store."""
        rounds = int(max(0.0, elapsed - self.drain) / self.round)
        return min(rounds, (self.segments - 1) // self.every) * self.every

    def kept_after(self, elapsed: float, *, memory: bool = True) -> int:
        """Checkpoints up to the last one that can be read back; ``memory``: also from the memory of other nodes."""
        return self.saves_after(elapsed) if memory and self.every > 1 else self.stored_after(elapsed)

    def safe_after(self, elapsed: float) -> float:
        """Seconds of work that no failure could take any more. [s]"""
        return self.stored_after(elapsed) * self.interval

    def finished(self) -> Split:
        """The whole stretch went by undisturbed."""
        return Split(self.work, self.duration - self.work, 0.0)

    def failed(self, elapsed: float, *, memory: bool = True) -> Split:
        """A failure struck: everything since the last save that can be read back is lost, a save under way included."""
        saves = self.kept_after(elapsed, memory=memory)
        work, saving = saves * self.interval, self.saving(saves)
        return Split(work, saving, max(0.0, elapsed - work - saving))

    def stop(self, elapsed: float) -> tuple[float, Split]:
        """A planned stop: how long until its save is in the store, and what the stretch then was; nothing is lost.

        One save from now, or the rest of the one under way.
        """
        saves = self.saves_after(elapsed)
        since = elapsed - saves * self.interval - self.saving(saves)
        left = min(self.interval, self.work - saves * self.interval)
        under_way = max(0.0, since - left)  # a quick save under way becomes one to the store
        delay = max(0.0, self.save - under_way) + self.drain
        work = min(saves * self.interval + min(max(0.0, since), left), self.work)
        return delay, Split(work, elapsed + delay - work, 0.0)

    def cut(self, elapsed: float) -> Split:
        """The observer leaves: nothing has destroyed the work since the last save, so it counts."""
        saves = self.saves_after(elapsed)
        since = elapsed - saves * self.interval - self.saving(saves)
        work = min(saves * self.interval + min(max(0.0, since), self.interval), self.work)
        return Split(work, elapsed - work, 0.0)
