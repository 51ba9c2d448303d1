"""The command ``simgpu``: each command is one library call and one way to show it.

Imports stand inside the commands so that ``--help`` is instant.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from simulator.cli import analysis, scenarios, studies
from simulator.cli.terminal import CODES, Commands

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Commands,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="When does a training run end, what does it cost, and what holds it back?",
    epilog=CODES,
)
app.command(epilog=CODES)(scenarios.run)
for _command in (
    scenarios.plan,
    scenarios.tune,
    scenarios.compare,
    studies.sweep,
    studies.results,
    analysis.sensitivity,
    analysis.optimise,
    scenarios.check,
    scenarios.new,
    scenarios.schema,
    scenarios.catalogue,
    scenarios.sources,
    scenarios.validate,
):
    app.command()(_command)


def _version(asked: bool) -> None:
    if asked:
        import simulator

        typer.echo(f"simgpu {simulator.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run ``simgpu``."""
    # A run makes hundreds of thousands of small objects that live to its end; looking for cycles among them every 700
    # costs a tenth of the whole process.
    gc.set_threshold(100_000, 10, 5)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows "?" rather than a traceback
            stream.reconfigure(errors="replace")
    app()
