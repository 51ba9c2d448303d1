"""Published measurements predicted from their inputs, and how far the predictions are off.

::

    file ─read─▶ Row (inputs | measured) ─validate─▶ Outcome ─▶ table.write (predictions.csv), scorecard (groups)
                            inputs only ─predict─▶ Prediction
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import SimulatorError
from simulator.validation import table
from simulator.validation.outcome import Outcome, validate
from simulator.validation.rows import read
from simulator.validation.scorecard import Scorecard, scorecard

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outcome", "Scorecard", "frame", "measurements", "read", "scorecard", "table", "validate"]


def measurements() -> Path:
    """The rows that come with a checkout.

    Raises
    ------
    SimulatorError
        An installed package does not carry them.
    """
    path = Path(__file__).parents[2] / "seeds" / "measurements" / "throughput.csv"
    if not path.is_file():
        raise SimulatorError(
            "FILE: expected a CSV file of measurements; the published ones are in seeds/measurements/ of a checkout "
            "and are not installed with the package"
        )
    return path


def frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """What can be drawn: family, measured and predicted tokens per second of each row that has both."""
    import pandas as pd

    rows = [
        (one.prediction.family, one.measured, one.prediction.tokens_per_s)
        for one in outcomes
        if one.prediction is not None and one.measured is not None
    ]
    return pd.DataFrame(rows, columns=["family", "measured", "predicted"])
