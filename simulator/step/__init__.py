"""How long one optimizer step takes, on machines of every kind, and where the time goes."""

from simulator.step.fitting import Answer, evaluate
from simulator.step.layout import Layout, Layouts
from simulator.step.machine import Machine, machine, sliced, slowed, slowest
from simulator.step.memory import Memory
from simulator.step.search import fastest, fastest_of
from simulator.step.shares import Share, balanced, rebalanced
from simulator.step.timing import StepTime

__all__ = [
    "Answer", "Layout", "Layouts", "Machine", "Memory", "Share", "StepTime", "balanced", "evaluate", "fastest",
    "fastest_of", "machine", "rebalanced", "sliced", "slowed", "slowest",
]  # fmt: skip
