"""One optimizer step, and where its time goes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StepTime"]


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of one optimizer step in steady state, part by part.

    ``parts`` begins with ``"model arithmetic at peak"``, the step on hardware that loses nothing; each further part is
    time on top of it, and together they are the whole step.
    """

    parts: tuple[tuple[str, float], ...]
    tokens: float  # in one step
    model_flops: float  # forward and backward, no recomputation, attention counted full
    peak: float  # dense peak of all accelerators of the job in the number format used [FLOP/s]

    @property
    def total(self) -> float:
        """The step time. [s]"""
        return sum(seconds for _, seconds in self.parts)

    @property
    def mfu(self) -> float:
        """Model FLOPs over what the dense peak could have done in the time."""
        return self.model_flops / (self.total * self.peak)

    @property
    def tokens_per_second(self) -> float:
        """Tokens trained per second by the whole job."""
        return self.tokens / self.total
