"""Which factors an output hangs on: Sobol's indices of first and total order.

Of an output's variance V over the study's distributions, the first-order index is what factor i explains alone, the
total index what would remain if all others were known:

    S_i = V[E(Y | X_i)] / V        T_i = 1 − V[E(Y | X_~i)] / V

Both are estimated from n base points and n more for each factor, in which that factor alone is drawn anew (Saltelli's
design).  Indices that add up to one mean that factors act one by one; what totals have beyond that acts jointly.

Source
------
SALib's documentation of ``SALib.analyze.sobol``, which does the arithmetic, and the papers it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.errors import SimulatorError
from simulator.results.sensitivity import Index, Sensitivity
from simulator.study.findings import findings, load
from simulator.study.schema import DesignRequest, Study
from simulator.study.store import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["analysed", "figure", "installed", "sampled", "values_of"]

_BASE = 64  # base points where the study names none
_SEED = 1  # of the bootstrap: the same values have the same intervals
_RESAMPLES = 400


def installed() -> Any:
    """SALib's analysis.

    Raises
    ------
    SimulatorError
        It is not installed.
    """
    try:
        from SALib.analyze import sobol  # 0.5 s
    except ImportError as absent:
        raise SimulatorError(
            "sensitivity: needs SALib, of the extra `analysis`: pip install 'simgpu[analysis]'"
        ) from absent
    return sobol


def sampled(study: Study, *, base: int | None = None) -> Study:
    """The study at the points that indices are computed from.

    Parameters
    ----------
    base
        Base points; default: those of a ``saltelli`` design, else 64.

    Raises
    ------
    SimulatorError
        There is but one factor, which explains everything.
    """
    if len(study.factors) < 2:
        raise SimulatorError(f"{study.name}: expected two factors or more to compare; got one, which explains it all")
    n = base or (study.design.n if study.design.kind == "saltelli" else None) or _BASE
    return study.model_copy(update={"design": DesignRequest(kind="saltelli", n=n, seed=study.design.seed)})


def values_of(path: Path, output: str) -> np.ndarray:
    """The mean of an output at every point of a store, NaN where there is none."""
    with readable(path) as (db, header):
        values = np.full(header.points, np.nan)
        place = header.outputs.index(output)
        for finding in findings(db, header):
            mean = finding.means[place]
            values[finding.point] = np.nan if mean is None else mean
    return values


def figure(path: Path, found: Sensitivity, headline: str) -> Figure:
    """How far each factor moves an output, and its indices."""
    from simulator.report.search_figures import sensitivity

    return sensitivity(load(path), found, headline=headline)


def analysed(output: str, factors: Sequence[str], values: np.ndarray) -> Sensitivity:
    """The indices of an output.

    Parameters
    ----------
    values
        The output at the points of :func:`sampled`, in their order; NaN where there is none.  A base point whose
        neighbours are not all known is left out with them.

    Raises
    ------
    SimulatorError
        SALib is not installed, or less than half of the base points are whole.
    """
    sobol = installed()
    groups = values.reshape(-1, len(factors) + 2)
    whole = np.isfinite(groups).all(axis=1)
    known = groups[whole].ravel()
    base, dropped = int(whole.sum()), int((~whole).sum())
    if base < 4 or dropped > base:
        raise SimulatorError(
            f"sensitivity: expected a value of {output} at most points; {dropped} of {len(whole)} base points have "
            "none, or a neighbour without one: narrow the ranges to what is possible"
        )
    mean, deviation = float(known.mean()), float(known.std())
    if deviation <= 1e-12 * abs(mean):
        return Sensitivity(output, base, dropped, mean, 0.0, ())
    problem = {"num_vars": len(factors), "names": list(factors), "bounds": [[0.0, 1.0]] * len(factors)}
    found = sobol.analyze(problem, known, calc_second_order=False, num_resamples=_RESAMPLES, seed=_SEED)
    columns = (found[key].tolist() for key in ("S1", "S1_conf", "ST", "ST_conf"))
    indices = [Index(*row) for row in zip(factors, *columns, strict=True)]
    ordered = tuple(sorted(indices, key=lambda index: (-index.total, index.factor)))
    return Sensitivity(output, base, dropped, mean, deviation, ordered)
