"""Money, energy and carbon: arithmetic on amounts, used by the plan and by the results alike."""

from simulator.economics.cost import Bill, Money, Tariff, bill
from simulator.economics.price import Level, Price
from simulator.economics.site import Site
from simulator.economics.supply import Supply

__all__ = ["Bill", "Level", "Money", "Price", "Site", "Supply", "Tariff", "bill"]
