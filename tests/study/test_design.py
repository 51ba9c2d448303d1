"""Designs: every point by its number, never a list of them; the same study, the same points."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from simulator.errors import SimulatorError
from simulator.scenario.change import apply
from simulator.scenario.read import unchecked
from simulator.study.design import Drawn, Listed, design_of
from simulator.study.factor import Factor, levels
from simulator.study.file import study_of
from simulator.units import base_value, quantity

factor = TypeAdapter(Factor).validate_python
LISTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=5, unique=True)


def drawn(kind, n, factors, *, seed=1):
    study = study_of("colossus-100k", ["failures.scale=1,2"], mode="plan", design={"kind": kind, "n": n, "seed": seed})
    return design_of(study.model_copy(update={"factors": {name: factor(form) for name, form in factors.items()}}))


def points(design):
    return [design.point(index) for index in range(len(design))]


@settings(max_examples=50, deadline=None)
@given(st.lists(LISTS, min_size=1, max_size=4))
def test_a_grid_is_the_product_each_combination_once(lists):
    design = Listed({f"p{place}": factor(values) for place, values in enumerate(lists)})
    expected = [tuple(f"p{place}={value}" for place, value in enumerate(row)) for row in itertools.product(*lists)]
    assert points(design) == expected


def test_a_grid_of_more_points_than_memory_has_bytes_is_as_quick_to_ask():
    design = Listed({f"p{place}": factor({"from": 1, "to": 1000, "steps": 1000}) for place in range(5)})
    assert len(design) == 10**15
    assert design.point(10**15 - 1) == tuple(f"p{place}=1000" for place in range(5))
    assert design.point(123_456_789) == ("p0=1", "p1=1", "p2=124", "p3=457", "p4=790")
    assert sys.getsizeof(design) < 1000


def test_a_point_beyond_the_last_is_refused():
    design = Listed({"p": factor([1, 2])})
    with pytest.raises(IndexError, match="from 0 to 1; got 2"):
        design.point(2)


def test_a_zip_takes_first_with_first():
    design = Listed({"a": factor([1, 2]), "b": factor(["x", "y"])}, together=True)
    assert points(design) == [("a=1", "b=x"), ("a=2", "b=y")]


def test_variants_move_their_paths_together():
    design = Listed({"machine": factor({"variants": {"big": {"a.b": 1, "c": {"2024-09-02": 3}}, "small": {"a.b": 2}}})})
    assert points(design) == [("a.b=1", "c={2024-09-02: 3}"), ("a.b=2",)]
    assert design.labels(0) == ("big",)


@pytest.mark.parametrize("kind", ["random", "latin-hypercube", "sobol", "saltelli"])
def test_the_same_seed_draws_the_same_points_and_another_others(kind):
    factors = {"a": {"uniform": [0, 1]}, "b": {"loguniform": ["1 s", "1 h"]}}
    assert points(drawn(kind, 16, factors)) == points(drawn(kind, 16, factors))
    assert points(drawn(kind, 16, factors)) != points(drawn(kind, 16, factors, seed=2))


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol"])
def test_every_sixteenth_of_every_factor_has_one_of_sixteen_points(kind):
    design = drawn(kind, 16, {"a": {"uniform": [0, 16]}, "b": {"uniform": [0, 16]}, "c": {"uniform": [0, 16]}})
    for place in range(3):
        cells = sorted(int(float(design.labels(index)[place])) for index in range(16))
        assert cells == list(range(16))


def test_more_random_points_of_a_seed_begin_with_the_same_ones():
    factors = {"a": {"uniform": [0, 1]}, "b": {"uniform": [0, 1]}}
    assert points(drawn("random", 64, factors))[:16] == points(drawn("random", 16, factors))


def test_a_sobol_sequence_of_another_length_is_drawn_without_a_warning():
    study = study_of("colossus-100k", ["failures.scale=1,2"], mode="plan", design={"kind": "sobol", "n": 100})
    assert len(design_of(study)) == 100
    assert study.remarks == (
        "design: a Sobol sequence is balanced at powers of two; 100 points are taken as they are, 64 or 128 would "
        "spread more evenly",
    )


def test_salib_reads_the_points_of_saltelli_in_this_order():
    """As SALib's own sampler: a base point, then it with one coordinate of the second, then the second."""
    shares = drawn("saltelli", 8, {name: {"uniform": [0, 1]} for name in "abc"}).shares.reshape(8, 5, 3)
    for base, *crossed, other in shares:
        for place, point in enumerate(crossed):
            assert point[place] == other[place]
            assert np.delete(point, place).tolist() == np.delete(base, place).tolist()


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e3), st.integers(2, 40), st.sampled_from(["linear", "log"]))
def test_a_range_reaches_both_ends_in_equal_steps(first, stretch, steps, scale):
    last = first * stretch
    made = factor({"from": f"{first!r} min", "to": f"{last!r} min", "steps": steps, "scale": scale})
    values = [quantity(made.level("p", index).label)[0] for index in range(steps)]
    assert values[0] == pytest.approx(first, rel=1e-11)
    assert values[-1] == pytest.approx(last, rel=1e-11)
    gaps = np.diff(values if scale == "linear" else np.log(values))
    assert gaps == pytest.approx(np.full(steps - 1, gaps.mean()), rel=1e-4, abs=1e-9)


def test_a_range_may_end_in_another_unit_than_it_begins():
    made = factor({"from": "30 min", "to": "2 h", "steps": 4})
    assert [made.level("p", index).label for index in range(4)] == ["30 min", "60 min", "90 min", "120 min"]


def test_whole_numbers_have_no_fraction():
    made = factor({"from": 1, "to": 1000, "steps": 4, "scale": "log", "whole": True})
    assert [made.level("p", index).label for index in range(4)] == ["1", "10", "100", "1000"]


FORMS = [
    {"from": "5 min", "to": "2 h"}, {"from": 1, "to": 1e6, "scale": "log"}, {"uniform": ["1 %", "5 %"]},
    {"loguniform": ["64 Mtoken", "0.5 Ttoken"]}, {"triangular": [1, 4, 5]},
    {"normal": {"mean": "30 s", "sd": "5 s"}, "from": "10 s", "to": "1 min"}, {"normal": {"mean": -2, "sd": 1e-3}},
]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(FORMS), st.floats(0, 1), st.floats(0, 1))
def test_a_value_reads_back_as_itself_and_grows_with_its_share(form, share, more):
    made = factor(form)
    low, high = sorted((share, more))
    texts = [made.at("p", each).label for each in (low, high)]
    values = [base_value(text)[0] if quantity(text)[1] else float(text) for text in texts]
    assert values[0] <= values[1]
    for text in texts:
        number, unit = quantity(text)
        assert f"{number:.7g} {unit}".strip() == text


@pytest.mark.parametrize(
    ("form", "mean", "deviation"),
    [
        ({"uniform": [0, 1]}, 0.5, 12**-0.5),
        ({"triangular": [0, 3, 6]}, 3, 6 / 24**0.5),
        ({"normal": {"mean": 5, "sd": 2}}, 5, 2),
        ({"loguniform": [1, np.e]}, np.e - 1, ((np.e**2 - 1) / 2 - (np.e - 1) ** 2) ** 0.5),
    ],
)
def test_draws_have_the_mean_and_the_spread_of_their_distribution(form, mean, deviation):
    made = factor(form)
    values = [float(made.at("p", share).label) for share in (np.arange(4000) + 0.5) / 4000]
    assert np.mean(values) == pytest.approx(mean, rel=1e-3)
    assert np.std(values) == pytest.approx(deviation, rel=5e-3)


def test_a_choice_is_taken_as_often_as_it_weighs():
    made = factor({"choice": ["a", "b", "c"], "weights": [1, 0, 3]})
    taken = [made.at("p", share).label for share in (np.arange(400) + 0.5) / 400]
    assert [taken.count(name) for name in "abc"] == [100, 0, 300]
    assert levels(made) == 3


@pytest.mark.parametrize("value", [[1, "a, b"], {"2024-09-02": 5}, "a: b", "12", True, None, "5 min", 1e30, "> 0.9"])
def test_a_value_of_any_kind_is_what_set_reads(value):
    (change,) = factor([value]).level("notes", 0).changes
    document, faults = apply(unchecked("colossus"), [change])
    assert not faults
    assert document.data["notes"] == value


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol", "saltelli"])
def test_without_scipy_a_design_says_which_extra_has_it(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(SimulatorError, match=r"needs SciPy, of the extra `analysis`: pip install 'simgpu\[analysis\]'"):
        drawn(kind, 8, {"a": {"uniform": [0, 1]}})


@pytest.mark.parametrize("kind", ["random", "grid", "zip"])
def test_the_core_draws_without_scipy(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    study = study_of("colossus-100k", ["failures.scale=1,2"], mode="plan")
    asked = {"kind": kind, "n": 8} if kind == "random" else {"kind": kind}
    assert len(design_of(study.model_copy(update={"design": type(study.design)(**asked)}))) in (2, 8)


def test_a_search_has_no_points_before_it_begins():
    study = study_of("colossus-100k", ["failures.scale=1,2"], mode="plan", design={"kind": "search"})
    with pytest.raises(SimulatorError, match="simgpu optimise searches"):
        design_of(study)


def test_drawn_points_are_shares_of_each_factor():
    design = Drawn({"a": factor([1, 2, 3]), "b": factor({"uniform": [0, 10]})}, np.array([[0.5, 0.25], [0.999, 0.0]]))
    assert points(design) == [("a=2", "b=2.5"), ("a=3", "b=0")]
