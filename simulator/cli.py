"""The command ``simgpu``: each command is one library call and one way to show it.

Results go to stdout, messages to stderr.  Imports stand inside the commands so that ``--help`` is instant.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from simulator.plan import Frontier
    from simulator.run import RunResult

__all__ = ["app", "main"]

ANSWERED, MISSED, MISTAKE, UNFINISHED, INTERRUPTED = 0, 1, 2, 3, 130
UNREAD = 141  # as of a process that SIGPIPE ended: whoever read the output, e.g. `head`, has heard enough
_CODES = (
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


def _let_go(stream: Any) -> None:
    """Turn a stream that refuses its last words to nowhere, or Python complains of them again at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Commands(TyperGroup):
    """The commands; ``--help`` is printed while the context is made."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _told():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _told():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="When does a training run end, what does it cost, and what holds it back?",
    epilog=_CODES,
)


def _complete(incomplete: str) -> list[str]:
    from simulator.scenario import packaged

    return [name for name in packaged() if name.startswith(incomplete)]


Asked = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="Scenario file, or name of a packaged one.", autocompletion=_complete)
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


def _console() -> Console:
    """A console for people: 80 to 100 columns wide, nothing in the text taken for markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=False)
    console.width = min(max(console.width, 80), 100) if console.is_terminal else 100
    return console


def _print(shown: RenderableType) -> None:
    """Print without the spaces that pad a table to its width."""
    console = _console()
    with console.capture() as captured:
        console.print(shown, crop=False)  # an address that is cut is no address
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _print_json(document: Any) -> None:
    from simulator.report.folder import as_json

    typer.echo(as_json(document), nl=False)


@app.command(epilog=_CODES)
def run(
    asked: Asked,
    *,
    changes: Changes = None,
    as_json: AsJson = False,
    out: Out = None,
    seed: Seed = None,
    replicas: Annotated[int, typer.Option(min=1, max=1_000_000, help="Runs under seeds of their own.")] = 1,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Stop at the replica from which the mean time to train is known that well, e.g. 1%.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes that share many replicas.")] = 1,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario: when it ends, what it costs, what holds it back."""
    from simulator.report.folder import check_writable
    from simulator.report.text import answer
    from simulator.run import run as run_scenario

    check_writable(out or Path("runs"))
    with _Progress(replicas, shown=not quiet) as progress:
        result = run_scenario(
            asked,
            changes=changes or (),
            seed=seed,
            replicas=replicas,
            precision=None if precision is None else _share(precision),
            workers=workers,
            out=out,
            progress=progress,
        )
    folder = out or Path("runs") / result.folder_name
    if out is None:
        result.write(folder)
    if as_json:
        _print_json({**result.to_dict(), "folder": str(folder)})
    elif not quiet:
        _print(answer(result.answer(folder)))
    raise typer.Exit(_code(result))


def _share(written: str) -> float:
    from simulator.units import Unit

    try:
        return Unit("", "share of the mean time to train", "1 %", zero=False).parse(written)
    except ValueError as unreadable:
        raise SimulatorError(f"--precision: {unreadable}") from unreadable


def _code(result: RunResult) -> int:
    done, asked = len(result.ensemble), result.ensemble.asked
    if done < asked:
        typer.echo(f"interrupted: {done} of {asked} replicas done and kept", err=True)
        return INTERRUPTED
    if not result.finished:
        return UNFINISHED
    return ANSWERED if result.kept else MISSED


class _Progress:
    """A bar on stderr, once the replicas have taken a second and somebody is there to see it."""

    def __init__(self, replicas: int, *, shown: bool) -> None:
        import time

        self._replicas = replicas
        self._bar: Any = None
        self._task: Any = None
        self._clock, self._began = time.monotonic, time.monotonic()
        self._shown = shown and replicas > 1 and sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        return self

    def __call__(self, done: int) -> None:
        if self._bar is None and self._shown and self._clock() - self._began > 1:
            self._start()
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("replicas"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("replicas", total=self._replicas)
        self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


@app.command()
def plan(
    asked: Asked,
    *,
    changes: Changes = None,
    as_json: AsJson = False,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Instead: step time against memory left, and against accelerators.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --pareto: folder for the figure, pareto.png.", show_default=False),
    ] = None,
) -> None:
    """Show what is known before anything breaks: step time, layout and why, memory, the failure-free answer."""
    from simulator.plan import explain, frontiers, outlook
    from simulator.plan import plan as make_plan
    from simulator.report.planned import as_dict, planned
    from simulator.scenario import read

    if out is not None and not pareto:
        raise SimulatorError("--out: expected together with --pareto, whose figure it is for")
    scenario = read(asked, changes=changes or ())
    made = make_plan(scenario)
    if pareto:
        _show_frontiers(frontiers(scenario, made), as_json=as_json, out=out)
        return
    reasons, best, expected = explain(scenario, made), outlook(made, failures=False), outlook(made)
    if as_json:
        _print_json(as_dict(made, reasons, best=best, expected=expected))
    else:
        _print(planned(made, reasons, best=best, expected=expected, ascii_only=_console().options.ascii_only))


def _show_frontiers(found: Sequence[Frontier], *, as_json: bool, out: Path | None) -> None:
    from functools import partial

    from simulator.report import traded
    from simulator.report.folder import check_writable, write

    if out is not None:
        from simulator.report import figures

        check_writable(out)
        write(out / "pareto.png", partial(figures.save, figures.pareto(found)))
    if as_json:
        _print_json(traded.as_dict(found))
    else:
        _print(traded.traded(found))
        if out is not None:
            typer.echo(f"\nfiles: {out / 'pareto.png'}")


@app.command()
def tune(
    asked: Asked,
    *,
    changes: Changes = None,
    goal: Annotated[str, typer.Option("--for", metavar="cost|time", help="What is to be least.")] = "cost",
    replicas: Annotated[int, typer.Option(min=1, max=100_000, help="Runs for each number of spares.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Find the checkpoint interval, spares and hot standbys that cost least or take least time."""
    from simulator.report.tuned import as_dict, tuned
    from simulator.scenario import read
    from simulator.study.tune import tune as search

    if goal not in ("cost", "time"):
        raise SimulatorError(f"--for: expected cost or time; got {goal!r}")
    found = search(read(asked, changes=changes or ()), goal="time" if goal == "time" else "cost", replicas=replicas)
    if as_json:
        _print_json(as_dict(found))
    else:
        _print(tuned(found))


@app.command()
def compare(
    asked: Annotated[list[str], typer.Argument(metavar="SCENARIO…", autocompletion=_complete)],
    *,
    changes: Changes = None,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--md", help="A Markdown table instead of text.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for table and figure.")] = Path("runs/compare"),
    seed: Seed = None,
) -> None:
    """Put scenarios side by side in a table and a figure; --set applies to all of them."""
    from functools import partial

    from simulator.errors import ScenarioError
    from simulator.report import figures, listing
    from simulator.report.folder import check_writable, remove, write
    from simulator.scenario import read
    from simulator.study.compare import compare as run_all

    check_writable(out)
    scenarios, faults = [], []
    for one in asked:
        try:
            scenarios.append(read(one, changes=changes or ()))
        except ScenarioError as mistaken:
            faults += [fault for fault in mistaken.faults if fault not in faults]
    if faults:
        raise ScenarioError(faults)
    frame = run_all(scenarios, seed=seed)
    remove(out / "compare.png")  # it would show other scenarios than the table, should this end before its own
    write(out / "compare.csv", partial(frame.to_csv, index=False, lineterminator="\n"))
    possible = frame[frame["problem"] == ""]
    files = [out / "compare.csv"]
    if len(possible):
        files.append(out / "compare.png")
        write(files[-1], partial(figures.save, figures.compare(possible)))
    if as_json:
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        _print_json({"scenarios": rows, "folder": str(out)})
    elif markdown:
        typer.echo(listing.markdown(frame), nl=False)
    else:
        _print(listing.comparison(frame))
        typer.echo(f"\nfiles: {', '.join(map(str, files))}")
    if len(possible) < len(frame):
        typer.echo(f"{len(frame) - len(possible)} of {len(frame)} scenarios cannot be planned", err=True)
        raise typer.Exit(MISTAKE)


@app.command()
def check(files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Scenario files or names.")]) -> None:
    """Validate scenarios without running them; reports every mistake in all of them."""
    from simulator.errors import ScenarioError
    from simulator.plan import plan as make_plan
    from simulator.plan.queue import queue_plan
    from simulator.scenario import read

    wrong = False
    for file in files:
        try:
            scenario = read(file)
            queue_plan(scenario, make_plan(scenario).pools)
        except ScenarioError as mistake:  # names file and line itself
            wrong = True
            typer.echo(str(mistake), err=True)
        except SimulatorError as mistake:
            wrong = True
            typer.echo(f"{file}: {mistake}", err=True)
        else:
            typer.echo(f"{file}: valid")
    if wrong:
        raise typer.Exit(MISTAKE)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the new scenario; the file is NAME.yaml, in this folder.")],
    parent: Annotated[str, typer.Option("--from", metavar="SCENARIO", help="What it starts from.")],
) -> None:
    """Write a commented scenario file to start from."""
    from simulator.report.folder import write
    from simulator.scenario import starter

    name = name.removesuffix(".yaml").removesuffix(".yml")
    text, path = starter(name, parent), Path(f"{name}.yaml")
    if path.exists():
        raise SimulatorError(f"{path}: exists already; choose another name, or remove it first")
    write(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    typer.echo(f"{path} written; simgpu check {path} validates it, simgpu run {path} answers it")


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")] = None,
) -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from simulator.report.folder import write
    from simulator.scenario import schema_text

    if out is None:
        typer.echo(schema_text(), nl=False)
    else:
        write(out, lambda beside: beside.write_text(schema_text(), encoding="utf-8"))


@app.command()
def catalogue(
    shelf: Annotated[str | None, typer.Argument(help="E.g. accelerators.")] = None,
    name: Annotated[str | None, typer.Argument(help="E.g. H100-SXM; aliases work.")] = None,
) -> None:
    """List the shelves, the entries of one, or one entry with its units and references."""
    from simulator.report import listing

    if shelf is None:
        _print(listing.shelves())
    elif name is None:
        _print(listing.shelf(shelf))
    else:
        _print(listing.entry(shelf, name))


@app.command()
def sources(asked: Asked, changes: Changes = None) -> None:
    """Print the bibliography of a scenario: what its numbers rest on."""
    from simulator.plan import plan as make_plan
    from simulator.report import listing
    from simulator.scenario import read

    scenario = read(asked, changes=changes or ())
    made = make_plan(scenario)
    _print(listing.rests_on(scenario.evidence, made.references))


@app.command()
def validate(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Measurements (CSV) or cases (YAML); default: those of the checkout."),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A CSV file with one prediction a row; other kinds beside it.")
    ] = None,
    as_json: AsJson = False,
    by: Annotated[
        str, typer.Option(metavar="COLUMNS", help="Groups: source, accelerator, precision, model, framework.")
    ] = "",
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Predicted against measured, as PNG.")] = None,
) -> None:
    """Predict measured step times, whole runs or figures of reliability from their inputs; say how far off that is."""
    from functools import partial

    from simulator.report.folder import check_writable, write
    from simulator.report.scored import scored
    from simulator.validation import examine, published

    for wanted in filter(None, (out, figure)):
        check_writable(wanted.parent)
    asked = {str(file): file} if file else published()
    groups = [name.strip() for name in by.split(",") if name.strip()]
    found = [examine(path, shown=shown, by=groups) for shown, path in asked.items()]
    if out is not None:
        for one in found:
            write(out if one is found[0] else out.with_stem(f"{out.stem}-{one.document['kind']}"), one.write)
    if figure is not None:
        from simulator.report import figures

        drawn = {one.document["kind"]: one.frame() for one in found if one.points is not None}
        if not drawn:
            raise SimulatorError(f"--figure: expected measurements to draw; {file} has verdicts only")
        write(figure, partial(figures.save, figures.validation(drawn)))
    if as_json:
        _print_json(found[0].document | ({} if file else {"also": [one.document for one in found[1:]]}))
    else:
        for one in found:
            _print(scored(one.document))


def main() -> None:
    """Run ``simgpu``."""
    # A run makes hundreds of thousands of small objects that live to its end; looking for cycles among them every 700
    # costs a tenth of the whole process.
    gc.set_threshold(100_000, 10, 5)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows "?" rather than a traceback
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
