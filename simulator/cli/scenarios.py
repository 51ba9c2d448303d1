"""The commands about scenarios, and about what their answers rest on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.terminal import (
    ANSWERED,
    INTERRUPTED,
    MISSED,
    MISTAKE,
    UNFINISHED,
    AsJson,
    Asked,
    Changes,
    Out,
    Progress,
    Quiet,
    Seed,
    complete,
    console,
    print_json,
    print_text,
    share,
)
from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from simulator.plan import Frontier
    from simulator.run import RunResult

__all__ = ["catalogue", "check", "compare", "new", "plan", "run", "schema", "sources", "tune", "validate"]


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
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Processes that may share the replicas, when that is faster; default: one a processor.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario: when it ends, what it costs, what holds it back."""
    from simulator.report.folder import check_writable
    from simulator.report.text import answer
    from simulator.run import run as run_scenario

    check_writable(out or Path("runs"))
    if replicas > 1 and workers is None:
        from joblib import cpu_count

        workers = cpu_count()
    with Progress(replicas, shown=not quiet) as progress:
        result = run_scenario(
            asked,
            changes=changes or (),
            seed=seed,
            replicas=replicas,
            precision=None if precision is None else share(precision),
            workers=workers or 1,
            out=out,
            progress=progress,
        )
    folder = out or Path("runs") / result.folder_name
    if out is None:
        result.write(folder)
    if as_json:
        print_json({**result.to_dict(), "folder": str(folder)})
    elif not quiet:
        print_text(answer(result.answer(folder)))
    if result.stepwise and not quiet:
        typer.echo(f"replicas were simulated event by event, the slow way, for {', '.join(result.stepwise)}", err=True)
    raise typer.Exit(_code(result))


def _code(result: RunResult) -> int:
    done, asked = len(result.ensemble), result.ensemble.asked
    if done < asked:
        typer.echo(f"interrupted: {done} of {asked} replicas done and kept", err=True)
        return INTERRUPTED
    if not result.finished:
        return UNFINISHED
    return ANSWERED if result.kept else MISSED


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
    from simulator.plan import explain, frontiers, outlook, point
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
    reasons, row = explain(scenario, made), point(scenario)
    best, expected = outlook(made, failures=False), outlook(made)
    if as_json:
        print_json(as_dict(made, reasons, best=best, expected=expected, row=row))
    else:
        ascii_only = console().options.ascii_only
        print_text(planned(made, reasons, best=best, expected=expected, row=row, ascii_only=ascii_only))


def _show_frontiers(found: Sequence[Frontier], *, as_json: bool, out: Path | None) -> None:
    from functools import partial

    from simulator.report import traded
    from simulator.report.folder import check_writable, write

    if out is not None:
        from simulator.report import figures

        check_writable(out)
        write(out / "pareto.png", partial(figures.save, figures.pareto(found)))
    if as_json:
        print_json(traded.as_dict(found))
    else:
        print_text(traded.traded(found))
        if out is not None:
            typer.echo(f"\nfiles: {out / 'pareto.png'}")


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
        print_json(as_dict(found))
    else:
        print_text(tuned(found))


def compare(
    asked: Annotated[list[str], typer.Argument(metavar="SCENARIO…", autocompletion=complete)],
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
        print_json({"scenarios": rows, "folder": str(out)})
    elif markdown:
        typer.echo(listing.markdown(frame), nl=False)
    else:
        print_text(listing.comparison(frame))
        typer.echo(f"\nfiles: {', '.join(map(str, files))}")
    if len(possible) < len(frame):
        typer.echo(f"{len(frame) - len(possible)} of {len(frame)} scenarios cannot be planned", err=True)
        raise typer.Exit(MISTAKE)


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Scenario or study files, or names of them.")],
) -> None:
    """Validate scenarios and studies without running them; reports every mistake in all of them."""
    from simulator.errors import ScenarioError
    from simulator.study.file import is_study

    wrong = False
    for file in files:
        try:
            said = _valid_study(file) if is_study(file) else _valid_scenario(file)
        except ScenarioError as mistake:  # names file and line itself
            wrong = True
            typer.echo(str(mistake), err=True)
        except SimulatorError as mistake:
            wrong = True
            typer.echo(f"{file}: {mistake}", err=True)
        else:
            typer.echo(f"{file}: {said}")
    if wrong:
        raise typer.Exit(MISTAKE)


def _valid_scenario(file: str) -> str:
    from simulator.plan import plan as make_plan
    from simulator.plan.queue import queue_plan
    from simulator.scenario import read

    scenario = read(file)
    queue_plan(scenario, make_plan(scenario).pools)
    return "valid"


def _valid_study(file: str) -> str:
    from simulator.study.file import read_study

    study = read_study(file)
    return "\n".join((f"valid, {study.extent}", *(f"{file}: {note}" for note in study.remarks)))


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


def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")] = None,
    *,
    study: Annotated[bool, typer.Option("--study", help="Of study files instead.")] = False,
) -> None:
    """Print the JSON Schema of scenario or study files, for editors."""
    from simulator.report.folder import write
    from simulator.scenario import schema_text
    from simulator.study.json_schema import study_schema_text

    text = study_schema_text() if study else schema_text()
    if out is None:
        typer.echo(text, nl=False)
    else:
        write(out, lambda beside: beside.write_text(text, encoding="utf-8"))


def catalogue(
    shelf: Annotated[str | None, typer.Argument(help="E.g. accelerators.")] = None,
    name: Annotated[str | None, typer.Argument(help="E.g. H100-SXM; aliases work.")] = None,
) -> None:
    """List the shelves, the entries of one, or one entry with its units and references."""
    from simulator.report import listing

    if shelf is None:
        print_text(listing.shelves())
    elif name is None:
        print_text(listing.shelf(shelf))
    else:
        print_text(listing.entry(shelf, name))


def sources(asked: Asked, changes: Changes = None) -> None:
    """Print the bibliography of a scenario: what its numbers rest on."""
    from simulator.plan import plan as make_plan
    from simulator.report import listing
    from simulator.scenario import read

    scenario = read(asked, changes=changes or ())
    made = make_plan(scenario)
    print_text(listing.rests_on(scenario.evidence, made.references))


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
        print_json(found[0].document | ({} if file else {"also": [one.document for one in found[1:]]}))
    else:
        for one in found:
            print_text(scored(one.document))
