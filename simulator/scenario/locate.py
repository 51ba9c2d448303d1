"""Where scenarios and studies are: a file the user names, or one that came with the package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import simulator
from simulator.errors import Fault, ScenarioError, did_you_mean

__all__ = ["find", "packaged"]

_ENDINGS = (".yaml", ".yml")


Kind = Literal["scenario", "study"]
_FOLDERS: Mapping[Kind, str] = MappingProxyType({"scenario": "scenarios", "study": "studies"})


@cache
def _folder(kind: Kind) -> Path:
    """``packaged_scenarios`` in a wheel; the repository's ``scenarios`` in a checkout."""
    package = Path(simulator.__file__).parent
    shipped = package / f"packaged_{_FOLDERS[kind]}"
    return shipped if shipped.is_dir() else package.parent / _FOLDERS[kind]


def packaged(kind: Kind = "scenario") -> tuple[str, ...]:
    """Names of the scenarios, or of the studies, that came with the package."""
    return tuple(sorted(path.stem for path in _folder(kind).glob("*.yaml")))


def find(name_or_path: str | Path, *, beside: Path | None = None, kind: Kind = "scenario") -> Path:
    """The file a user means: an existing file first, then a packaged one of that name.

    Parameters
    ----------
    beside
        Folder in which a relative path begins; the working folder by default.
    kind
        Of the packaged ones.

    Raises
    ------
    ScenarioError
        There is neither; says the nearest name.
    """
    text = str(name_or_path)
    if not text.strip() or "\x00" in text:
        raise ScenarioError([Fault(repr(text), None, "", f"expected a {kind} file or name; got none")])
    path = Path(text) if beside is None else beside / text
    try:
        if path.is_file():
            return path
        name = text.removesuffix(".yaml")
        if name in packaged(kind):
            return _folder(kind) / f"{name}.yaml"
        raise ScenarioError([Fault(text, None, "", _absent(path, text, kind))])
    except OSError as unreachable:  # a name too long, a loop of links, a folder that may not be entered
        message = f"expected a readable file; got {unreachable.strerror}"
        raise ScenarioError([Fault(text[:200], None, "", message)]) from unreachable


def _kind(path: Path) -> str:
    """What stands at a path that is no file; empty when nothing does."""
    if path.is_symlink() and not path.exists():
        return f"a link to {str(path.readlink())[:200]!r}, which does not exist"
    kinds = (
        (path.is_dir, "a folder"),
        (path.is_fifo, "a named pipe"),
        (path.is_socket, "a socket"),
        (path.exists, "a device"),
    )
    return next((kind for is_one, kind in kinds if is_one()), "")


def _absent(path: Path, text: str, kind: Kind) -> str:
    stands = _kind(path)
    if stands:
        return f"expected a {kind} file; got {stands}"
    near = path.parent
    files = [file.name for file in near.iterdir() if file.suffix in _ENDINGS] if near.is_dir() else []
    known = packaged(kind)
    hint = did_you_mean(path.name, files) or did_you_mean(path.stem, [*(Path(file).stem for file in files), *known])
    listing = f"; packaged {_FOLDERS[kind]} are {', '.join(known)}" if known and not hint else ""
    return f"expected a {kind} file or name; got {text[:200]!r}, which does not exist{hint or listing}"
