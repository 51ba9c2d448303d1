"""What can go wrong, on one screen.

::

    SimulatorError                 a mistake in the input: its message is for people, exit code 2
    ├── ScenarioError              faults in a scenario file, all of them, each with file and line
    ├── CatalogueError             a name no shelf has, or an entry that is itself wrong
    └── PlanError                  a plan that cannot work: by how much, and what would help

Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = ["CatalogueError", "Fault", "PlanError", "ScenarioError", "SimulatorError", "did_you_mean"]


class SimulatorError(Exception):
    """A mistake in the input; the message says where, what was expected and what would help."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a file: where it stands and what is wrong with it."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ScenarioError(SimulatorError):
    """Every fault of a scenario, one line each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class CatalogueError(SimulatorError):
    """A name the catalogue does not have, or an entry that breaks the catalogue's own rules."""


class PlanError(SimulatorError):
    """A plan that cannot work; says by how much and what would help."""


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """``"; did you mean 'fabric'?"`` when a known name is close to ``wrong``, else an empty string."""
    by_case = {name.casefold(): name for name in known}
    close = get_close_matches(wrong.casefold(), by_case, n=1, cutoff=0.6)
    return f"; did you mean {by_case[close[0]]!r}?" if close else ""
