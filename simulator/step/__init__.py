"""How long one optimizer step takes, on machines of every kind, and where the time goes."""

from simulator.step.layout import Layout
from simulator.step.memory import Memory
from simulator.step.timing import StepTime

__all__ = ["Layout", "Memory", "StepTime"]
