"""Sobol indices: those of functions whose indices are known, through the sweep and its store."""

import math
import sys

import numpy as np
import pytest
from analytic import ishigami, performer

from simulator.errors import SimulatorError
from simulator.study.engines import engine
from simulator.study.file import study_of
from simulator.study.sensitivity import analysed, sampled, values_of
from simulator.study.sweep import sweep

PATHS = ("failures.scale", "site.pue", "money.network_share")


def indices(tmp_path, function, factors, *, base=512, output="cost_usd"):
    study = study_of("colossus-100k", ["failures.scale=1,2"], mode="plan", outputs=[output])
    template = dict(zip(PATHS, factors, strict=False))
    asked = study.model_validate({**study.model_dump(by_alias=True), "factors": template})
    asked = sampled(asked, base=base)
    with engine("local", workers=1) as local:
        sweep(asked, tmp_path / "study.db", local, performer=performer(function))
    return analysed(output, tuple(asked.factors), values_of(tmp_path / "study.db", output))


def by_factor(found):
    return {index.factor: index for index in found.indices}


def test_ishigamis_indices_are_the_published_ones(tmp_path):
    """With a = 7 and b = 0.1 on [−π, π]: first order 0.3139, 0.4424, 0; total 0.5576, 0.4424, 0.2437."""
    around = {"uniform": [-math.pi, math.pi]}
    found = indices(tmp_path, ishigami, [around] * 3, base=1024)
    exact = {PATHS[0]: (0.3139, 0.5576), PATHS[1]: (0.4424, 0.4424), PATHS[2]: (0.0, 0.2437)}
    for factor, (first, total) in exact.items():
        index = by_factor(found)[factor]
        assert index.first == pytest.approx(first, abs=1.5 * index.first_half)
        assert index.total == pytest.approx(total, abs=1.5 * index.total_half)
        assert index.total_half < 0.1
    assert found.mean == pytest.approx(3.5, abs=0.05)
    assert [index.factor for index in found.indices] == [PATHS[0], PATHS[1], PATHS[2]]


def test_shares_of_a_sum_are_the_variances_of_its_terms(tmp_path):
    """Y = 2a + b + c with a uniform (1/12), b normal (1/4), c one of two names' numbers (1): 4/12 + 1/4 + 1."""
    factors = [{"uniform": [0, 1]}, {"normal": {"mean": 3, "sd": 0.5}}, {"choice": [1, 3]}]
    found = by_factor(indices(tmp_path, lambda a, b, c: 2 * a + b + c, factors))
    variance = 4 / 12 + 1 / 4 + 1
    for path, share in zip(PATHS, (4 / 12 / variance, 1 / 4 / variance, 1 / variance), strict=True):
        assert found[path].first == pytest.approx(share, abs=0.05)
        assert found[path].total == pytest.approx(share, abs=0.05)


def test_few_points_say_how_many_would_do(tmp_path):
    around = {"uniform": [-math.pi, math.pi]}
    found = indices(tmp_path, ishigami, [around] * 3, base=32)
    assert found.wanted is not None
    assert found.wanted > 32
    assert found.wanted & (found.wanted - 1) == 0
    narrow = indices(tmp_path / "more", ishigami, [around] * 3, base=2048)
    assert narrow.wanted is None


def test_impossible_points_are_left_out_with_their_neighbours(tmp_path):
    around = {"uniform": [0, 1]}
    found = indices(tmp_path, lambda a, b: None if a > 0.9 else a + b, [around] * 2, base=256)
    assert found.base + found.dropped == 256
    assert 0.1 * 256 < found.dropped < 0.3 * 256
    with pytest.raises(SimulatorError, match="narrow the ranges to what is possible"):
        indices(tmp_path / "most", lambda a, b: None if a > 0.2 else a + b, [around] * 2, base=64)


def test_an_output_that_nothing_moves_has_no_indices(tmp_path):
    found = indices(tmp_path, lambda a, b: 5.0, [{"uniform": [0, 1]}] * 2, base=16)
    assert found.indices == ()
    assert (found.mean, found.deviation) == (5.0, 0.0)


def test_the_same_values_have_the_same_intervals():
    values = np.random.default_rng(1).random(64 * 4)
    assert analysed("cost_usd", ("a", "b"), values) == analysed("cost_usd", ("a", "b"), values)


def test_one_factor_has_nothing_to_be_compared_with():
    with pytest.raises(SimulatorError, match="expected two factors or more"):
        sampled(study_of("colossus-100k", ["failures.scale=1,2"], mode="plan"))


def test_a_study_keeps_its_own_number_of_base_points():
    design = {"kind": "saltelli", "n": 32, "seed": 5}
    study = study_of("colossus", ["failures.scale=1,2", "site.pue=1,2"], design=design)
    assert sampled(study).design.n == 32
    assert sampled(study, base=8).design.n == 8
    assert (sampled(study).size, sampled(study).design.seed) == (32 * 4, 5)


def test_without_salib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "SALib.analyze", None)
    with pytest.raises(SimulatorError, match=r"needs SALib, of the extra `analysis`: pip install 'simgpu\[analysis\]'"):
        analysed("cost_usd", ("a", "b"), np.arange(16.0))
