"""The commands about studies: many what-ifs of one scenario, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.terminal import INTERRUPTED, MISTAKE, AsJson, Quiet, print_json, print_text, share, uncut
from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from simulator.study.engines import Engine
    from simulator.study.findings import Finding, Overview
    from simulator.study.schema import Study
    from simulator.study.sweep import Swept

__all__ = ["results", "sweep"]


def _complete(incomplete: str) -> list[str]:
    from simulator.scenario import packaged

    return [name for kind in ("study", "scenario") for name in packaged(kind) if name.startswith(incomplete)]


StudyAsked = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="Study file, or name of a packaged one; or a scenario.", autocompletion=_complete
    ),
]
Lists = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUES", help="Values to try, e.g. failures.scale=0.5,1,2; one: for all."),
]
StoreAsked = Annotated[Path, typer.Argument(metavar="STORE", help="What simgpu sweep wrote.")]
Replicas = Annotated[
    int | None, typer.Option(min=1, max=1_000_000, help="Runs of each point, under the same seeds.", show_default=False)
]
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Stop a point's replicas once its mean time to train is known that well, e.g. 1%.",
        show_default=False,
    ),
]
PlanOnly = Annotated[bool, typer.Option("--plan-only", help="The expectation in closed form: nothing is simulated.")]
StoreOut = Annotated[
    Path | None,
    typer.Option(
        metavar="STORE", help="File for the results, by default one below runs/; one that is there is gone on with."
    ),
]
EngineName = Annotated[str, typer.Option(metavar="local|dask", help="This machine's cores, or a Dask cluster.")]
Address = Annotated[
    str | None, typer.Option(help="Of the cluster's scheduler, e.g. tcp://10.0.0.1:8786.", show_default=False)
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Processes; default: one a core.", show_default=False)
]
JsonLines = Annotated[bool, typer.Option("--json-lines", help="Progress on stderr as one JSON object a line.")]
Yes = Annotated[bool, typer.Option("--yes", help="Go ahead with more than a million tasks.")]


def study_of(
    asked: str,
    changes: list[str] | None,
    *,
    replicas: int | None = None,
    precision: str | None = None,
    plan_only: bool = False,
    **asked_for: Any,
) -> Study:
    """The study a command line means; ``asked_for`` are other keys of a study file."""
    from simulator.scenario import find, packaged
    from simulator.study.file import is_study, read_study
    from simulator.study.file import study_of as of_scenario

    given: dict[str, Any] = asked_for | {
        "replicas": replicas,
        "precision": None if precision is None else share(precision),
        "mode": "plan" if plan_only else None,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if is_study(asked):
        return read_study(asked, changes=changes or (), **given)
    if asked.removesuffix(".yaml") not in packaged():
        find(asked, kind="scenario" if changes else "study")  # a name that means nothing is told first
    return of_scenario(asked, changes or (), **given)


def sweep(
    asked: StudyAsked,
    *,
    changes: Lists = None,
    replicas: Replicas = None,
    precision: Precision = None,
    plan_only: PlanOnly = False,
    out: StoreOut = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    yes: Yes = False,
    json_lines: JsonLines = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a scenario at many points: a study file, or lists behind --set; what is done already is kept."""
    from simulator.study.sweep import default_name

    study = study_of(asked, changes, replicas=replicas, precision=precision, plan_only=plan_only)
    check_size(study, yes=yes)
    store = out or Path("runs") / default_name(study)
    with uncut() as end:
        with engine_of(engine, workers=workers, address=address, quiet=quiet) as chosen:
            found = perform(study, store, chosen, end, json_lines=json_lines, quiet=quiet)
        figure = None if found.interrupted else store.with_suffix(".png")
        _show(store, as_json=as_json, quiet=quiet, figure=figure)
        check_ended(found, store)


def perform(
    study: Study, store: Path, engine: Engine, end: Callable[[], None], *, json_lines: bool, quiet: bool
) -> Swept:
    """Sweep under the eyes of whoever waits; ``end`` hears of the first Ctrl-C."""
    from simulator.cli.progress import Bar, Lines
    from simulator.study.sweep import sweep

    with Lines() if json_lines else Bar(shown=not quiet) as watch:

        def stopping() -> None:
            end()
            watch.stopping()

        return sweep(study, store, engine, watch=watch, stopping=stopping)


def check_ended(found: Swept, store: Path) -> None:
    """Of a sweep that was interrupted, say what is done and end."""
    if found.interrupted:
        there = found.progress.before + found.progress.done
        typer.echo(
            f"interrupted: {there:,} of {found.progress.total:,} tasks done and kept in {store}; "
            "the same command goes on from there",
            err=True,
        )
        raise typer.Exit(INTERRUPTED)


@contextmanager
def engine_of(name: str, *, workers: int | None, address: str | None, quiet: bool) -> Iterator[Engine]:
    """The engine a command line means."""
    from simulator.study.engines import engine

    if name not in ("local", "dask"):
        raise SimulatorError(f"--engine: expected local or dask; got {name!r}")
    with engine("local" if name == "local" else "dask", workers=workers, address=address) as chosen:
        if chosen.link and not quiet:
            typer.echo(f"what the workers do: {chosen.link}", err=True)
        yield chosen


def check_size(study: Study, *, yes: bool) -> None:
    """Refuse what nobody asks for on purpose, unless told that it is."""
    from simulator.study.schema import LARGE

    tasks = study.size * study.runs
    if tasks > LARGE and not yes:
        raise SimulatorError(
            f"{study.name}: {study.extent} are {tasks:,} tasks; add --yes to go ahead, or draw from them: "
            "design: {kind: sobol, n: 1024}"
        )


def results(
    store: StoreAsked,
    *,
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="Ask in SQL: views results, means, failures.", show_default=False)
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Every task, or the query's rows.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--md", metavar="FILE", help="Every point, or the query's rows.", show_default=False)
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="As --csv; needs pyarrow.", show_default=False)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The study's figure, as PNG.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Summarise what a sweep found: means and their 95 % intervals, the best point, what failed and why."""
    titles: list[str] = []
    rows: list[Any] = []
    if query is not None:
        from simulator.study.findings import query as ask

        titles, rows = ask(store, query)
    if csv is not None or parquet is not None:
        import pandas as pd

        from simulator.study.findings import load

        frame = load(store) if query is None else pd.DataFrame(rows, columns=titles)
        _export(frame, csv=csv, parquet=parquet)
    if markdown is not None:
        from simulator.report.folder import write
        from simulator.report.swept import markdown as lines

        named, said, text = _points(store) if query is None else (titles, rows, len(titles))
        document = "".join(f"{line}\n" for line in lines(named, said, text=text))
        write(markdown, lambda beside: beside.write_text(document, encoding="utf-8"))
    if csv or parquet or markdown:
        typer.echo("files: " + ", ".join(str(path) for path in (csv, parquet, markdown) if path is not None))
    elif query is None:
        _show(store, as_json=as_json, quiet=False, figure=figure)
    elif as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
    else:
        _print_rows(titles, rows)


def _export(frame: Any, *, csv: Path | None, parquet: Path | None) -> None:
    from functools import partial

    from simulator.report.folder import write

    if csv is not None:
        write(csv, partial(frame.to_csv, index=False, lineterminator="\n"))
    if parquet is not None:
        try:
            write(parquet, partial(frame.to_parquet, index=False))
        except ImportError as absent:
            raise SimulatorError(
                "--parquet: needs pyarrow, of the extra `parquet`: pip install 'simgpu[parquet]'"
            ) from absent


def _print_rows(titles: list[str], rows: list[Any]) -> None:
    from simulator.report.tables import table

    numbers = [at for at in range(len(titles)) if all(isinstance(row[at], int | float | None) for row in rows)]
    made = table(*titles, right=numbers)
    for row in rows[:_MOST_ROWS]:
        made.add_row(*("–" if value is None else str(value) for value in row))
    print_text(made)
    if len(rows) > _MOST_ROWS:
        typer.echo(f"and {len(rows) - _MOST_ROWS:,} more; --csv FILE writes them all", err=True)


_MOST_ROWS = 1000


def _points(store: Path) -> tuple[list[str], Iterable[list[str]], int]:
    """Titles and rows of the table of all points, and how many columns of it are text."""
    from simulator.report.swept import cells
    from simulator.study.findings import findings
    from simulator.study.store import readable

    with readable(store) as (_, header):
        titles = [*header.factors, "replicas", *header.outputs]

    def rows() -> Iterator[list[str]]:
        with readable(store) as (db, header):
            for one in findings(db, header):
                yield cells(header.outputs, (one.labels, one.replicas, one.means, one.halves))

    return titles, rows(), len(header.factors)


def _show(store: Path, *, as_json: bool, quiet: bool, figure: Path | None = None) -> None:
    from simulator.study.findings import overview

    found = overview(store)
    drawn = figure is not None and _draw(store, found.by, figure)
    if as_json:
        print_json(_document(found, store))
    elif not quiet:
        _print_overview(found, store)
        if drawn:
            typer.echo(f"figure: {figure}")
    if not found.done and (found.failed or found.lost):
        raise typer.Exit(MISTAKE)


def _draw(store: Path, output: str, figure: Path) -> bool:
    """Write the figure of an output, if it has one; without one, none of another study stays."""
    from functools import partial

    from simulator.report import figures
    from simulator.report.folder import remove, write
    from simulator.study.picture import picture

    drawn = picture(store, output)
    if drawn is None:
        remove(figure)
    else:
        write(figure, partial(figures.save, drawn))
    return drawn is not None


def _document(found: Overview, store: Path) -> dict[str, Any]:
    header = found.header

    def plain(one: Finding) -> dict[str, Any]:
        from simulator.study.findings import command

        values = {name: {"mean": mean, "half_width": half} for name, mean, half in
                  zip(header.outputs, one.means, one.halves, strict=True)}  # fmt: skip
        labels = dict(zip(header.factors, one.labels, strict=True))
        return {"point": one.point, "factors": labels, "replicas": one.replicas, "failed": one.failed, **values,
                "command": command(header, one.changes)}  # fmt: skip

    return {
        "study": header.study,
        "question": header.question,
        "simgpu": header.simgpu,
        "store": str(store),
        "tasks": {"asked": header.asked, "done": found.done, "failed": found.failed, "lost": found.lost},
        "best": None if found.best is None else plain(found.best),
        "by": found.by,
        "points": [plain(one) for one in found.shown],
        "failures": [
            {"reason": one.reason, "status": one.status, "tasks": one.tasks, "first_point": one.point}
            for one in found.failures
        ],
    }


def _print_overview(found: Overview, store: Path) -> None:
    import simulator
    from simulator.report import swept
    from simulator.study.findings import command

    header = found.header
    parts = [f"{found.done:,} of {'at most ' if header.precision else ''}{header.asked:,} tasks done"]
    parts += [f"{number:,} {word}" for number, word in ((found.failed, "failed"), (found.lost, "lost")) if number]
    named = header.question if header.question.startswith(header.study) else f"{header.study}: {header.question}"
    typer.echo(f"{named}\n{', '.join(parts)}; {header.mode}, simgpu {header.simgpu}\n")
    if found.best is not None:
        rows = [(one.labels, one.replicas, one.means, one.halves) for one in found.shown]
        print_text(swept.answers(header.factors, header.outputs, rows, found.best.labels))
        best = f"{'most' if found.most else 'least'} {found.by}"
        few = f"the {len(found.shown)} best of {found.points:,} points; " if len(found.shown) < found.points else ""
        typer.echo(f"\n{few}* {best}: {command(header, found.best.changes)}")
    if found.failures:
        typer.echo()
        print_text(swept.failed((one.tasks, one.reason, command(header, one.changes)) for one in found.failures[:20]))
    typer.echo(f"\nstore: {store}; simgpu results {store} shows this again, --query asks it in SQL")
    if header.simgpu != simulator.__version__:
        typer.echo(f"{store}: filled by simgpu {header.simgpu}; this is {simulator.__version__}", err=True)
