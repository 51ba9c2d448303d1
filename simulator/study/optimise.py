"""Search a study's factors for the best objective under its constraints: Optuna asks, the sweep answers.

The search is replayed, not resumed: Optuna's sampler begins anew under the study's seed, every answer that the store
already holds comes from there, and so the suggestions are the same ones again.  A search that was killed, or that is to
try more, ends where one that ran through would have ended; nothing of Optuna's needs to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError
from simulator.results.sought import Sought, Trial
from simulator.scenario.expectation import Expectation
from simulator.study.design import Tried
from simulator.study.engines import Engine
from simulator.study.factor import levels
from simulator.study.findings import Finding, findings
from simulator.study.level import Level
from simulator.study.listed import Choice, Values, Variants
from simulator.study.measured import Range
from simulator.study.schema import MEASURES, DesignRequest, Objective, Study
from simulator.study.store import readable
from simulator.study.sweep import sweep
from simulator.study.task import Performer, perform
from simulator.units import quantity

__all__ = ["optimise", "searched"]

_BATCH = 8  # suggestions between two looks at their answers; a constant, so that workers do not change the search
_IMPOSSIBLE = 1e9  # by how much a point without a value breaks its constraints


def searched(study: Study) -> Study:
    """The study as one whose points a search finds.

    Raises
    ------
    SimulatorError
        It has no objective.
    """
    _objective(study)
    return study.model_copy(update={"design": DesignRequest(kind="search", seed=study.design.seed)})


def _objective(study: Study) -> Objective:
    if study.objective is None:
        raise SimulatorError(
            f"{study.name}: expected an objective to search for, e.g. objective: {{minimise: cost}} in the study, or "
            "--minimise cost"
        )
    return study.objective


def optimise(
    study: Study,
    path: Path,
    engine: Engine,
    *,
    trials: int = 100,
    watch: Callable[[int], None] = lambda tried: None,
    performer: Performer = perform,
) -> Sought:
    """Try ``trials`` suggestions, all of them kept in the store at ``path``.

    Listed factors are taken from their lists, ranges and distributions anywhere between their ends; a distribution's
    shape only says where the search looks first.  Answers are means over the replicas, which meet the same weather at
    every point.

    Parameters
    ----------
    watch
        Hears how many suggestions have been tried.

    Raises
    ------
    SimulatorError
        Optuna is not installed, the study has no objective, or the store holds something else.
    """
    study = searched(study)
    objective = _objective(study)
    search = _Search(study, objective)
    tried: dict[tuple[str, ...], int] = {}
    found: list[tuple[Level, ...]] = []
    answers: list[Trial] = []
    asked, interrupted = 0, False
    while asked < trials and not interrupted:
        batch = [search.ask() for _ in range(min(_BATCH, trials - asked))]
        for _, point in batch:
            changes = tuple(change for level in point for change in level.changes)
            if changes not in tried:
                tried[changes] = len(found)
                found.append(point)
        if len(found) > len(answers):
            design = Tried(study.factors, tuple(found))
            interrupted = sweep(study, path, engine, design=design, performer=performer).interrupted
            answers += _answers(study, path, design, len(answers))
        for question, point in batch:
            place = tried[tuple(change for level in point for change in level.changes)]
            if place < len(answers):
                search.tell(question, answers[place])
                asked += 1
        watch(asked)
    factors, constraints = tuple(study.factors), study.constraints.given
    return Sought(objective.goal, objective.output, factors, constraints, tuple(answers), asked, interrupted)


class _Search:
    """Optuna's side: what it is asked and told."""

    def __init__(self, study: Study, objective: Objective) -> None:
        try:
            import optuna  # 0.5 s
        except ImportError as absent:
            raise SimulatorError(
                "optimise: needs Optuna, of the extra `analysis`: pip install 'simgpu[analysis]'"
            ) from absent
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study, self._output = study, objective.output
        sampler = optuna.samplers.TPESampler(seed=study.design.seed % 2**32)
        direction = optuna.study.StudyDirection[objective.goal.replace("ise", "ize").upper()]
        self._optuna = optuna.create_study(sampler=sampler, direction=direction)

    def ask(self) -> tuple[Any, tuple[Level, ...]]:
        """A question and the values it is about."""
        question = self._optuna.ask()
        return question, tuple(_suggested(question, name, factor) for name, factor in self._study.factors.items())

    def tell(self, question: Any, answer: Trial) -> None:
        """What came of it."""
        # what has no value breaks one constraint more, and by more than anything else
        broken = [-slack for slack in answer.slack] or [0.0] * len(self._study.constraints.given)
        for place, by in enumerate([*broken, 0.0 if answer.possible else _IMPOSSIBLE]):
            question.set_constraint(str(place), by)
        self._optuna.tell(question, answer.values.get(self._output) or 0.0)


def _suggested(question: Any, name: str, factor: Any) -> Level:
    """Optuna's suggestion for a factor; numbers in order are asked for as such, names as names."""
    count = levels(factor)
    level: Level
    if not count:
        level = factor.at(name, question.suggest_float(name, 0.0, 1.0))
    elif _ordered(factor):
        level = factor.level(name, question.suggest_int(name, 0, count - 1))
    else:
        level = factor.level(name, question.suggest_categorical(name, list(range(count))))
    return level


def _ordered(factor: Any) -> bool:
    """Whether the values of a list are numbers from small to large, or the other way."""
    if isinstance(factor, Range):
        return True
    if isinstance(factor, Variants):
        return False
    written = factor.root if isinstance(factor, Values) else factor.choice if isinstance(factor, Choice) else ()
    try:
        numbers = [quantity(value) for value in written]
    except ValueError:
        return False
    if len({unit for _, unit in numbers}) != 1:
        return False
    plain = [number for number, _ in numbers]
    return plain in (sorted(plain), sorted(plain, reverse=True))


def _answers(study: Study, path: Path, design: Tried, begin: int) -> list[Trial]:
    """Trials from point ``begin`` on, as far as the store has all of their replicas.

    Raises
    ------
    SimulatorError
        The store holds other points under these numbers.
    """
    trials: list[Trial] = []
    with readable(path) as (db, header):
        for finding in findings(db, header):
            if finding.point < begin:
                continue
            if finding.point >= len(design) or finding.point != begin + len(trials):
                break
            if finding.changes != design.point(finding.point):
                raise SimulatorError(
                    f"{path}: holds a search that went another way, with another release of Optuna perhaps; choose "
                    "another file with --out"
                )
            if finding.replicas + finding.failed < study.runs and study.precision is None:
                break
            reasons = db.execute(
                "SELECT reason FROM tasks WHERE point = ? AND status <> 'done' ORDER BY replica LIMIT 1",
                (finding.point,),
            ).fetchone()
            trials.append(_trial(study, header.outputs, finding, reasons[0] if reasons else ""))
    return trials


def _trial(study: Study, outputs: Sequence[str], finding: Finding, reason: str) -> Trial:
    values, halves = (dict(zip(outputs, each, strict=True)) for each in (finding.means, finding.halves))
    needed = (_objective(study).output, *(MEASURES[bound.metric][0] for bound in study.constraints.given))
    missing = [name for name in needed if values.get(name) is None]
    slack = [] if missing else [_slack(bound, values) for bound in study.constraints.given]
    if missing and not reason:
        reason = f"no {missing[0]}"
    return Trial(finding.point, finding.labels, finding.changes, values, halves, tuple(slack), reason)


def _slack(bound: Expectation, values: dict[str, float | None]) -> float:
    """How far inside a bound a trial is, as a share of the bound; negative: outside."""
    column, unit = MEASURES[bound.metric]
    value = (values[column] or 0.0) * unit
    room = (bound.bound - value) if bound.comparison.startswith("<") else (value - bound.bound)
    relative = room / abs(bound.bound) if bound.bound else room
    return relative if bound.holds(value) else min(relative, -1e-12)
