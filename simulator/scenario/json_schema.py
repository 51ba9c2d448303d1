"""The JSON Schema of scenario files, which editors use to complete keys, explain them and mark mistakes."""

from __future__ import annotations

import json
from typing import Any

from simulator.scenario.schema import SHORT, Scenario

__all__ = ["as_written", "file_schema", "schema_text"]

# Reached through mappings only, so a file with a parent may leave out any key.  List items replace as a whole and
# keep their required keys.
_MERGED = ("Cluster", "SiteRequest", "Failures", "Checkpoint", "Money", "Expect", "Queue", "ArrivalRequest", "Runtime")


def file_schema() -> dict[str, Any]:
    """Schema of a scenario file: as :class:`Scenario`, with ``extends`` and without the keys a parent may give."""
    schema = Scenario.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    for part in (schema, *(definitions[name] for name in _MERGED)):
        part.pop("required", None)
    properties = schema["properties"]
    for section, key in SHORT.items():
        whole = {name: value for name, value in properties[section].items() if name != "description"}
        properties[section] = {
            "description": properties[section]["description"],
            "anyOf": [{"type": "string", "description": f"the {key} alone"}, whole],
        }
    properties["extends"] = {
        "type": "string",
        "title": "Extends",
        "description": "file or packaged name of the one parent; what this file does not say, the parent says",
    }
    schema["title"] = "simgpu scenario"
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    written: dict[str, Any] = as_written(schema)
    return written


def as_written(schema: Any) -> Any:
    """Whole numbers may be written ``12_500``, which a YAML 1.2 editor takes for text."""
    if isinstance(schema, list):
        return [as_written(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: as_written(value) for key, value in schema.items()}
    if parts.get("type") == "integer":
        parts |= {"type": ["integer", "string"], "pattern": r"^\d[\d_]*$"}
    return parts


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(file_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
