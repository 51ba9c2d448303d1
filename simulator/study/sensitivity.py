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

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.errors import SimulatorError
from simulator.study.schema import DesignRequest, Study

__all__ = ["Index", "Sensitivity", "analysed", "sampled"]

_BASE = 64  # base points where the study names none
_SEED = 1  # of the bootstrap: the same values have the same intervals
_RESAMPLES = 400
_NARROW = 0.1  # half of an interval that a ranking can rest on


@dataclass(frozen=True, slots=True)
class Index:
    """One factor's indices, each with half of its 95 % interval (bootstrap)."""

    factor: str
    first: float
    first_half: float
    total: float
    total_half: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What an output hangs on, the widest total index first; no indices of an output that never moves."""

    output: str
    base: int  # base points whose values are all known
    dropped: int  # the others
    mean: float
    deviation: float
    indices: tuple[Index, ...]

    @property
    def wanted(self) -> int | None:
        """Base points that would bring the widest interval down to ±0.1; None: it is narrow enough.

        Intervals shrink with the root of the number of points; powers of two keep the sequence balanced.
        """
        widest = max((max(index.first_half, index.total_half) for index in self.indices), default=0.0)
        if widest <= _NARROW:
            return None
        return 1 << math.ceil(math.log2(self.base * (widest / _NARROW) ** 2))


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
    try:
        from SALib.analyze import sobol  # 0.5 s
    except ImportError as absent:
        raise SimulatorError(
            "sensitivity: needs SALib, of the extra `analysis`: pip install 'simgpu[analysis]'"
        ) from absent
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
