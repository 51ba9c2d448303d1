"""Published measurements predicted from their inputs, and how far the predictions are off.

::

    file ─read─▶ Row (inputs | measured) ─validate─▶ Outcome ─▶ table.write (predictions.csv), scorecard (groups)
                            inputs only ─predict─▶ Prediction

``training`` does the same for whole runs, ``reliability`` judges published figures of failures and goodput, ``kinds``
tells the files apart.
"""

from __future__ import annotations

from simulator.validation import table
from simulator.validation.kinds import CASES, RUNS, STEPS, Examined, examine, measurements, published
from simulator.validation.outcome import Outcome, validate
from simulator.validation.rows import read
from simulator.validation.scorecard import Scorecard, scorecard

__all__ = [
    "CASES", "RUNS", "STEPS", "Examined", "Outcome", "Scorecard", "examine", "measurements", "published", "read",
    "scorecard", "table", "validate",
]  # fmt: skip
