"""Files that are either whole or not there, and folders that say when they are complete.

A results folder is complete when it has a ``run.json``: that file is removed before any other is touched and written
after all of them.  A folder without it was left by a run that was stopped or found the disk full.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError

__all__ = ["as_json", "check_writable", "remove", "sha256", "write"]

_LONGEST_NAME = 255  # bytes; of all common file systems


def as_json(value: Any) -> str:
    """The one spelling of a document: sorted as given, two spaces, UTF-8, a newline at the end; no NaN, no infinity.

    A file name's byte that is not UTF-8 has no letter; JSON's own escape ``\\udcff`` stands for it.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system refuses is for the user to put right: say what, and where."""
    try:
        yield
    except OSError as refused:
        reason = refused.strerror or refused
        raise SimulatorError(f"{_shown(path)}: cannot be written: {reason}") from refused


def _shown(path: Path) -> str:
    """The path, its middle left out where it is longer than any screen."""
    text = str(path)
    return text if len(text) <= 200 else f"{text[:100]}…{text[-90:]}"


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be written to, before the work is done rather than after it.

    Raises
    ------
    SimulatorError
        Something on the way is no folder, or may not be written to.
    """
    existing = folder
    with _told(folder):
        while not _is_there(existing) and existing != existing.parent:
            if len(os.fsencode(existing.name)) > _LONGEST_NAME:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            existing = existing.parent
    if not existing.is_dir():
        raise SimulatorError(
            f"{_shown(folder)}: expected a folder to write results to; {_shown(existing)} is not a folder"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SimulatorError(
            f"{_shown(folder)}: expected a folder that can be written to; no permission in {_shown(existing)}"
        )


def _is_there(path: Path) -> bool:
    """Whether anything goes by that name, a link to nothing included; a name that nothing can have raises OSError."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write a file beside ``path``, then put it in its place: a reader sees the old file or the new one.

    A device or a pipe, such as ``/dev/stdout``, is written to where it is.

    Raises
    ------
    SimulatorError
        The disk is full, the folder cannot be written to, and so on; an existing file is as it was.
    """
    beside: Path | None = None
    with _told(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            fill(path)
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".simgpu-", suffix=path.suffix)
            os.close(handle)
            beside = Path(name)
            fill(beside)
            beside.chmod(0o644 & ~_umask())
            beside.replace(path)
        finally:
            if beside is not None:
                beside.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """See that there is no such file.

    Raises
    ------
    SimulatorError
        There is one, and it may not be removed.
    """
    with _told(path):
        path.unlink(missing_ok=True)


def _umask() -> int:
    """The process's mask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with _told(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()
