"""One value of a factor, and what all forms of factors have in common."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

__all__ = ["Form", "Level"]


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a factor: what tables call it, and the ``path=value`` changes it stands for."""

    label: str
    changes: tuple[str, ...]


class Form(BaseModel):
    """One way to write a factor."""

    model_config = ConfigDict(frozen=True, extra="forbid")
