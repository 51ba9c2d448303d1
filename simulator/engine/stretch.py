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

    The last save belongs to the run: its result is the model.  So a run whose work is ``n`` intervals is ``n`` segments
    of ``interval + save``, those of the exact formulas.
    """

    work: float
    interval: float
    save: float
    segments: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", max(1, math.ceil(self.work / self.interval - _ROUNDING)))

    @property
    def duration(self) -> float:
        """From the first step to the end of the last save. [s]"""
        return self.work + self.save * self.segments

    def saves_after(self, elapsed: float) -> int:
        """Checkpoints complete after so many seconds, the last one of the run excepted.

        n = ⌊d / (τ + C)⌋
        """
        return min(int(elapsed / (self.interval + self.save)), self.segments - 1)

    def safe_after(self, elapsed: float) -> float:
        """Seconds of work that a failure could no longer take. [s]"""
        return self.saves_after(elapsed) * self.interval

    def finished(self) -> Split:
        """The whole stretch went by undisturbed."""
        return Split(self.work, self.duration - self.work, 0.0)

    def failed(self, elapsed: float) -> Split:
        """A failure struck: everything since the last complete save is lost, a save under way included."""
        saves = self.saves_after(elapsed)
        work, saving = saves * self.interval, saves * self.save
        return Split(work, saving, max(0.0, elapsed - work - saving))

    def time_to_stop(self, elapsed: float) -> float:
        """Seconds until a planned stop has its checkpoint: one save from now, or the rest of the one under way. [s]"""
        since = elapsed - self.saves_after(elapsed) * (self.interval + self.save)
        left = min(self.interval, self.work - self.safe_after(elapsed))
        return self.save - min(max(0.0, since - left), self.save)

    def stopped(self, elapsed: float) -> Split:
        """A planned stop: ``elapsed`` ends with its save, and nothing is lost."""
        saves = self.saves_after(elapsed)
        since = elapsed - saves * (self.interval + self.save)
        work = min(saves * self.interval + max(0.0, since - self.save), self.work)
        return Split(work, elapsed - work, 0.0)

    def cut(self, elapsed: float) -> Split:
        """The observer leaves: nothing has destroyed the work since the last save, so it counts."""
        saves = self.saves_after(elapsed)
        since = elapsed - saves * (self.interval + self.save)
        work = min(saves * self.interval + min(max(0.0, since), self.interval), self.work)
        return Split(work, elapsed - work, 0.0)
