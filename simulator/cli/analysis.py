"""The commands that ask a study a question: what moves an output, and where it is best."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.studies import (
    Address,
    EngineName,
    JsonLines,
    Lists,
    PlanOnly,
    Precision,
    Replicas,
    StoreOut,
    StudyAsked,
    Workers,
    Yes,
    check_ended,
    check_size,
    engine_of,
    perform,
    study_of,
)
from simulator.cli.terminal import INTERRUPTED, MISSED, AsJson, Progress, Quiet, print_json, print_text, uncut
from simulator.errors import SimulatorError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simulator.study.schema import Study

__all__ = ["optimise", "sensitivity"]


def sensitivity(
    asked: StudyAsked,
    *,
    changes: Lists = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Instead of the study's outputs, e.g. cost.", show_default=False)
    ] = None,
    base: Annotated[
        int | None,
        typer.Option("--points", min=4, max=1_000_000, help="Base points; a power of two.", show_default=False),
    ] = None,
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
    """Say which factors an output hangs on: Sobol indices over the study's ranges and distributions."""
    from simulator.report.sought import moves_most, sensitivity_dict
    from simulator.study.picture import headline
    from simulator.study.sensitivity import analysed, figure, installed, sampled, values_of
    from simulator.study.sweep import default_name

    installed()
    given = {} if output is None else {"outputs": [output]}
    study = study_of(asked, changes, replicas=replicas, precision=precision, plan_only=plan_only, **given)
    study = sampled(study, base=base)
    check_size(study, yes=yes)
    store = out or Path("runs") / default_name(study)
    with uncut() as end:
        with engine_of(engine, workers=workers, address=address, quiet=quiet) as chosen:
            swept = perform(study, store, chosen, end, json_lines=json_lines, quiet=quiet)
        check_ended(swept, store)
    found = [analysed(name, tuple(study.factors), values_of(store, name)) for name in study.outputs]
    named = headline(study.name, study.question)
    pictures = []
    for one in found:
        if one.indices:
            pictures.append(store.with_name(f"{store.stem}-{one.output}.png"))
            _draw(figure(store, one, named), pictures[-1])
    if as_json:
        print_json({"study": study.name, "store": str(store), "outputs": [sensitivity_dict(one) for one in found]})
    elif not quiet:
        typer.echo(f"{named}\n{study.extent}, {study.mode}")
        for one in found:
            typer.echo()
            print_text(moves_most(one, study=asked))
        typer.echo(f"\nfiles: {', '.join(map(str, [store, *pictures]))}")


def _draw(drawn: Figure, path: Path) -> None:
    from simulator.report import figures
    from simulator.report.folder import write

    write(path, partial(figures.save, drawn))


def optimise(
    asked: StudyAsked,
    *,
    changes: Lists = None,
    minimise: Annotated[
        str | None, typer.Option(metavar="OUTPUT", help="Instead of the study's objective.", show_default=False)
    ] = None,
    maximise: Annotated[
        str | None, typer.Option(metavar="OUTPUT", help="Instead of the study's objective.", show_default=False)
    ] = None,
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Points to try.")] = 100,
    replicas: Replicas = None,
    precision: Precision = None,
    plan_only: PlanOnly = False,
    out: StoreOut = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Search a study's factors for the best objective under its constraints; exits 1 when no point keeps them."""
    from simulator.report.search_figures import search as draw
    from simulator.report.sought import as_dict, found_best
    from simulator.study.optimise import optimise as search
    from simulator.study.optimise import searched
    from simulator.study.picture import headline
    from simulator.study.sweep import default_name

    if minimise is not None and maximise is not None:
        raise SimulatorError("expected one of --minimise and --maximise; got both")
    goal = {"minimise": minimise, "maximise": maximise}
    given = {"objective": {k: v for k, v in goal.items() if v}} if minimise or maximise else {}
    study = searched(study_of(asked, changes, replicas=replicas, precision=precision, plan_only=plan_only, **given))
    store = out or Path("runs") / default_name(study)
    with (
        engine_of(engine, workers=workers, address=address, quiet=quiet) as chosen,
        Progress(trials, shown=not quiet, of="trials") as watch,
    ):
        found = search(study, store, chosen, trials=trials, watch=watch)
    if found.interrupted:
        typer.echo(f"interrupted; what is done is kept in {store}, and the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED)
    picture, named = store.with_suffix(".png"), headline(study.name, study.question)
    _draw(draw(found, headline=named), picture)
    if as_json:
        print_json({"study": study.name, "store": str(store), **as_dict(found, partial(_command, study))})
    elif not quiet:
        typer.echo(f"{named}\n{study.mode}, {trials:,} trials\n")
        print_text(found_best(found, partial(_command, study)))
        typer.echo(f"\nfiles: {store}, {picture}")
    if found.best is None:
        raise typer.Exit(MISSED)


def _command(study: Study, changes: Sequence[str]) -> str:
    from simulator.study.findings import reproduced

    many = f" --replicas {study.runs}" if study.runs > 1 else ""
    return reproduced(study.mode, study.base, (*study.fixed, *changes)) + many
