"""One scenario out of another, from Python: what studies and questions of "what if" are made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from simulator.errors import Fault, ScenarioError
from simulator.scenario.change import put
from simulator.scenario.document import Document, Place
from simulator.scenario.read import checked
from simulator.scenario.schema import Scenario

__all__ = ["document_of", "vary"]


def vary(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """The scenario with values at dotted paths replaced, e.g. ``{"jobs.pretrain.tokens": "2 Ttoken"}``.

    Values are in written form, as a file would hold them: quantities as text with their unit; dates, numbers, lists
    and mappings as they are.

    Raises
    ------
    ScenarioError
        Every unknown path and every value the schema or the catalogue refuses.
    """
    document, faults = document_of(scenario), list[Fault]()
    for path, value in changes.items():
        try:
            document = put(document, path, _written(value), f"{path}={str(value)[:80]}")
        except ScenarioError as unknown:
            faults.extend(unknown.faults)
    return checked(document, faults)


def document_of(scenario: Scenario) -> Document:
    """The scenario as a file would hold it."""
    return Document(scenario.model_dump(mode="json", exclude_none=True), {(): Place(scenario.name, None)})


def _written(value: Any) -> Any:
    """A Python value as YAML would have read it."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): _written(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_written(inner) for inner in value]
    return value


def _key(key: Any) -> str:
    return key.isoformat() if isinstance(key, dt.date) else str(key)
