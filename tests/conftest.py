"""Options and profiles shared by all tests."""

import pytest
from hypothesis import HealthCheck, settings

# One fixed order of examples: a red build is red for everybody, and again tomorrow.
settings.register_profile(
    "simgpu", derandomize=True, deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("simgpu")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/*.json with today's numbers")
