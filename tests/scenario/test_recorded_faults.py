"""Fault traces: every mistake with its line."""

import json

import pytest

from simulator.errors import ScenarioError
from simulator.scenario.recorded_faults import read_faults

DAY = 86400.0


def event(node="a", time=1.0, kind="fault_start", what="GPU"):
    return {"node_id": node, "event_time": time, "event_type": kind, "fault_type": {"Class": what}}


def written(path, *events):
    path.write_text("[\n" + ",\n".join(json.dumps(one) for one in events) + "\n]\n")
    return path


def faults(path, servers=None):
    with pytest.raises(ScenarioError) as refused:
        read_faults(path, servers)
    return [str(fault).removeprefix(str(path)) for fault in refused.value.faults]


def test_starts_and_ends_are_paired_by_server_and_type(tmp_path):
    path = written(
        tmp_path / "t.json",
        event(time=1), event("b", 2), event(time=3, what="Fan"), event(time=4, kind="fault_end"),
        event(time=5, kind="fault_end", what="Fan"), event("c", 6),
    )  # fmt: skip
    found = read_faults(path)
    assert (found.start / DAY).tolist() == [1, 2, 3, 6]
    assert (found.end / DAY).tolist() == [4, 6, 5, 6]  # what never ends lasts as long as the record
    assert found.server.tolist() == [0, 1, 0, 2]
    assert [found.causes[cause] for cause in found.cause] == ["GPU", "GPU", "Fan", "GPU"]
    assert found.servers == 3
    assert read_faults(path, 400).servers == 400


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([event(time=-1)], ":2: event_time: expected days since the record began; got '-1'"),
        ([event(time="1")], ":2: event_time: expected days since the record began; got '1'"),
        ([event(time=5), event(time=4)], ":3: event_time: expected events in the order of time, 5 or later; got 4"),
        ([event(kind="fault")], ":2: event_type: expected fault_start or fault_end; got 'fault'"),
        ([event(kind="fault_end")], ":2: event_type: expected the start of this fault of a before its end; got none"),
        ([event(node=7)], ":2: node_id: expected a name; got '7'"),
        ([{"node_id": "a"}], ":2: event_time: expected a value; got an event with node_id only"),
        ([event() | {"fault_type": "GPU"}], ":2: fault_type: expected a mapping with the name of a Class; got 'GPU'"),
        (["fault"], ":2: expected a mapping with node_id, event_time, event_type, fault_type; got 'fault'"),
        ([], ": expected at least one fault; got none"),
    ],
)
def test_what_cannot_be_true_is_told_with_its_line(tmp_path, events, said):
    assert faults(written(tmp_path / "t.json", *events)) == [said]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ": expected a JSON list of fault events; got an empty file"),
        (b"{}", ":1: expected '[' of a JSON list of fault events; got '{}'"),
        (b"[\n{}\n]", ":2: node_id: expected a value; got an event with nothing only"),
        (
            b"[\n{},\n{",
            ":3: expected JSON; got something else (Expecting property name enclosed in double quotes)",
        ),
        (b'[\n\n{"a": }]', ":3: expected JSON; got something else (Expecting value)"),
        (b"[" * 100_000, ":1: expected JSON; got something else (nested too deep)"),
        (b"\x7fELF\x00\x01", ":1: expected text; got a binary file (a zero byte)"),
    ],
)
def test_what_is_no_list_of_events_is_refused(tmp_path, content, said):
    path = tmp_path / "t.json"
    path.write_bytes(content)
    assert faults(path)[0] == said


def test_fewer_servers_than_fail_are_refused(tmp_path):
    path = written(tmp_path / "t.json", event("a"), event("b"))
    assert faults(path, 1) == [f": failures.servers: expected at least the 2 servers that fail in {path}; got 1"]
