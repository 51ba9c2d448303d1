"""A job's batch is at least one sequence and at most all it reads; nothing is rounded into shape unasked."""

import pytest
from pydantic import ValidationError

from simulator.errors import PlanError
from simulator.workload import TrainingJob


def _job(**changes):
    return TrainingJob.model_validate(
        {"name": "pretrain", "model": "Llama-2-70B", "tokens": "2 Ttoken", "batch": "4 Mtoken", **changes}
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokens": "1e30 token"}, "expected at most 1e\\+18 tokens; got 1e\\+30"),
        ({"batch": "30 Ttoken"}, "expected a batch of at most the job's 2 Ttoken; got 30 Ttoken"),
        ({"tokens": "1 Mtoken"}, "expected a batch of at most the job's 1 Mtoken; got 4 Mtoken"),
        ({"batch": "1e13 sequence"}, "at most the job's 2 Ttoken; got 10,000,000,000,000 sequences"),
        ({"batch": "0.9 sequence"}, "expected at least one sequence; got '0.9 sequence'"),
    ],
)
def test_sizes_nobody_means_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        _job(**changes)


def test_the_bounds_themselves_are_allowed():
    assert _job(tokens="1e18 token").tokens == 1e18
    assert _job(batch="2 Ttoken").batch == _job().tokens


def test_a_batch_smaller_than_a_sequence_names_both():
    with pytest.raises(
        PlanError, match="pretrain: expected a batch of at least one sequence of 4,096 tokens; got 1 token"
    ):
        _job(batch="1 token").recipe(4096)
    assert _job(batch="4096 token").recipe(4096).batch == 1
    assert _job(batch="1 ktoken", sequence=512).recipe(4096).batch == 2


def test_sequences_that_hold_more_than_the_job_reads_name_both():
    with pytest.raises(PlanError, match=r"job's 2 Ttoken; got 1e\+09 sequences of 4,096 tokens, 4.1 Ttoken in all"):
        _job(batch="1 Gsequence").recipe(4096)
    assert _job(batch="1 Gsequence", sequence=2000).recipe(4096).tokens == 2_000_000_000_000


@pytest.mark.parametrize(("batch", "sequences"), [("4 Mtoken", 977), ("2048 sequence", 2048), ("2048 sequences", 2048)])
def test_a_batch_counts_sequences(batch, sequences):
    assert _job(batch=batch).recipe(4096).batch == sequences
