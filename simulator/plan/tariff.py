"""What a node costs a second while it stands there: capital, network, facility, people, rent."""

from __future__ import annotations

from simulator.economics import Level, Price, Tariff
from simulator.errors import PlanError
from simulator.hardware import Accelerator, Node
from simulator.plan.parts import Parts

__all__ = ["tariff"]


def tariff(parts: Parts) -> Tariff:
    """Rates for every pool. [USD per node and second, USD/J]

        capital   node price / life of the machines
        network   capital · x / (1 − x), x the network's share of node-and-network capital
        facility  construction per watt · rated IT power / life of the building
        people    staff per watt · pay

    Rent contains all of these and the energy; nothing else is charged for a rented node.  ``money.prices`` moves all of
    them together: a dear plan writes dear machines off over a short life.
    """
    money = parts.scenario.money
    level = money.prices
    opposite: dict[Level, Level] = {"low": "high", "mid": "mid", "high": "low"}
    lasts = opposite[level]
    life = Price.load("server-life").at(lasts) if money.depreciation is None else money.depreciation
    share = Price.load("interconnect-share").at(level) if money.network_share is None else money.network_share
    building = Price.load("datacentre-construction").at(level) / Price.load("building-life").at(lasts)
    staff = Price.load("staff-per-megawatt").at(level) / 1e6 * Price.load("staff-cost").at(level)  # [USD/s per W]
    rented = money.accelerators == "rented"
    capital, network, facility, people, rent = [], [], [], [], []
    for node, accelerator in zip(parts.nodes, parts.accelerators, strict=True):
        rated = node.power * (1 + parts.site.network_power)
        price = 0.0 if rented else _node_price(node, accelerator, parts)
        capital.append(price / life)
        network.append(price / life * share / (1 - share))
        facility.append(0.0 if rented else building * rated)
        people.append(0.0 if rented else staff * rated)
        rent.append(_node_rent(node, accelerator, parts) if rented else 0.0)
    energy = 0.0 if rented else parts.site.energy_price
    bought = tuple((nodes + links) * life for nodes, links in zip(capital, network, strict=True))
    return Tariff(
        tuple(capital), tuple(network), tuple(facility), tuple(people), tuple(rent), energy, price=bought, life=life
    )


def _node_price(node: Node, accelerator: Accelerator, parts: Parts) -> float:
    """Price of a whole node: the scenario's, its own, or its accelerators' times what a server adds."""
    money = parts.scenario.money
    if node.name in money.node_price:
        return money.node_price[node.name]
    if node.price is not None:
        return float(getattr(node.price, money.prices))
    if accelerator.price is not None:
        overhead = Price.load("server-overhead").at(money.prices)
        return float(getattr(accelerator.price, money.prices)) * node.accelerators * overhead
    raise PlanError(
        f"no price is published for {node.name} or its {accelerator.name}; "
        f"expected money.node_price.{node.name} in the scenario, e.g. '1 MUSD', with the reason under evidence"
    )


def _node_rent(node: Node, accelerator: Accelerator, parts: Parts) -> float:
    """Rent of a whole node: the scenario's, its own, or its accelerators'."""
    money = parts.scenario.money
    if money.rent is not None:
        return money.rent * node.accelerators
    if node.rent is not None:
        return node.rent
    if accelerator.rent is not None:
        return float(getattr(accelerator.rent, money.prices)) * node.accelerators
    raise PlanError(
        f"nobody is known to rent out {node.name} or its {accelerator.name}; "
        f"expected money.rent in the scenario, e.g. '2.35 USD/h' per accelerator"
    )
