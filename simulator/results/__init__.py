"""What a log means: tables with units, one run's summary, many runs' spread."""

from simulator.results.ensemble import Ensemble, Statistic
from simulator.results.summary import JobSummary, Summary, summarise

__all__ = ["Ensemble", "JobSummary", "Statistic", "Summary", "summarise"]
