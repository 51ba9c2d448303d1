"""From a scenario to everything that is known before the clock starts."""

from simulator.plan.build import plan
from simulator.plan.explain import Explained, explain
from simulator.plan.levers import Lever, levers, sizes_to_compare
from simulator.plan.model import Plan
from simulator.plan.outlook import Outlook, outlook, usual_rung
from simulator.plan.pareto import Frontier, frontiers
from simulator.plan.points import Point, point, points
from simulator.plan.tornado import Bar, tornado

__all__ = [
    "Bar", "Explained", "Frontier", "Lever", "Outlook", "Plan", "Point", "explain", "frontiers", "levers", "outlook",
    "plan", "point", "points", "sizes_to_compare", "tornado", "usual_rung",
]  # fmt: skip
