"""Reading measurements: whatever a file holds, a row is either understood or skipped with its reason."""

import csv
import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import SimulatorError
from simulator.validation import measurements, read, table, validate
from simulator.validation.predict import predict
from simulator.validation.rows import MEASURED, NEEDED, Inputs, parse

LINES = list(csv.DictReader(measurements().read_text(encoding="utf-8").splitlines()))
GOOD = next(line for line in LINES if line["id"] == "korth22-175b-full")
INPUTS = tuple(Inputs.__dataclass_fields__)


def written(rows, columns=None, encoding="utf-8"):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(GOOD), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def outcome(tmp_path, **changed):
    path = tmp_path / "rows.csv"
    path.write_bytes(written([GOOD | changed]))
    (one,) = validate(read(path))
    return one


def test_a_good_row_is_predicted_and_scored(tmp_path):
    one = outcome(tmp_path)
    assert one.prediction is not None
    assert abs(one.error) < 0.25


def test_what_was_measured_is_no_input():
    """The object a prediction is made from has no field for it."""
    assert not set(INPUTS) & {*MEASURED, "source_title", "source_url", "locator", "id"}


def test_blanking_what_was_measured_changes_no_prediction(tmp_path):
    path = tmp_path / "blank.csv"
    path.write_bytes(written([line | dict.fromkeys((*MEASURED, "source_title", "locator"), "") for line in LINES]))
    columns = [name for name in table.COLUMNS if name not in ("reason", "measured_tokens_per_s_per_gpu", "error_pct")]
    blank, full = (
        [[table.line(one)[name] for name in columns] for one in validate(read(file))] for file in (path, measurements())
    )
    assert blank == full


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("n_accelerators", "1000000000", "n_accelerators: expected at most 10,000,000"),
        ("n_accelerators", "", "n_accelerators: not stated"),
        ("n_accelerators", "nan", "finite number above zero"),
        ("hidden", "inf", "finite number above zero"),
        ("layers", "-3", "finite number above zero"),
        ("seq_len", "0", "finite number above zero"),
        ("heads", "ninety", "expected a number; got 'ninety'"),
        ("tp", "1.5", "expected a whole number"),
        ("params_b", "1e15", "params_b: expected at most 1,000,000"),
        ("gated_mlp", "perhaps", "expected true or false"),
        ("accelerator", "H1000-SXM", "nearest are H100-SXM"),
        ("accelerator", "", "accelerator: not stated"),
        ("precision", "fp32", "expected bf16, fp16, fp8"),
        ("model", "Whisper", "no language model"),
        ("model", "T5-11B (seq2seq)", "an encoder-decoder model"),
        ("pp", "7", "tp × pp × cp = 8 × 7 × 1 = 56 does not divide 64 accelerators"),
        ("kv_heads", "7", "kv_heads that divide heads"),
    ],
)
def test_a_row_that_cannot_be_understood_says_why(tmp_path, column, value, says):
    one = outcome(tmp_path, **{column: value})
    assert one.prediction is None
    assert says in one.reason
    assert table.line(one)["status"] == "skipped"


def test_all_faults_of_a_row_are_named_at_once(tmp_path):
    one = outcome(tmp_path, layers="x", hidden="y")
    assert "layers" in one.reason
    assert "hidden" in one.reason


def test_replicas_that_contradict_the_count_are_computed_anew(tmp_path):
    one = outcome(tmp_path, dp="3")
    assert "dp 3 contradicts 64 accelerators" in one.reason
    assert "dp" in one.prediction.inferred
    assert one.prediction.tokens_per_s == outcome(tmp_path).prediction.tokens_per_s


def test_replicas_without_a_sequence_are_refused(tmp_path):
    one = outcome(tmp_path, dp="3", pp="1", tp="1", global_batch_seqs="32")
    assert "more than the 32 sequences" in one.reason


def test_a_broken_measurement_leaves_the_prediction_alone(tmp_path):
    one = outcome(tmp_path, step_time_s="nan", tokens_per_s_per_gpu="fast", mfu_pct="-1", model_tflops_per_gpu="")
    assert one.prediction == outcome(tmp_path).prediction
    assert one.measured is None
    assert table.line(one)["error_pct"] is None


def test_what_is_measured_as_mfu_says_so(tmp_path):
    blank = {"step_time_s": "", "tokens_per_s_per_gpu": "", "model_tflops_per_gpu": "", "mfu_pct": "50"}
    full = outcome(tmp_path, **blank)
    assert full.reason == "measured from MFU"
    made = full.prediction
    assert full.measured == pytest.approx(0.5 * made.peak / made.flops_per_token)
    causal = outcome(tmp_path, **blank, flop_counting_note="MFU counts only causal (half) attention; peak 312")
    assert causal.measured == pytest.approx(0.5 * made.peak / made.causal_flops_per_token)
    assert causal.measured > full.measured


def test_mfu_is_of_the_peak_its_source_names(tmp_path):
    blank = {"step_time_s": "", "tokens_per_s_per_gpu": "", "model_tflops_per_gpu": "", "mfu_pct": "50"}
    ours, theirs = (outcome(tmp_path, **blank, flop_counting_note=note) for note in ("", "6N; MFU vs peak 156 TFLOP/s"))
    assert theirs.measured == pytest.approx(ours.measured / 2)


def test_flop_rates_come_before_mfu_because_they_rest_on_no_peak(tmp_path):
    rate = {"step_time_s": "", "tokens_per_s_per_gpu": "", "mfu_pct": "50", "model_tflops_per_gpu": "140"}
    one = outcome(tmp_path, **rate)
    assert one.reason == "measured from model FLOP/s"
    assert one.measured == pytest.approx(140e12 / one.prediction.flops_per_token)


@pytest.mark.parametrize(
    ("note", "causal"),
    [
        ("MFU counts only causal (half) attention; peak 312", True), ("incl. causal-halved attention and vocab", True),
        ("6*N*s + 12*L*h*s^2, full (not causal-halved) attention", False), ("full (non-causal) attention", False),
        ("4.27e15 per sequence for full 64 layers: causal-halved attention", True),
        ("attention counted full before PR #1988 / causal-half after", False), ("", False),
    ],
)  # fmt: skip
def test_how_a_source_counts_attention_is_read_from_its_note(tmp_path, note, causal):
    assert outcome(tmp_path, flop_counting_note=note).row.measured.causal is causal


def test_a_step_time_alone_is_tokens_per_second(tmp_path):
    one = outcome(tmp_path, tokens_per_s_per_gpu="", step_time_s="20", mfu_pct="")
    assert one.measured == pytest.approx(64 * 2048 / 20 / 64)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_may_be_missing_added_or_reordered(tmp_path, encoding):
    path = tmp_path / "few.csv"
    columns = ["surprise", *reversed([name for name in GOOD if name in INPUTS or name in NEEDED])]
    path.write_bytes(written([GOOD | {"surprise": "!"}], columns, encoding))
    (few,) = validate(read(path))
    path.write_bytes(written([GOOD]))
    (full,) = validate(read(path))
    assert few.prediction == full.prediction
    assert few.measured is None


def test_the_least_a_file_can_say_is_enough_where_the_catalogue_knows_the_model(tmp_path):
    path = tmp_path / "least.csv"
    path.write_text(f"{','.join(NEEDED)}\nmine,Llama 3.1 405B,H100,16384,8192,2048\n", encoding="utf-8")
    (one,) = validate(read(path))
    assert {"layers", "hidden", "tp", "pp", "micro_batch"} <= set(one.prediction.inferred)
    assert 0.2 < one.prediction.mfu < 0.6


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"a,b,c\n1,2,3\n", b"\xff\xfe\x00", b"id,model\nx,y\n", b"run,gpu_hours\nllama,3\n",
     written([GOOD | {"model": "x" * 200_000}])],
    ids=["empty", "blank line", "other columns", "binary", "too few columns", "runs", "a field without end"],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_by_name(tmp_path, content):
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(SimulatorError, match=r"wrong\.csv: expected a CSV file"):
        read(path)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SimulatorError, match="cannot be read"):
            read(path)


def test_a_file_without_rows_has_none(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(written([]))
    assert validate(read(path)) == []


def test_a_line_of_too_many_fields_is_skipped_and_one_of_blanks_is_none(tmp_path):
    """Behind a comma that is not quoted every column means another."""
    path = tmp_path / "ragged.csv"
    good = "GPT-3,A100,64,2048,64"
    path.write_text(f"{','.join(NEEDED)}\nshort,GPT-3\nlong,GPT-3,A100,1,024,2048,64\n,,,,,\nblanks,{good},,\n",
                    encoding="utf-8")  # fmt: skip
    short, long, blanks = validate(read(path))
    assert short.reason == "n_accelerators: not stated"
    assert long.reason == "expected 6 fields; got 7: a comma that is not quoted?"
    assert blanks.prediction is not None


def test_columns_without_a_name_shift_no_other(tmp_path):
    path = tmp_path / "unnamed.csv"
    first, *rest = NEEDED
    path.write_text(f"{first},,{','.join(rest)},,\na,?,GPT-3,A100,64,2048,64,?,?\n", encoding="utf-8")
    (one,) = validate(read(path))
    assert (one.row.inputs.model, one.row.inputs.global_batch_seqs) == ("GPT-3", 64)


def test_rows_of_one_id_are_predicted_and_told(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_bytes(written([GOOD, GOOD]))
    first, second = validate(read(path))
    assert first.prediction is second.prediction
    assert "2 rows have this id" in first.reason


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_delimiter_is_named(tmp_path, mark, word):
    path = tmp_path / "other.csv"
    path.write_text(f"{mark.join(NEEDED)}\n", encoding="utf-8")
    with pytest.raises(SimulatorError, match=f"stand between {word} instead of commas"):
        read(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"{','.join(NEEDED)},model\n".encode(), "expected each column once; got model more than once"),
        (f'{",".join(NEEDED)}\nx,"GPT-3,A100,64,2048,64\ny,z\n'.encode(), "unexpected end of data"),
        (f"{','.join(NEEDED)}\n\u00e9,GPT-3,A100,64,2048,64\n".encode("latin-1"), "byte 0xe9 at .*save it as UTF-8"),
    ],
    ids=["twice", "unclosed quote", "latin-1"],
)  # fmt: skip
def test_a_file_that_cannot_be_told_apart_is_refused(tmp_path, content, says):
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(SimulatorError, match=says):
        read(path)


def test_names_of_columns_may_be_in_capitals_and_values_over_two_lines(tmp_path):
    path = tmp_path / "capitals.csv"
    path.write_text(f'{",".join(NEEDED).upper()}\n"a\nb","GPT-3\n175B",A100,64,2048,64\n', encoding="utf-8")
    (one,) = validate(read(path))
    assert one.prediction is not None
    assert one.row.id == "a\nb"


NUMBERS = st.sampled_from(
    ["", "0", "-1", "1", "2", "3", "7", "8", "64", "1e6", "1e9", "1e30", "1e400", "nan", "inf", "1.5", "x", "٣", " 8 "]
)
WORDS = st.text(max_size=30) | st.sampled_from(
    ["8x400Gb/s NDR IB", "0x0Gb/s", "x" * 500, "9" * 5000, "FSDP", "fp8", "nvfp4", "full", "CS-3", "TPU-v5p", "GPT-3"]
)
TEXTS = {"model", "accelerator", "framework", "precision", "interconnect_inter", "zero_stage_or_fsdp", "recompute"}
BROKEN = st.dictionaries(st.sampled_from(INPUTS), st.none(), min_size=1, max_size=4).flatmap(
    lambda chosen: st.fixed_dictionaries({name: WORDS if name in TEXTS else NUMBERS for name in chosen})
)


@settings(max_examples=300)
@given(line=st.sampled_from(LINES), changed=BROKEN)
def test_no_row_ends_in_a_traceback_or_an_infinite_number(line, changed):
    row = {**line, **{name: value.strip() for name, value in changed.items()}}
    try:
        made = predict(parse(row))
    except SimulatorError as mistake:
        made, said = None, str(mistake)
        assert said
    if made is not None:
        assert math.isfinite(made.tokens_per_s)
        assert made.tokens_per_s > 0
        assert made.memory > 0
