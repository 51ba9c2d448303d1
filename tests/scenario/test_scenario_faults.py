"""Whatever is wrong with a file, the message says where and what would be right, and nothing but a message comes."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.scenario import Scenario, read, resolve

DATA = Path(__file__).parent / "data"
GROWING = DATA / "growing.yaml"
VALID = GROWING.read_text(encoding="utf-8")


def faults(path, *changes):
    with pytest.raises(ScenarioError) as caught:
        read(path, changes=changes)
    return caught.value.faults


def line_of(text, part):
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


@pytest.fixture
def written(tmp_path):
    """A function that writes a file and says where."""

    def write(text, name="broken.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("right", "wrong", "path", "message"),
    [
        ("seed: 7", "sede: 7", "sede", "unknown key; did you mean 'seed'?"),
        ("horizon: 180 d", "horizon: 180", "horizon", "expected time, e.g. '180 d'; got the bare number 180"),
        ("horizon: 180 d", "horizon: 180 dayz", "horizon", "unknown unit 'dayz'; did you mean 'day'?"),
        ("horizon: 180 d", "horizon: 180 kW", "horizon", "not convertible to second"),
        ("horizon: 180 d", "horizon: 0 d", "horizon", "more than zero; got '0 d'"),
        ("horizon: 180 d", "horizon: 101 y", "horizon", "expected at most 100 y; got 101 y"),
        ("horizon: 180 d", "horizon: .inf", "horizon", "expected a finite number; got '.inf'"),
        ("horizon: 180 d", "horizon: 1e400 s", "horizon", "finite"),
        ("horizon: 180 d", "horizon: 5 s**(9**9**9)", "horizon", "unknown unit"),
        ("fabric: spectrum-x-400g", "fabric: spectrum-x-40g", "cluster.fabric", "did you mean 'spectrum-x-400g'?"),
        ("site: memphis", "site: mempis", "site", "expected a name from the catalogue's sites; got 'mempis'"),
        ("site: memphis", "site: [memphis]", "site", "expected a name or a mapping; got a list"),
        ("failures: llama-3-fleet", "failures: {fleet: lama-3-fleet}", "failures.fleet", "did you mean 'llama-3"),
        ("spares: 2 %", "spares: 100 %", "cluster.spares", "expected less than 1; got '100 %'"),
        ("start: 2024-09-02", "start: 20240902", "start", "expected a date, e.g. 2024-09-02; got '20240902'"),
        ("start: 2024-09-02", "start: 2024-02-30", "start", "expected a date, e.g. 2024-09-02; got '2024-02-30'"),
        ("start: 2024-09-02", "start: 0024-09-02", "start", "expected a date from 1990 to 2199; got 0024-09-02"),
        ("'2024-12-01': 500", "tomorrow: 500", "cluster.pools.second.arrivals.tomorrow", "got 'tomorrow'"),
        ("'2024-12-01': 500", "2024-12-01: many", "cluster.pools.second.arrivals.2024-12-01", "a whole number"),
        ("'2024-12-01': 500", "2024-12-01: 0", "cluster.pools.second.arrivals", "at least one node"),
        ("precision: bf16", "precision: bf61", "jobs.pretrain.precision", "got 'bf61'; did you mean 'bf16'?"),
        ("sequence: 8192", "sequence: true", "jobs.pretrain.sequence", "expected a whole number; got true"),
        ("sequence: 8192", "sequence: 8192.5", "jobs.pretrain.sequence", "expected a whole number; got 8192.5"),
        ("sequence: 8192", "sequence: 0", "jobs.pretrain.sequence", "expected at least 1; got 0"),
        ("layout: fastest", "layout: fast", "jobs.pretrain.layout", "expected 'fastest' or a mapping; got 'fast'"),
        ("layout: {tensor: 8,", "layout: {tensr: 8,", "jobs.second-run.layout.tensr", "did you mean 'tensor'?"),
        ("layout: {tensor: 8,", "layout: {tensor: eight,", "jobs.second-run.layout.tensor", "got 'eight'"),
        ("batch: 16 Mtoken", "batch: 2000", "jobs.pretrain.batch", "bare number 2000"),
        ("batch: 16 Mtoken", "batch: 0.5 sequence", "jobs.pretrain.batch", "at least one sequence; got '0.5 sequence'"),
        ("batch: 16 Mtoken", "batch: 99 Ttoken", "jobs.pretrain.batch", "of at most the job's "),
        ("name: second-run", "name: pretrain", "jobs", "different name for each job; got pretrain more than once"),
        ("name: growing", "name: My Cluster!", "name", "lower-case letters, digits and dashes"),
        ("seed: 7", "seed: -1", "seed", "expected at least 0; got -1"),
        ("seed: 7", "seed: 1.5", "seed", "expected a whole number; got 1.5"),
        ("seed: 7", "seed:", "seed", "expected a whole number; got nothing"),
        ("seed: 7", f"seed: {'9' * 5000}", "seed", "expected a whole number; got '999"),
        ("cost: \"< 400 MUSD\"", "cost: 400 MUSD", "expect.cost", "expected <, <=, > or >= and a bound"),
        ("cost: \"< 400 MUSD\"", "cost: < 400 MW", "expect.cost", "not convertible to USD"),
        ("cost: \"< 400 MUSD\"", "cots: < 400 MUSD", "expect.cots", "unknown key; did you mean 'cost'?"),
        ("claim llama-405b-tokens", "said so", "evidence.jobs.pretrain.tokens", "expected 'source KEY, KEY'"),
        ("  horizon: \"choice", "  horizn: \"choice", "evidence.horizn", "got 'horizn'; did you mean 'horizon'?"),
        ("  jobs.pretrain.tokens:", "  jobs.pretrain.tokenz:", "evidence.jobs.pretrain.tokenz", "did you mean"),
        ("interval: 30 min", "interval: often", "checkpoint.interval", "time or one of optimal, young, daly"),
    ],
)  # fmt: skip
def test_one_mistake_gives_one_message_at_its_line(written, right, wrong, path, message):
    assert right in VALID
    text = VALID.replace(right, wrong)
    found = faults(written(text))
    assert [fault.path for fault in found] == [path]
    assert message in found[0].message
    expected_line = line_of(text, "jobs:") if path == "jobs" else line_of(text, wrong)
    assert found[0].line in (expected_line, expected_line - 1)  # of a block, the line of its key


def test_a_missing_key_is_told_at_the_mapping_that_lacks_it(written):
    text = VALID.replace("  fabric: spectrum-x-400g\n", "")
    (fault,) = faults(written(text))
    assert (fault.path, fault.line) == ("cluster.fabric", line_of(text, "cluster:"))
    assert fault.message == "expected a value (entry of the fabrics shelf); got nothing"


def test_arrivals_that_never_reach_the_job_say_how_many_arrive_and_by_when(written):
    (fault,) = faults(written(VALID.replace("accelerators: 16_000", "accelerators: 100_000")))
    assert fault.path == "jobs.pretrain.accelerators"
    assert "the 20,000 accelerators that arrive by 2024-12-01; got 100,000" in fault.message


def test_an_exclamation_mark_in_text_is_no_tag(written):
    text = VALID.replace("question: ", 'question: "!!map x"  # !!set ')
    assert read(written(text)).question == "!!map x"


def test_all_faults_come_at_once_in_the_order_of_the_file(written):
    text = (
        VALID.replace("spares: 2 %", "spars: 2 %")
        .replace("site: memphis", "site: mempis")
        .replace("horizon: 180 d", "horizon: 180")
        .replace("precision: bf16", "precision: fp61")
        .replace("node: HGX-H100, arrivals", "node: HGX-H10, arrivals")
    )
    found = faults(written(text), "seed=-1", "jobs.pretrian.tokens=1 Ttoken")
    assert [fault.path for fault in found if fault.line] == [
        "cluster.pools.first.node", "cluster.spars", "site", "jobs.pretrain.precision", "horizon"
    ]  # fmt: skip
    assert [fault.file for fault in found if not fault.line] == [
        "--set jobs.pretrian.tokens=1 Ttoken", "--set seed=-1"
    ]  # fmt: skip


def test_two_faults_beside_a_job_that_is_too_large(written):
    text = VALID.replace("horizon: 180 d", "horizon: 180").replace("accelerators: 16_000", "accelerators: 100_000")
    assert [fault.path for fault in faults(written(text))] == ["jobs.pretrain.accelerators", "horizon"]


def test_an_inherited_fault_is_told_at_the_parents_line(written):
    parent = VALID.replace("horizon: 180 d", "horizon: 180")
    parent_path = written(parent, "parent.yaml")
    found = faults(written("extends: parent.yaml\nseed: -1\n", "child.yaml"))
    assert [(Path(fault.file).name, fault.line, fault.path) for fault in found] == [
        ("child.yaml", 2, "seed"),
        ("parent.yaml", line_of(parent, "horizon"), "horizon"),
    ]
    assert str(parent_path) == found[1].file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed", "expected path=value"),
        ("jobs.pretrain.tokens=!!map x", "got the tag '!!map'"),
        ("=3", "expected path=value"),
        ("sede=3", "--set sede=3: sede: unknown key 'sede'; did you mean 'seed'?"),
        (
            "cluster.pools.frist.node=HGX-H100",
            "expected one of first, second, 0, 1; got 'frist'; did you mean 'first'?",
        ),
        ("cluster.pools.2.node=HGX-H100", "got '2'"),
        ("jobs.pretrain.tokens.more=3", "expected a path that ends at 'jobs.0.tokens'; got 'more' below it"),
        ("jobs.pretrain.tokens=[", "expected YAML"),
        (
            "jobs.pretrain.tokens=3 GB",
            "--set jobs.pretrain.tokens=3 GB: jobs.pretrain.tokens: expected number of tokens",
        ),
        ("cluster.fabric=ethernet-9g", "expected a name from the catalogue's fabrics"),
        ("money.node_price={HGX-H1000: 3 MUSD}", "expected a name from the catalogue's nodes; got 'HGX-H1000'"),
    ],
)
def test_a_wrong_change_names_itself(change, message):
    (fault,) = faults(GROWING, change)
    assert fault.line is None
    assert message in str(fault)
    assert str(fault).startswith("--set ")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "got an empty file"),
        ("# nothing but a comment\n", 1, "got an empty file"),
        ("- a\n- b\n", 1, "got a list"),
        ("just words\n", 1, "got the single value 'just words'"),
        ("name: a: b\n", 1, "expected YAML"),
        ("name: a\n\tseed: 3\n", 2, "a tab; indent with spaces"),
        ("name: [a,\n", 2, "expected YAML"),
        ("name: a\n---\nname: b\n", 2, "a second document"),
        ("name: a\nname: b\n", 2, "expected each key once; got it again (first at line 1)"),
        ("name: *nobody\n", 1, "an alias without an anchor"),
        ("name: !!python/object:os.system a\n", 1, "got the tag '!!python/object:os.system'"),
        ('!!python/object/apply:os.system ["x"]\n', 1, "got the tag '!!python/object/apply:os.system'"),
        ("seed: 1\nname: !!map x\n", 2, "expected values without a YAML tag; got the tag '!!map'"),
        ("!!omap\n- a: 1\n", 1, "got the tag '!!omap'"),
        ("!!set {a, b}\n", 1, "got the tag '!!set'"),
        ("seed: !!int [1]\n", 1, "got the tag '!!int'"),
        ("seed: !!str 5\n", 1, "got the tag '!!str'"),
        ("seed: ! 5\n", 1, "got the tag '!'"),
        ("!!map {a: 1}: 2\n", 1, "got the tag '!!map'"),
        ("? [a]\n: b\n", 1, "expected a plain word as key"),
        ("name: a\nnotes: \x07\n", 2, "expected YAML"),
        (b"name: a\nnotes: \xff\n", 2, "expected UTF-8 text"),
        ('name: "\\ud800"\n', 1, "half a surrogate pair"),
        ('name: "\\UFFFFFFFF"\n', None, "expected YAML"),
        ("a: &a [*a]\n", 1, "levels"),
        ("[" * 5000, None, "nested deeper"),
        ("notes: " + "x" * 6000, 1, "expected at most 5,000 characters; got 6,000"),
        ("#" * 300_000, None, "expected at most 256 kB; got 300 kB"),
        ("extends: 3\n", 1, "expected the file or name of one scenario; got 3"),
        ("extends: [a, b]\n", 1, "expected the file or name of one scenario"),
        ("extends: nobody.yaml\n", 1, "does not exist"),
        ("extends: broken.yaml\n", 1, "got a loop: broken.yaml → broken.yaml"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_that_is_no_scenario(written, text, line, message):
    found = faults(written(text))
    assert message in found[0].message
    assert found[0].line == line


def test_aliases_do_not_multiply_without_end(written):
    """Nine lines that stand for a billion values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for below, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]")
    (fault,) = faults(written("\n".join(lines)))
    assert "expected at most 10,000 keys and values" in fault.message


def test_a_loop_of_parents_shows_its_chain(written):
    written("extends: c.yaml\n", "b.yaml")
    written("extends: a.yaml\n", "c.yaml")
    (fault,) = faults(written("extends: b.yaml\n", "a.yaml"))
    assert fault.message.endswith("a.yaml → b.yaml → c.yaml → a.yaml")


def test_a_missing_file_suggests_its_neighbour():
    (fault,) = faults(DATA / "growin.yaml")
    assert "does not exist; did you mean 'growing.yaml'?" in fault.message


def test_a_folder_is_no_scenario():
    (fault,) = faults(DATA)
    assert fault.message == "expected a scenario file; got a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file(written):
    path = written(VALID)
    path.chmod(0)
    (fault,) = faults(path)
    assert "expected a readable file" in fault.message


def test_a_name_too_long_for_any_file():
    (fault,) = faults("x" * 5000)
    assert "expected" in fault.message


# -- Only ScenarioError may come out, whatever goes in -------------------------------------------------------------

quickly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LINES = VALID.splitlines(keepends=True)
PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["{", "}", "[", "]", "&a ", "*a ", ": ", "- ", "\t", "\n", "!!int ", "<<: *a", "> ", "| ", "'", '"', "#", "%",
         ".nan", "-.inf", "1e999", "null", "true", "9" * 400, "2024-13-45", "0x", "0 s", "-3 GB", "= ", "? ", "---\n",
         "\ufeff"]
    ),
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates().map(str) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def outcome(function, path, **more):
    try:
        return function(path, **more)
    except ScenarioError as mistake:
        return mistake


def only_a_message(path, changes=()):
    result = outcome(read, path, changes=changes)
    assert isinstance(result, Scenario) or result.faults
    assert str(result).encode("utf-8")  # a terminal can show it


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzzed.yaml"


@quickly
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(scratch, content):
    scratch.write_bytes(content)
    only_a_message(scratch)


@quickly
@given(cuts=st.lists(st.tuples(st.integers(0, len(VALID)), st.integers(0, 6), PIECES), min_size=1, max_size=4))
def test_a_scenario_with_pieces_exchanged(scratch, cuts):
    text = VALID
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]
    scratch.write_bytes(text.encode("utf-8", "replace"))
    only_a_message(scratch)


@quickly
@given(order=st.lists(st.sampled_from(LINES), max_size=50))
def test_a_scenario_with_lines_shuffled(scratch, order):
    scratch.write_text("".join(order), encoding="utf-8")
    only_a_message(scratch)


PATHS = st.sampled_from(
    ["name", "start", "cluster", "cluster.pools", "cluster.pools.0", "cluster.pools.first.arrivals", "cluster.spares",
     "cluster.pools.0.arrivals.2024-10-01", "site", "site.power", "jobs", "jobs.0", "jobs.0.layout", "jobs.0.tokens",
     "jobs.0.batch", "jobs.0.accelerators", "failures", "failures.fleet", "checkpoint", "checkpoint.interval", "money",
     "money.node_price", "horizon", "seed", "expect", "expect.goodput", "evidence", "evidence.jobs.0", "notes"]
)  # fmt: skip


@quickly
@given(path=PATHS, value=VALUES)
def test_any_value_anywhere(path, value):
    only_a_message(GROWING, [f"{path}={json.dumps(value)}"])


@quickly
@given(change=st.text(max_size=30) | st.tuples(PATHS, st.text(max_size=20)).map("=".join))
def test_any_change(change):
    only_a_message(GROWING, [change])


@quickly
@given(name=st.text(max_size=40))
def test_any_file_name(name):
    result = outcome(resolve, name)
    assert isinstance(result, dict) or result.faults
