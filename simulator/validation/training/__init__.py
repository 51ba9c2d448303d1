"""Whole training runs: accelerator-hours and days from model, tokens and hardware.

The same line as for step times, one floor up::

    file ─read─▶ Run (inputs | measured) ─validate─▶ RunOutcome ─▶ table.write, scorecard
                            inputs only ─predict─▶ RunPrediction
"""

from simulator.validation.training import table
from simulator.validation.training.outcome import RunOutcome, validate
from simulator.validation.training.rows import read
from simulator.validation.training.scorecard import scorecard

__all__ = ["RunOutcome", "read", "scorecard", "table", "validate"]
