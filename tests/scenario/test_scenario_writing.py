"""What is written can be read back: resolved scenarios, starting files, and the digest that identifies them."""

import datetime as dt
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.scenario import Scenario, digest, packaged, read, starter, to_yaml, vary

DATA = Path(__file__).parent / "data"
GROWING = DATA / "growing.yaml"
PARENTS = [str(GROWING), str(DATA / "child.yaml"), *packaged()]

amounts = st.floats(min_value=1e-3, max_value=1e15, allow_nan=False)
dates = st.dates(min_value=dt.date(1990, 1, 1), max_value=dt.date(2199, 12, 31))
names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@st.composite
def scenarios(draw):
    """Any scenario the schema allows, quantities in units of many sizes."""

    def quantity(*units):
        return f"{draw(amounts)!r} {draw(st.sampled_from(units))}"

    def maybe(key, value):
        return {key: value} if draw(st.booleans()) else {}

    counts = sorted(draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=3)))
    days = sorted(draw(st.lists(dates, min_size=len(counts), max_size=len(counts), unique=True)))
    layout = {"tensor": draw(st.integers(1, 8)), **maybe("zero", draw(st.integers(0, 3)))}
    job = {
        "name": draw(st.text(min_size=1, max_size=10)),
        "model": "Llama-3.1-405B",
        "tokens": f"{draw(st.floats(1, 1e6))!r} {draw(st.sampled_from(['Gtoken', 'Ttoken']))}",
        "batch": f"{draw(st.floats(1, 1e6))!r} {draw(st.sampled_from(['token', 'ktoken', 'sequence']))}",
        "layout": draw(st.just("fastest") | st.just(layout)),
        **maybe("precision", "fp8"),
        **maybe("sequence", draw(st.integers(1, 10**6))),
    }
    pool = {"name": draw(names), "node": "HGX-H100", "arrivals": {str(d): n for d, n in zip(days, counts, strict=True)}}
    return Scenario.model_validate(
        {
            "name": draw(names.filter(lambda name: not name.endswith("-") and "--" not in name)),
            "question": "What " + draw(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))),
            "start": str(draw(dates)),
            "cluster": {
                "pools": [pool],
                "fabric": "spectrum-x-400g",
                "spares": draw(st.just(0.0) | st.floats(1e-20, 0.99)),
            },
            "site": {"name": "memphis", **maybe("power", {str(days[0]): quantity("W", "MW")})},
            "jobs": [job],
            "failures": {"fleet": "llama-3-fleet", **maybe("restart", quantity("s", "min"))},
            "checkpoint": {"interval": draw(st.sampled_from(["optimal", "daly", "30 min", "0.1 h"]))},
            "money": {"accelerators": draw(st.sampled_from(["bought", "rented"])), **maybe("rent", quantity("USD/h"))},
            "horizon": f"{draw(st.floats(1e-3, 36_000))!r} d",
            "seed": draw(st.integers(0, 2**63 - 1)),
            "expect": {**maybe("cost", f">= {quantity('USD', 'MUSD')}"), **maybe("goodput", "> 0.9")},
            "evidence": {"horizon": "choice: " + draw(st.text(alphabet="ab :#'\"\n%é→", max_size=10)) + "x"},
            "notes": draw(st.text(alphabet=st.characters(exclude_categories=["Cs"]))),
        }
    )


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "scenario.yaml"


@settings(max_examples=60, deadline=None)
@given(scenario=scenarios())
def test_what_is_written_reads_back_equal(scratch, scenario):
    scratch.write_bytes(to_yaml(scenario).encode())
    assert read(scratch) == scenario
    assert digest(read(scratch)) == digest(scenario)


@settings(max_examples=30, deadline=None)
@given(scenario=scenarios())
def test_json_keeps_every_value(scenario):
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario


@pytest.mark.parametrize(
    ("path", "spellings"),
    [
        ("checkpoint.interval", ["60 min", "1 h", "3600 s", "0.041666666666666666667 d"]),
        ("jobs.pretrain.tokens", ["15 Ttoken", "15_000 Gtoken", "1.5e13 token", "15 000 Gtoken"]),
        ("cluster.spares", ["2 %", 0.02, "0.02"]),
        ("horizon", ["66 min", "1.1 h"]),
        ("expect.cost", ["< 400 MUSD", "<0.4 GUSD"]),
        ("site", ["memphis", {"name": "memphis"}]),
        ("start", ["2024-09-02"]),
    ],
)
def test_equal_spellings_have_one_digest(path, spellings):
    scenario = read(GROWING)
    assert len({digest(vary(scenario, {path: written})) for written in spellings}) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 8), ("jobs.pretrain.tokens", "15.7 Ttoken"), ("expect.cost", "> 400 MUSD"), ("cluster.spares", "3 %"),
        ("jobs.pretrain.layout", {"tensor": 8}), ("cluster.pools.second.arrivals", {"2024-12-02": 500}),
    ],
)  # fmt: skip
def test_another_question_has_another_digest(path, value):
    scenario = read(GROWING)
    assert digest(vary(scenario, {path: value})) != digest(scenario)


def test_the_order_of_keys_does_not_change_the_digest(tmp_path):
    blocks = re.split(r"^(?=\w)", GROWING.read_text(), flags=re.MULTILINE)
    backwards = tmp_path / "backwards.yaml"
    backwards.write_text("".join(reversed(blocks)))
    assert digest(read(backwards)) == digest(read(GROWING))


@pytest.mark.parametrize("parent", PARENTS, ids=lambda parent: Path(parent).stem)
def test_a_starting_file_is_valid_and_asks_what_its_parent_asks(tmp_path, parent):
    path = tmp_path / "mine.yaml"
    path.write_text(starter("mine", parent), encoding="utf-8")
    started, original = read(path), read(parent)
    assert started.name == "mine"
    assert started == original.model_copy(update={"name": "mine"})


@pytest.mark.parametrize("parent", PARENTS, ids=lambda parent: Path(parent).stem)
def test_everything_in_a_starting_file_can_be_uncommented(tmp_path, parent):
    path = tmp_path / "mine.yaml"
    uncommented = re.sub(r"^# (?!yaml-language-server)", "", starter("mine", parent), flags=re.MULTILINE)
    path.write_text(uncommented, encoding="utf-8")
    original = read(parent)
    assert read(path) == original.model_copy(update={"name": "mine"})
    assert "tokens:" in uncommented


def test_a_starting_file_explains_itself():
    text = starter("mine", str(GROWING))
    assert "## when to stop waiting for the jobs, counted from the start\n# horizon: 180 d\n" in text
    assert "#     tokens: 15.6 Ttoken  # tokens to train on" in text
    assert all(len(section.splitlines()) > 1 for section in text.split("\n\n")[2:])


def test_a_starting_file_needs_a_name_that_can_name_a_folder():
    with pytest.raises(ScenarioError, match="lower-case letters"):
        starter("../mine", str(GROWING))
