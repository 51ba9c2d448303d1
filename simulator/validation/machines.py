"""The machine of a row: accelerator, node and fabric from the catalogue, with the interfaces the row names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache

from simulator import catalogue
from simulator.errors import CatalogueError
from simulator.hardware import Accelerator, Fabric, Node
from simulator.step import Machine, machine, sliced
from simulator.validation.filling import precision
from simulator.validation.names import accelerator_named
from simulator.validation.rows import Inputs, UnreadableError
from simulator.validation.wires import bandwidth, fabric, inside, slices

__all__ = ["Found", "accelerator", "found"]

_LINK = {
    "volta": 25e9,
    "ampere": 25e9,
    "hopper": 25e9,
    "blackwell": 50e9,
    "blackwell-ultra": 50e9,
}  # one NVLink, one direction [B/s]
_LARGEST_BOX = 16  # accelerators whose scale-up links end at the node; above it racks and pods
_PORTS_ON_DIE = ("gaudi",)  # their own Ethernet ports carry the gradients


@dataclass(frozen=True, slots=True)
class Found:
    """A row's machine and the columns that were filled for it."""

    machine: Machine
    accelerator: Accelerator
    precision: str
    kin: str  # its family, or the families that are scored together: the generations of one maker's design
    box: int  # accelerators of a node
    slice: int | None  # accelerators a torus joins, where a job spans several
    filled: tuple[str, ...]


@cache
def accelerator(name: str) -> Accelerator:
    """The catalogue's accelerator of this name, alias or spelling.

    Raises
    ------
    UnreadableError
        There is none; names the nearest.
    """
    if not name:
        raise UnreadableError("accelerator: not stated")
    try:
        return Accelerator.load(name)
    except CatalogueError:
        spelled = accelerator_named(name[:200])
        if spelled is not None:
            return Accelerator.load(spelled)
        by_case = {known.casefold(): known for known in catalogue.names("accelerators")}
        near = get_close_matches(name.casefold()[:60], by_case, n=3, cutoff=0.3)
        hint = f"; the nearest are {', '.join(by_case[one] for one in near)}" if near else ""
        raise UnreadableError(f"accelerator: {name[:60]!r} is not in the catalogue{hint}") from None


@cache
def _nodes() -> tuple[Node, ...]:
    return tuple(Node.load(name) for name in catalogue.names("nodes"))


@cache
def _node(name: str, per_node: int | None) -> Node:
    """The node with this accelerator, of that many where there are several; else one of the same family.

    Of a family the node whose accelerator was released nearest in time.
    """
    own = [node for node in _nodes() if accelerator(node.accelerator).name == name]
    if not own:
        this = accelerator(name)
        kin = [node for node in _nodes() if accelerator(node.accelerator).family == this.family]
        own = sorted(kin, key=lambda node: abs(accelerator(node.accelerator).released - this.released))
    if not own:
        raise UnreadableError(f"accelerator: the catalogue has no node with {name} or another of its family")
    return next((node for node in own if node.accelerators == per_node), own[0])


def found(inputs: Inputs) -> Found:
    """The machine a row ran on."""
    chip = accelerator(inputs.accelerator)
    return _found(
        chip.name, inputs.precision, inputs.accelerators_per_node, inputs.interconnect_intra, inputs.interconnect_inter,
        slices(inputs.zero_stage_or_fsdp, inputs.interconnect_inter), inputs.n_accelerators or 1,
    )  # fmt: skip


@cache
def _found(name: str, written: str, per_node: int | None, links: str, network: str, joined: int, count: int) -> Found:
    chip = accelerator(name)
    number_format, guessed = precision(written, frozenset(map(str, chip.peak)))
    node = _node(chip.name, per_node)
    filled = ["precision"] if guessed else []
    if per_node is None and chip.execution == "gpu":
        filled.append("accelerators_per_node")
    box = per_node or node.accelerators
    stated = bandwidth(network, box)
    if stated is not None and chip.family in _PORTS_ON_DIE:
        stated = max(stated, node.scaleout_bandwidth)  # a row that names the host's interfaces names the wrong ones
    if stated is not None:
        node = node.model_copy(update={"scaleout_bandwidth": stated})
    elif count > box:
        filled.append("interconnect_inter")
    wires = Fabric.load(fabric(network, chip.name, chip.family))
    within = inside(links, _LINK.get(chip.family, 0.0))
    if within is not None:
        chip = chip.model_copy(update={"scaleup_bandwidth": within})
    view = machine(node, chip, wires, precision=number_format)
    if per_node and per_node < view.domain <= _LARGEST_BOX:
        view = replace(view, domain=per_node)
    if joined > 1 and count >= joined:
        view = replace(view, domain=min(view.domain, count // joined))
    view = sliced(view, count)
    pod = view.domain if wires.topology == "torus" or joined > 1 else None
    kin = "tpu" if chip.family.startswith("tpu") else chip.family
    return Found(view, chip, number_format, kin, box, pod if pod and pod < count else None, tuple(filled))


def forget() -> None:
    """Forget the machines made so far, for the catalogue has been changed under them."""
    _found.cache_clear()
    machine.cache_clear()
