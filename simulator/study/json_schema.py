"""The JSON Schema of study files, for editors."""

from __future__ import annotations

import json
from typing import Any

from simulator.scenario.json_schema import as_written
from simulator.study.schema import Study

__all__ = ["study_schema", "study_schema_text"]


def study_schema() -> dict[str, Any]:
    """Schema of a study file: as :class:`Study`, with the design's short form."""
    schema = Study.model_json_schema(mode="validation", by_alias=True)
    design = schema["properties"]["design"]
    kinds = schema["$defs"]["DesignRequest"]["properties"]["kind"]["enum"]
    schema["properties"]["design"] = {
        "description": design["description"],
        "anyOf": [{"enum": [kind for kind in kinds if kind in ("grid", "zip")]}, {"$ref": "#/$defs/DesignRequest"}],
    }
    schema["title"] = "simgpu study"
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    written: dict[str, Any] = as_written(schema)
    return written


def study_schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(study_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
