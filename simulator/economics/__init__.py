"""Money, energy and carbon: arithmetic on amounts, used by the plan and by the results alike."""

from simulator.economics.cost import Bill, Money, Tariff, bill
from simulator.economics.site import Site

__all__ = ["Bill", "Money", "Site", "Tariff", "bill"]
