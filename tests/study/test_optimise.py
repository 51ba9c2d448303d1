"""Searches: a known optimum is found, also under a constraint; one that goes on ends as one that ran through."""

import sys

import pytest
from analytic import performer

from simulator.errors import SimulatorError
from simulator.study.engines import engine
from simulator.study.file import study_of
from simulator.study.optimise import optimise, searched

RANGES = {"failures.scale": {"from": 0.1, "to": 10}, "site.pue": {"from": 1, "to": 5}}


def valley(x, y):
    """Least at (3, 2), where it is 1; what it costs falls with x."""
    return {"time_to_train_d": 1 + (x - 3) ** 2 + (y - 2) ** 2, "cost_usd": 10 - x, "goodput": 0.5, "mfu": 0.5}


def asked(*, factors=RANGES, constraints=None, objective="time_to_train", seed=1, **more):
    study = study_of("colossus-100k", ["failures.scale=1,2"], mode="plan", objective={"minimise": objective})
    document = study.model_dump(by_alias=True) | {"factors": factors, "constraints": constraints or {}} | more
    return study.model_validate(document | {"design": {"kind": "search", "seed": seed}})


def search(study, path, *, trials=120, function=valley):
    with engine("local", workers=1) as local:
        return optimise(study, path, local, trials=trials, performer=performer(function))


def place(trial):
    return [float(label) for label in trial.labels]


def test_the_bottom_of_a_valley_is_found(tmp_path):
    found = search(asked(), tmp_path / "a.db")
    assert found.best.values["time_to_train_d"] == pytest.approx(1, abs=0.15)
    assert place(found.best) == pytest.approx([3, 2], abs=0.4)
    assert found.binding == ()
    scores = [found.score(trial) for trial in found.ranked]
    assert scores == sorted(scores)


def test_a_constraint_that_binds_moves_the_best_to_its_edge_and_is_named(tmp_path):
    """Cost below 5 USD asks for x above 5; the least is then 1 + (5 − 3)², at x = 5."""
    found = search(asked(constraints={"cost": "< 5 USD", "goodput": "> 0.4"}), tmp_path / "a.db")
    assert found.best.allowed
    assert place(found.best)[0] > 5
    assert found.best.values["time_to_train_d"] == pytest.approx(5, abs=0.8)
    (binding,) = found.binding
    assert str(binding.constraint) == "cost < 5 USD"
    assert binding.instead.values["cost_usd"] > 5
    assert binding.instead.values["time_to_train_d"] < found.best.values["time_to_train_d"]


def test_a_search_that_goes_on_ends_as_one_that_ran_through(tmp_path):
    whole = search(asked(), tmp_path / "whole.db", trials=40)
    search(asked(), tmp_path / "parts.db", trials=11)
    assert search(asked(), tmp_path / "parts.db", trials=40).trials == whole.trials
    fewer = search(asked(), tmp_path / "parts.db", trials=11)  # and a shorter one reads what it needs
    assert fewer.trials == whole.trials[:11]


def test_what_the_store_holds_is_not_computed_again(tmp_path):
    search(asked(), tmp_path / "a.db", trials=24)

    def never(x, y):
        raise AssertionError("computed again")

    again = search(asked(), tmp_path / "a.db", trials=24, function=never)
    assert len(again.trials) == 24


def test_another_seed_searches_elsewhere(tmp_path):
    first, second = (search(asked(seed=seed), tmp_path / f"{seed}.db", trials=8) for seed in (1, 2))
    assert {trial.labels for trial in first.trials}.isdisjoint(trial.labels for trial in second.trials)


def test_names_and_numbers_are_searched_together_and_no_point_twice(tmp_path):
    factors = {"failures.scale": [1, 3, 4, 8], "site.pue": {"choice": [1.5, 1.1]}}
    found = search(asked(factors=factors), tmp_path / "a.db", trials=60)
    assert len({trial.labels for trial in found.trials}) == len(found.trials) <= 8
    assert found.best.labels == ("3", "1.5")
    assert found.asked == 60


def test_impossible_points_are_counted_and_avoided(tmp_path):
    found = search(asked(), tmp_path / "a.db", function=lambda x, y: None if x > 6 else valley(x, y))
    impossible = [trial for trial in found.trials if not trial.possible]
    assert {trial.reason for trial in impossible} == {"does not fit"}
    assert len(impossible) < 0.2 * len(found.trials)  # of all points 40 % are
    assert place(found.best) == pytest.approx([3, 2], abs=0.5)


def test_when_no_point_keeps_the_constraints_the_nearest_is_told(tmp_path):
    study = asked(constraints={"cost": "< 5 USD"})
    found = search(study, tmp_path / "a.db", trials=60, function=lambda x, y: valley(x, y) | {"cost_usd": 20 - x})
    assert found.best is None
    assert found.nearest.values["cost_usd"] == min(trial.values["cost_usd"] for trial in found.trials)


def test_more_is_better_where_it_is_asked_for(tmp_path):
    study = asked(objective="cost").model_copy(update={"objective": type(asked().objective)(maximise="cost_usd")})
    found = search(study, tmp_path / "a.db", trials=60)
    assert found.best.values["cost_usd"] == max(trial.values["cost_usd"] for trial in found.trials)
    assert place(found.best)[0] < 0.6


def test_a_store_of_another_search_is_refused(tmp_path):
    search(asked(), tmp_path / "a.db", trials=8)
    with pytest.raises(SimulatorError, match=r"holds another study: .*design"):
        search(asked(seed=2), tmp_path / "a.db", trials=8)


def test_without_an_objective_a_search_says_how_to_give_one():
    with pytest.raises(SimulatorError, match=r"objective: \{minimise: cost\} in the study, or --minimise cost"):
        searched(study_of("colossus-100k", ["failures.scale=1,2"]))


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SimulatorError, match=r"needs Optuna, of the extra `analysis`: pip install 'simgpu"):
        search(asked(), tmp_path / "a.db", trials=8)
