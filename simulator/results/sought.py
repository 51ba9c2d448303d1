"""What a search tried, and the best of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from simulator.scenario.expectation import Expectation

__all__ = ["Binding", "Sought", "Trial"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One point of a search."""

    point: int
    labels: tuple[str, ...]  # of the factors
    changes: tuple[str, ...]
    values: Mapping[str, float | None]  # mean of each kept column
    halves: Mapping[str, float | None]  # half of the mean's 95 % interval; None of a single run
    slack: tuple[float, ...]  # by constraint, relative to its bound; negative: broken by so much
    reason: str  # why it has no value; empty: it has one

    @property
    def possible(self) -> bool:
        """Whether it has a value."""
        return not self.reason

    @property
    def allowed(self) -> bool:
        """Whether it keeps all constraints."""
        return self.possible and all(slack >= 0 for slack in self.slack)


@dataclass(frozen=True, slots=True)
class Binding:
    """A constraint that costs something: the best trial that breaks it and no other."""

    constraint: Expectation
    instead: Trial


@dataclass(frozen=True)
class Sought:
    """All trials of a search, in order."""

    goal: Literal["minimise", "maximise"]
    output: str
    factors: tuple[str, ...]
    constraints: tuple[Expectation, ...]
    trials: tuple[Trial, ...]
    asked: int  # suggestions; some repeated a point
    interrupted: bool

    def score(self, trial: Trial) -> float:
        """The objective, less being better."""
        value = trial.values[self.output]
        return float("inf") if value is None else value if self.goal == "minimise" else -value

    @property
    def ranked(self) -> tuple[Trial, ...]:
        """Trials that keep the constraints, the best first; of equals the first tried."""
        return tuple(sorted((trial for trial in self.trials if trial.allowed), key=self.score))

    @property
    def best(self) -> Trial | None:
        """The best trial; None: none keeps the constraints."""
        return self.ranked[0] if self.ranked else None

    @property
    def nearest(self) -> Trial | None:
        """Of a search in which none keeps the constraints, the trial that breaks them least."""
        possible = [trial for trial in self.trials if trial.possible]
        return max(possible, key=lambda trial: sum(min(slack, 0.0) for slack in trial.slack), default=None)

    @property
    def binding(self) -> tuple[Binding, ...]:
        """Constraints without which a trial would beat the best."""
        best, found = self.best, []
        if best is None:
            return ()
        for place, constraint in enumerate(self.constraints):
            broken = [
                trial
                for trial in self.trials
                if trial.possible
                and trial.slack[place] < 0
                and all(slack >= 0 for other, slack in enumerate(trial.slack) if other != place)
            ]
            better = min(broken, key=self.score, default=None)
            if better is not None and self.score(better) < self.score(best):
                found.append(Binding(constraint, better))
        return tuple(found)
