"""Questions that take more than one run."""

from simulator.study.findings import load

__all__ = ["load"]
