"""What trying other checkpoint intervals and spares found: trials, the best of them, and how flat it is around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from simulator.plan import Plan

__all__ = ["Goal", "Trial", "Tuned"]

Goal = Literal["cost", "time"]
_FLAT = 0.01  # what "as good as the best" means


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting and what became of it; infinite when the job would never end."""

    value: float
    days: float
    cost: float  # [USD]

    def score(self, goal: Goal) -> float:
        """What is to be small."""
        return self.days if goal == "time" else self.cost


@dataclass(frozen=True)
class Tuned:
    """Trials by parameter, each in the order of its values."""

    goal: Goal
    replicas: int  # simulated for each number of spares
    now: Plan
    as_it_is: Trial  # the scenario's own rule, and the interval it has at the usual size; in closed form
    intervals: tuple[Trial, ...]  # one for all sizes [s], likewise
    spares: tuple[Trial, ...]  # share of the nodes, simulated, all under the same weather
    standbys: tuple[Trial, ...]  # nodes kept hot, simulated likewise
    hot: int  # standbys that suffice for 99 % of the losses
    losses_while_warming: float  # nodes the job loses in the time a warm spare takes

    @property
    def keeps_rule(self) -> bool:
        """Whether no one interval does better than what the scenario has."""
        return not self.best(self.intervals).score(self.goal) < self.as_it_is.score(self.goal)

    @property
    def interval(self) -> Trial:
        """The best there is, the scenario's own included."""
        return self.as_it_is if self.keeps_rule else self.best(self.intervals)

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The one that does best; the smallest value of several."""
        return min(trials, key=lambda trial: trial.score(self.goal))

    def flat(self, trials: Sequence[Trial]) -> tuple[float, float]:
        """Smallest and largest value around the best one at which everything between is within 1 % of it."""
        best = self.best(trials)
        limit = best.score(self.goal) * (1 + _FLAT)
        at = trials.index(best)
        low = high = at
        while low > 0 and trials[low - 1].score(self.goal) <= limit:
            low -= 1
        while high < len(trials) - 1 and trials[high + 1].score(self.goal) <= limit:
            high += 1
        return trials[low].value, trials[high].value
