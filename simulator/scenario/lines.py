"""Text files of any size, line by line, and everything that can be wrong with one before its content is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from simulator.errors import Fault, ScenarioError

__all__ = ["MOST_FAULTS", "Faults", "lines", "refuse"]

MOST_FAULTS = 20  # worth reading; whoever has more has one mistake many times
_LONGEST_LINE = 100_000  # characters


def refuse(path: Path, line: int | None, where: str, message: str) -> NoReturn:
    """Nothing more can be read.

    Raises
    ------
    ScenarioError
        Always.
    """
    raise ScenarioError([Fault(str(path), line, where, message)])


class Faults:
    """What is wrong with a file, up to the number worth reading."""

    def __init__(self, path: Path) -> None:
        self._path, self._found = path, list[Fault]()

    def add(self, line: int | None, where: str, message: str) -> None:
        """One more.

        Raises
        ------
        ScenarioError
            It is the last one worth reading.
        """
        self._found.append(Fault(str(self._path), line, where, message))
        if len(self._found) >= MOST_FAULTS:
            self._found.append(
                Fault(str(self._path), None, "", f"the first {MOST_FAULTS} faults; reading stopped there")
            )
            self.raise_any()

    def raise_any(self) -> None:
        """The end of the file.

        Raises
        ------
        ScenarioError
            Something was wrong.
        """
        if self._found:
            raise ScenarioError(self._found)


def lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 text, their ends included; never more than one of them in memory.

    Raises
    ------
    ScenarioError
        There is no such file, it may not be read, or it is no text.
    """
    number = 0
    try:
        if not path.is_file():
            found = "none of that name" if not path.exists() else "a folder" if path.is_dir() else "no regular file"
            refuse(path, None, "", f"expected a trace file; got {found}")
        with path.open(encoding="utf-8-sig", newline="") as file:
            while line := file.readline(_LONGEST_LINE + 1):
                number += 1
                if len(line) > _LONGEST_LINE:
                    refuse(
                        path, number, "", f"expected lines of at most {_LONGEST_LINE:,} characters; got a longer one"
                    )
                if "\x00" in line:
                    refuse(path, number, "", "expected text; got a binary file (a zero byte)")
                yield line
    except UnicodeDecodeError:
        refuse(path, number + 1, "", "expected UTF-8 text; got other bytes, here or in the lines that follow")
    except OSError as unreadable:
        refuse(path, None, "", f"expected a readable file; got {unreadable.strerror}")
