"""Scenario files: read with their parents and changes, checked as a whole, varied, written, identified."""

from simulator.scenario.expectation import METRICS, Expect, Expectation
from simulator.scenario.identity import digest
from simulator.scenario.json_schema import file_schema, schema_text
from simulator.scenario.locate import find, packaged
from simulator.scenario.read import read, resolve
from simulator.scenario.schema import Scenario
from simulator.scenario.variation import vary
from simulator.scenario.write import starter, to_yaml

__all__ = [
    "METRICS", "Expect", "Expectation", "Scenario", "digest", "file_schema", "find", "packaged", "read", "resolve",
    "schema_text", "starter", "to_yaml", "vary",
]  # fmt: skip
