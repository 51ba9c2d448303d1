"""Queue traces: the same jobs from every format, and a message with line and column for whatever cannot be true."""

import numpy as np
import pytest

from simulator.errors import ScenarioError
from simulator.scenario import recorded_jobs
from simulator.scenario.recorded_jobs import read_jobs
from simulator.workload.queue import TraceColumns

GUESSED = TraceColumns()

# Three jobs as each format writes them: 1 accelerator for 60 s, 8 for an hour, 4 for no time at all.
AS_ALIBABA = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
pod-1,6000,12288,1,460,,LS,Running,100,170,110
pod-2,6000,12288,8,1000,,LS,Running,200,3800,200
pod-3,6000,12288,4,1000,,BE,Failed,300,300,300
pod-4,6000,12288,0,0,,BE,Succeeded,310,400,320
pod-5,6000,12288,1,1000,,BE,Pending,320,400,
"""
DATED = """\
job_id,user,node_num,gpu_num,state,submit_time,start_time,end_time,duration
a,ann,1,1,COMPLETED,2023-05-17 11:00:00,2023-05-17 11:00:10,2023-05-17 11:01:10,60
b,bob,1,8,COMPLETED,2023-05-17 11:01:40,2023-05-17 11:01:40,2023-05-17 12:01:40,3600
c,ann,1,4,FAILED,2023-05-17T13:03:20+02:00,2023-05-17 11:03:20,2023-05-17 11:03:20,0
d,ann,1,0,COMPLETED,2023-05-17 11:03:30,2023-05-17 11:03:40,2023-05-17 11:04:00,20
e,ann,1,1,CANCELLED,2023-05-17 11:03:40,,,0
"""
SWF = """\
; UnixStartTime: 0
1 100 10   60 1 -1 -1  1  120 -1 1 1 1 1 1 1 -1 -1
2 200  0 3600 8 -1 -1  8 7200 -1 1 2 1 1 1 1 -1 -1
3 300  0    0 -1 -1 -1 4   -1 -1 0 1 1 1 1 1 -1 -1
4 310  0   20 0 -1 -1 -1   60 -1 1 1 1 1 1 1 -1 -1
5 320  0   -1 1 -1 -1  1   60 -1 5 1 1 1 1 1 -1 -1
"""


@pytest.fixture
def trace(tmp_path):
    def write(content, name="trace.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def faults(path, columns=GUESSED):
    with pytest.raises(ScenarioError) as refused:
        read_jobs(path, columns)
    return [str(fault).removeprefix(str(path)) for fault in refused.value.faults]


@pytest.mark.parametrize(("content", "name"), [(AS_ALIBABA, "a.csv"), (DATED, "d.csv"), (SWF, "s.swf")])
def test_all_formats_tell_the_same_jobs(trace, content, name):
    found = read_jobs(trace(content, name), GUESSED)
    assert found.submit.tolist() == [0, 100, 200]
    assert found.runtime.tolist() == [60, 3600, 0]
    assert found.size.tolist() == [1, 8, 4]
    assert (found.idle, found.unstarted) == (1, 1)
    assert found.notes[1:] == ("left out for want of accelerators: 1", "left out because they never ran: 1")


def test_users_are_those_of_the_trace(trace):
    found = read_jobs(trace(DATED), GUESSED)
    assert [found.users[user] for user in found.user] == ["ann", "bob", "ann"]


def test_a_limit_is_the_estimate_and_never_less_than_the_runtime(trace):
    assert read_jobs(trace(SWF, "s.swf"), GUESSED).estimate.tolist() == [120, 7200, 0]


def test_the_order_of_the_file_does_not_matter(trace):
    head, *rows = AS_ALIBABA.splitlines(keepends=True)
    turned = read_jobs(trace(head + "".join(reversed(rows))), GUESSED)
    assert turned.size.tolist() == [1, 8, 4]


def test_a_runtime_will_do_instead_of_start_and_end(trace):
    found = read_jobs(trace("submit,duration,gpus,priority\n5,60,2,1\n0,30,1,-1\n"), GUESSED)
    assert found.runtime.tolist() == [30, 60]
    assert found.priority.tolist() == [-1, 1]


def test_columns_of_other_names_are_named_in_the_scenario(trace):
    columns = TraceColumns(submit="asked", runtime="ran", accelerators="cards")
    assert read_jobs(trace("asked,ran,cards\n0,60,2\n"), columns).size.tolist() == [2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", [": expected a header and jobs; got an empty file"]),
        ("submit,runtime,gpus\n", [": expected at least one job; got none"]),
        (
            "submit,runtime,gpus\n0,60,0\n",
            [": expected at least one job; got none; left out: 1 without accelerators, 0 that never ran"],
        ),
        (
            "when,start,end,gpus\n0,1,2,1\n",
            [
                ":1: submit: expected a column named submit, submit_time, submitted_time, creation_time, or the one "
                "that queue.columns.submit names; got when, start, end, gpus"
            ],
        ),
        ("submit,runtime,gpus\n0,-5,1\n", [":2: runtime: expected 0 or more; got '-5'"]),
        (
            "submit,start,end,gpus\n0,100,40,1\n",
            [":2: end: expected an end at or after the start, 100; got 40"],
        ),
        ("submit,runtime,gpus\n0,60,-1\n", [":2: gpus: expected 0 or more; got '-1'"]),
        ("submit,runtime,gpus\n0,60,1.5\n", [":2: gpus: expected a whole number up to 100,000,000; got 1.5"]),
        ("submit,runtime,gpus\n0,nan,1\n", [":2: runtime: expected a number; got 'nan'"]),
        ("submit,runtime,gpus\n0,60,1e300\n", [":2: gpus: expected a whole number up to 100,000,000; got 1e+300"]),
        (
            "submit,runtime,gpus\nsoon,60,1\n,60,1\n",
            [
                ":2: submit: expected seconds, or date and time, e.g. 2023-05-17 11:00:58; got 'soon'",
                ":3: submit: expected seconds, or date and time, e.g. 2023-05-17 11:00:58; got nothing",
            ],
        ),
        ("submit,runtime,gpus\n0,60\n", [":2: expected 3 columns as in the header; got 2"]),
        (b"submit,runtime,gpus\n0,60,\x00\n", [":2: expected text; got a binary file (a zero byte)"]),
        (
            b"submit,runtime,gpus\n\xff\xfe\n",
            [":1: expected UTF-8 text; got other bytes, here or in the lines that follow"],
        ),
        ("x" * 200_000, [":1: expected lines of at most 100,000 characters; got a longer one"]),
        ('submit,runtime,gpus\n"0,60,1\n', [":2: expected CSV; got something else (unexpected end of data)"]),
    ],
)
def test_what_cannot_be_true_is_told_with_line_and_column(trace, content, said):
    assert faults(trace(content)) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 0 0 60 1 -1", ":1: expected the 18 fields of the format; got 6"),
        ("1 x 0 60 1 -1 -1 1 60 -1 1 1 1 1 1 1 -1 -1", ":1: submit time (2): expected a number; got 'x'"),
        ("1 0 0 -7 1 -1 -1 1 60 -1 1 1 1 1 1 1 -1 -1", ":1: run time (4): expected -1 or more; got '-7'"),
    ],
)
def test_the_same_holds_for_the_standard_workload_format(trace, line, said):
    assert faults(trace(line, "bad.swf")) == [said]


def test_a_named_column_that_is_not_there_says_what_was_meant(trace):
    said = faults(trace("submit,runtime,gpus\n0,60,1\n"), TraceColumns(accelerators="gpu"))
    assert said == [
        ":1: accelerators: expected the column 'gpu', as queue.columns says; got none of that name; "
        "did you mean 'gpus'?"
    ]


def test_twenty_faults_are_enough(trace):
    said = faults(trace("submit,runtime,gpus\n" + "0,-1,1\n" * 100_000))
    assert len(said) == 21
    assert said[-1] == ": the first 20 faults; reading stopped there"


def test_too_many_jobs_are_refused(trace, monkeypatch):
    monkeypatch.setattr(recorded_jobs, "MOST_JOBS", 3)
    assert faults(trace("submit,runtime,gpus\n" + "0,1,1\n" * 4)) == [":5: expected at most 3 jobs; got more"]


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    assert faults(tmp_path / "none.csv") == [": expected a trace file; got none of that name"]
    assert faults(tmp_path) == [": expected a trace file; got a folder"]


def test_a_hundred_thousand_jobs_take_sixty_bytes_each(trace):
    path = trace("submit,runtime,gpus\n" + "".join(f"{n % 977},{n % 61},{1 + n % 8}\n" for n in range(100_000)))
    found = read_jobs(path, GUESSED)
    assert len(found.submit) == 100_000
    assert (np.diff(found.submit) >= 0).all()
    assert sum(array.nbytes for array in vars(found).values() if isinstance(array, np.ndarray)) <= 60 * 100_000
