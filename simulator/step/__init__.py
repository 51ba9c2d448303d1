"""How long one optimizer step takes, on machines of every kind, and where the time goes."""

from simulator.step.fitting import Answer, evaluate
from simulator.step.layout import Layout, Layouts
from simulator.step.machine import Machine, machine, slowest
from simulator.step.memory import Memory
from simulator.step.search import fastest, fastest_of
from simulator.step.timing import StepTime

__all__ = [
    "Answer", "Layout", "Layouts", "Machine", "Memory", "StepTime", "evaluate", "fastest", "fastest_of", "machine",
    "slowest",
]  # fmt: skip
