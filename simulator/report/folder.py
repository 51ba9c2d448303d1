"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError

__all__ = ["as_json", "check_writable", "sha256", "write"]


def as_json(value: Any) -> str:
    """The one spelling of a document: sorted as given, two spaces, UTF-8, a newline at the end; no NaN, no infinity."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be written to, before the work is done rather than after it.

    Raises
    ------
    SimulatorError
        Something on the way is no folder, or may not be written to.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise SimulatorError(f"{folder}: expected a folder to write results to; {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SimulatorError(f"{folder}: expected a folder that can be written to; no permission in {existing}")


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write a file beside ``path``, then put it in its place: a reader sees the old file or the new one.

    Raises
    ------
    SimulatorError
        The disk is full, the folder cannot be written to, and so on; an existing file is as it was.
    """
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        beside = Path(name)
        fill(beside)
        beside.chmod(0o644 & ~_umask())
        beside.replace(path)
    except OSError as refused:
        raise SimulatorError(f"{path}: cannot be written: {refused.strerror or refused}") from refused
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def _umask() -> int:
    """The process's mask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
