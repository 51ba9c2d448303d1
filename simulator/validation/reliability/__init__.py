"""Published figures of reliability as cases: what was printed, what is predicted, and whether the two agree.

::

    cases.yaml ─read─▶ Case (says, published, source, by) ─judge─▶ Judged (predicted, verdict) ─▶ table, document
"""

from simulator.validation.reliability import table
from simulator.validation.reliability.cases import Case, read
from simulator.validation.reliability.verdict import Judged, document, judge

__all__ = ["Case", "Judged", "document", "judge", "read", "table"]
