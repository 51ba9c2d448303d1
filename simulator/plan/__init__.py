"""From a scenario to everything that is known before the clock starts."""

from simulator.plan.build import plan
from simulator.plan.levers import Lever, levers
from simulator.plan.model import Plan
from simulator.plan.outlook import Outlook, outlook
from simulator.plan.tornado import Bar, tornado

__all__ = ["Bar", "Lever", "Outlook", "Plan", "levers", "outlook", "plan", "tornado"]
