"""What all commands share: how they end, the options they have in common, and how they print.

Results go to stdout, messages to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "ANSWERED", "CODES", "INTERRUPTED", "MISSED", "MISTAKE", "UNFINISHED", "AsJson", "Asked", "Changes", "Commands",
    "Out", "Progress", "Quiet", "Seed", "complete", "console", "print_json", "print_text", "share", "uncut",
]  # fmt: skip

ANSWERED, MISSED, MISTAKE, UNFINISHED, INTERRUPTED = 0, 1, 2, 3, 130
UNREAD = 141  # as of a process that SIGPIPE ended: whoever read the output, e.g. `head`, has heard enough
CODES = (
    "Exit codes: 0 answered · 1 an expectation failed · 2 a mistake in the input · 3 not finished within the horizon "
    "(also when an expectation failed: an unfinished run has not answered) · 130 interrupted."
)


@contextmanager
def _told() -> Iterator[None]:
    """Mistakes in the input end with the message alone; a traceback means a bug of ours."""
    try:
        yield
    except SimulatorError as mistake:
        typer.echo(str(mistake), err=True)
        raise typer.Exit(MISTAKE) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as refused:
        if refused.filename is not None:  # of a file, which `simulator.report.folder` should have told
            raise
        _let_go(sys.stdout)
        if isinstance(refused, BrokenPipeError):
            raise typer.Exit(UNREAD) from None
        typer.echo(f"standard output: cannot be written: {refused.strerror or refused}", err=True)
        raise typer.Exit(MISTAKE) from None


@contextmanager
def uncut() -> Iterator[Callable[[], None]]:
    """Ctrl-C as ever, until what is yielded has been called: from there on it is ignored.

    A command that has been asked to end saves and says what is done, and a further Ctrl-C must not cut that off.
    """
    ending = False

    def end() -> None:
        nonlocal ending
        ending = True

    def heard(number: int, frame: Any) -> None:
        if not ending:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield end
    finally:
        signal.signal(signal.SIGINT, before)


def _let_go(stream: Any) -> None:
    """Turn a stream that refuses its last words to nowhere, or Python complains of them again at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Commands(TyperGroup):
    """The commands; ``--help`` is printed while the context is made."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the command line."""
        with _told():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _told():
            return super().invoke(ctx)


def complete(incomplete: str) -> list[str]:
    """Packaged scenarios whose names begin so."""
    from simulator.scenario import packaged

    return [name for name in packaged() if name.startswith(incomplete)]


Asked = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="Scenario file, or name of a packaged one.", autocompletion=complete)
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one value, e.g. site.pue=1.1; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for the results, by default one below runs/; one without run.json is incomplete.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Instead of the scenario's.", show_default=False)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but mistakes; --json still prints its document.")
]


def console() -> Console:
    """A console for people: 80 to 100 columns wide, nothing in the text taken for markup."""
    from rich.console import Console

    made = Console(markup=False, highlight=False, emoji=False, soft_wrap=False)
    made.width = min(max(made.width, 80), 100) if made.is_terminal else 100
    return made


def print_text(shown: RenderableType) -> None:
    """Print without the spaces that pad a table to its width."""
    screen = console()
    with screen.capture() as captured:
        screen.print(shown, crop=False)  # an address that is cut is no address
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_json(document: Any) -> None:
    """Print a document in its one spelling."""
    from simulator.report.folder import as_json

    typer.echo(as_json(document), nl=False)


def share(written: str) -> float:
    """The value of ``--precision``."""
    from simulator.units import Unit

    try:
        return Unit("", "share of the mean time to train", "1 %", zero=False).parse(written)
    except ValueError as unreadable:
        raise SimulatorError(f"--precision: {unreadable}") from unreadable


class Progress:
    """A bar on stderr, once the replicas have taken a second and somebody is there to see it."""

    def __init__(self, replicas: int, *, shown: bool, of: str = "replicas") -> None:
        import time

        self._replicas, self._of = replicas, of
        self._bar: Any = None
        self._task: Any = None
        self._clock, self._began = time.monotonic, time.monotonic()
        self._shown = shown and replicas > 1 and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int) -> None:
        """So many replicas are done."""
        if self._bar is None and self._shown and self._clock() - self._began > 1:
            self._start()
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(self._of), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._of, total=self._replicas)
        self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
