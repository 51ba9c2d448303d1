"""What recorded faults say about a fleet: the published trace, and records small enough to count by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from simulator.reliability.record import FaultRecord, servers_down, statistics, stays
from simulator.scenario.recorded_faults import read_faults

TRACE = Path(__file__).parents[2] / "seeds" / "traces" / "stepfun_fault_trace.json"
DAY = 86400.0


def record(*faults, servers=4, lasts=10.0):
    """Faults of server, start and end in days."""
    server, start, end = (np.array(column) for column in zip(*faults, strict=True))
    return FaultRecord(
        start * DAY, end * DAY, server.astype(np.int64), np.zeros(len(faults), dtype=np.int64), ("GPU",), servers,
        lasts * DAY,
    )  # fmt: skip


def test_the_published_trace_has_its_published_statistics():
    """InfiniteHBD-Trace: 400 servers over 348 days; figures of the reliability notes this project was built from."""
    found = statistics(read_faults(TRACE, 400))
    assert found.faults == 584
    assert found.days == pytest.approx(348, abs=1)
    assert found.down_mean == pytest.approx(0.023, abs=0.0005)
    assert found.down_p90 == 0.055
    assert found.down_p99 == 0.0775
    assert found.down_most == 0.0875
    assert found.dispersion == pytest.approx(2.6, abs=0.05)
    assert found.refail_7d == pytest.approx(0.31, abs=0.005)
    assert found.never_failed == 169
    assert found.repair_median == pytest.approx(20.4 * 3600, rel=0.01)
    assert found.repair_mean == pytest.approx(132.8 * 3600, rel=0.001)
    assert found.per_thousand_node_days == pytest.approx(4.2, abs=0.05)


def test_a_server_with_two_faults_at_once_is_down_once():
    twice = record((0, 1, 4), (0, 2, 3), (1, 3, 5))
    moments, down = servers_down(twice)
    assert (moments / DAY).tolist() == [0, 1, 3, 4, 5]
    assert down.tolist() == [0, 1, 2, 1, 0]
    assert [(stay.start / DAY, stay.end / DAY, stay.server) for stay in stays(twice)] == [(1, 4, 0), (3, 5, 1)]


def test_shares_down_are_weighted_by_time():
    found = statistics(record((0, 0, 1), (1, 0, 10)))
    assert found.down_mean == pytest.approx((2 * 1 + 1 * 9) / 40)
    assert found.down_most == 0.5
    assert found.down_p90 == 0.25


def test_a_fleet_of_equal_servers_has_dispersion_one():
    chance = np.random.default_rng(1)
    servers, starts = chance.integers(0, 400, 4_000), chance.uniform(0, 9, 4_000)
    faults = list(zip(servers, starts, starts, strict=True))
    found = statistics(record(*faults, servers=400))
    # of a Poisson sample the index scatters by √(2 / (n − 1))
    assert found.dispersion == pytest.approx(1.0, abs=4 * math.sqrt(2 / 399))


def test_failing_again_counts_from_the_end_of_the_repair():
    found = statistics(record((0, 0, 2), (0, 8, 9), (1, 0, 1), (1, 9, 9.5), (2, 3, 4)))
    assert found.refail_7d == pytest.approx(1 / 5)
