"""The step model against a few papers whose layouts are known in full: rows that nobody here made.

Each row of seeds/measurements/throughput.csv is predicted as ``simgpu validate`` does, from its inputs only; what it
leaves open is filled by the rule of ``simulator.validation.filling``.  All rows are scored in test_scorecard.py.
"""

from statistics import median

import pytest

from simulator.validation import measurements, read, validate
from simulator.validation.baseline import constant_utilisation

OUTCOMES = [one for one in validate(read(measurements())) if one.scored]


def error(one):
    """Of the step time."""
    return one.ratio - 1


def by_source(*words):
    return [one for one in OUTCOMES if any(word in one.row.source for word in words)]


PAPERS = by_source("Narayanan", "Korthikanti")


@pytest.mark.parametrize("one", PAPERS, ids=[one.row.id for one in PAPERS])
def test_every_row_of_narayanan_and_korthikanti_is_within_a_quarter(one):
    assert abs(error(one)) < 0.25


def test_their_median_error_is_below_six_percent():
    assert len(PAPERS) == 22
    assert median(abs(error(one)) for one in PAPERS) < 0.06


def test_h100_rows_of_the_megatron_readme_and_llama_3_have_a_small_median_error():
    """Worst: the smallest model, launch-bound."""
    errors = [abs(error(one)) for one in by_source("Megatron-LM README H100", "Llama Team")]
    assert len(errors) == 19
    assert median(errors) < 0.10
    assert max(errors) < 0.40


def test_the_model_beats_a_constant_utilisation_where_layouts_are_bad():
    """ZeRO-3 on up to 1,536 accelerators: the utilisation that others reach, the baseline, misses by a factor."""
    guess = constant_utilisation(OUTCOMES)
    zero3 = [place for place, one in enumerate(OUTCOMES) if one.row.id.startswith("sc21-t2-zero-3")]
    assert len(zero3) == 3
    ours = median(abs(OUTCOMES[place].error) for place in zero3)
    assert ours < 0.5 * median(abs(guess[place]) for place in zero3)
