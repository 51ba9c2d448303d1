"""Whatever number a scenario holds, its plan is an answer or a clear refusal: never a traceback, never infinite."""

import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from simulator import scenario as scenarios
from simulator.errors import PlanError, SimulatorError
from simulator.plan import explain, frontiers, outlook, plan, point
from simulator.report import traded
from simulator.report.folder import as_json
from simulator.report.planned import as_dict, planned
from simulator.step import fastest, machine
from simulator.workload import Recipe, Transformer

UNITS = {
    "cluster.spares": ["", " %"],
    "jobs.0.tokens": [" token", " Ttoken"],
    "jobs.0.batch": [" Mtoken", " sequence"],
    "jobs.0.sequence": [""],
    "jobs.0.accelerators": [""],
    "jobs.0.minimum": [""],
    "failures.scale": [""],
    "failures.restart": [" s", " y"],
    "failures.standby": [" s", " y"],
    "checkpoint.interval": [" ns", " s", " y"],
    "checkpoint.save": [" s", " y"],
    "checkpoint.load": [" s"],
    "horizon": [" s", " d", " y"],
    "site.pue": [""],
    "site.energy_price": [" USD/kWh"],
    "site.carbon": [" gCO2e/kWh"],
}
DEGREES = ["tensor", "pipeline", "interleave", "data", "context", "expert", "microbatch", "zero"]
ODD = ["nan", "inf", "-inf", ".nan", "0", "-1", "-0.0", "1e-300", "1e300", "1e15", "1000000000", "null", "true", "''"]
numbers = st.sampled_from(ODD) | st.integers(1, 10**12).map(str) | st.floats(1e-9, 1e20).map(repr)


@st.composite
def changes(draw):
    path = draw(st.sampled_from([*UNITS, "arrivals", "layout"]))
    number = draw(numbers)
    if path == "arrivals":
        return f"cluster.pools.0.arrivals={{2020-01-01: {number}}}"
    if path == "layout":
        return f"jobs.0.layout={{{draw(st.sampled_from(DEGREES))}: {number}}}"
    return f"{path}={number}{draw(st.sampled_from(UNITS[path]))}"


def answered(name, changed):
    """The whole of `simgpu plan`, text and JSON and frontiers; a refusal's words, or nothing."""
    try:
        scenario = scenarios.read(name, changes=changed)
        made = plan(scenario)
        answers = {"best": outlook(made, failures=False), "expected": outlook(made), "row": point(scenario)}
        reasons = explain(scenario, made)
        found = frontiers(scenario, made)
    except SimulatorError as refusal:
        return str(refusal)
    screen = Console(width=100, file=io.StringIO())
    screen.print(planned(made, reasons, **answers))
    screen.print(traded.traded(found))
    as_json(as_dict(made, reasons, **answers) | traded.as_dict(found))  # refuses what is infinite or no number
    return ""


@settings(deadline=None, max_examples=120)
@given(name=st.sampled_from(["aws-p5", "dojo", "cerebras-wse3"]), changed=st.lists(changes(), min_size=1, max_size=3))
def test_any_number_is_answered_or_refused_in_words(name, changed):
    refusal = answered(name, changed)
    assert not refusal or "expected" in refusal or "fit" in refusal or "accelerators" in refusal, refusal


@pytest.mark.parametrize(
    "changed",
    [
        ["cluster.pools.0.arrivals={2020-01-01: 10000000}", "jobs.0.batch=1e15 token", "jobs.0.tokens=1e18 token"],
        ["cluster.pools.0.arrivals={2020-01-01: 10000000}"],
        ["jobs.0.batch=1 sequence"],
        ["jobs.0.sequence=100000000", "jobs.0.batch=1 sequence", "jobs.0.tokens=1e18 token"],
        ["site.pue=1e300"],
        ["failures.scale=1e-300"],
    ],
)
def test_absurd_sizes_are_answered_or_refused(changed):
    answered("aws-p5", changed)


@pytest.mark.parametrize("number", ["nan", "inf", "0", "-5", "1e300"])
@pytest.mark.parametrize("path", ["jobs.0.tokens", "jobs.0.batch"])
def test_no_tokens_at_all_are_refused_with_what_is_expected(path, number):
    assert "expected" in answered("aws-p5", [f"{path}={number} token"])


MONSTER = Transformer.load("Llama-3-8B").model_copy(
    update={"name": "monster", "layers": 20_000, "hidden": 65_536, "heads": 512, "key_value_heads": 512, "ffn": 262_144}
)


HUGE = Recipe(batch=10**6, sequence=8192)


@pytest.mark.parametrize("accelerators", [1, 10**6, 10**9])
def test_a_quadrillion_parameters_are_refused_with_the_arithmetic(h100, accelerators):
    with pytest.raises(
        PlanError, match=r"monster does not fit on \d+ H100-SXM .* [TP]B per accelerator, .* too little"
    ):
        fastest(h100, MONSTER, HUGE, accelerators)


def test_a_billion_accelerators_are_used_as_far_as_the_batch_goes(h100):
    answer = fastest(h100, Transformer.load("Llama-3-8B"), HUGE, 10**9)
    assert 10**5 <= answer.layout.accelerators <= 10**9
    assert math.isfinite(answer.step.total)
    assert 0 < answer.step.mfu < 1


@pytest.fixture(scope="module")
def h100():
    from simulator.hardware import Accelerator, Fabric, Node

    node = Node.load("HGX-H100")
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("infiniband-ndr-400g"), precision="bf16")
