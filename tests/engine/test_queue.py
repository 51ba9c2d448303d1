"""The queue against theory, against a scheduler that is too simple to be wrong, and against its own books."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.queue import Capacity, draw, serve
from simulator.engine.queue.running import Running
from simulator.engine.queue.waiting import Waiting
from simulator.plan.queue import Arrivals, Policy, QueueJobs

HOUR = 3600.0
FIFO = Policy(backfill=False, preemption=False, checkpoint=math.inf, restart=0.0)
EASY = Policy(backfill=True, preemption=False, checkpoint=math.inf, restart=0.0)
URGENT_FIRST = Policy(backfill=True, preemption=True, checkpoint=600.0, restart=60.0)


def jobs(*rows, users=("",)):
    """Rows of submit, runtime, size and, where it matters, priority and estimate."""
    full = [(*row, *(0, row[1])[len(row) - 3 :]) for row in rows]
    submit, runtime, size, priority, estimate = (np.array(column) for column in zip(*full, strict=True))
    return QueueJobs(
        submit.astype(float), runtime.astype(float), estimate.astype(float), size.astype(np.int64),
        priority.astype(np.int64), np.zeros(len(rows), dtype=np.int64), users,
    )  # fmt: skip


def steady(accelerators, end=1e6):
    return Capacity(np.array([0.0]), np.array([accelerators]), np.array([0]), np.array([100.0]), end)


def changing(*steps, end=1e6):
    """Steps of time, accelerators and how many of those before were struck."""
    time, accelerators, struck = (np.array(column) for column in zip(*steps, strict=True))
    return Capacity(time.astype(float), accelerators, struck, np.full(len(time), 100.0), end)


def drawn(load, servers, *, seed, jobs_wanted, runtime=HOUR, sizes=((1, 1.0),), priorities=((0, 1.0),), sigma=0.0):
    mean = runtime * math.exp(sigma**2 / 2) * sum(size * share for size, share in sizes)
    rate = load * servers / mean
    return draw(Arrivals(rate, runtime, sigma, sizes, priorities), end=jobs_wanted / rate, seed=seed)


many_jobs = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(1, 20), st.integers(1, 8), st.integers(0, 2), st.integers(0, 10)
    ).map(lambda row: (*row[:4], row[1] + row[4])),
    min_size=1,
    max_size=40,
)  # fmt: skip


# Theory


def erlang_c(servers, load):
    """Chance to wait in M/M/c with ``load`` = λ / (c μ), by the recursion of Erlang B: B(k) = aB / (k + aB)."""
    offered, blocked = servers * load, 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (4, 0.8), (32, 0.9)])
def test_mean_wait_of_single_accelerator_jobs_is_that_of_erlang(servers, load):
    """Poisson arrivals, exponential runtimes, c accelerators: W = C(c, λ/μ) / (cμ − λ)."""
    waits, waited = [], []
    for seed in range(8):
        arrivals = drawn(load, servers, seed=seed, jobs_wanted=8_000)
        runtime = np.random.default_rng(seed).exponential(HOUR, len(arrivals))
        exponential = QueueJobs(
            arrivals.submit, runtime, runtime, arrivals.size, arrivals.priority, arrivals.user
        )  # fmt: skip
        log = serve(exponential, steady(servers, end=float(arrivals.submit[-1])), EASY, seed=1)
        settled = slice(1_000, None)  # the queue begins empty
        wait = (log.started - exponential.submit)[settled]
        waits.append(wait.mean())
        waited.append((wait > 0).mean())
    expected = erlang_c(servers, load) * HOUR / (servers * (1 - load))
    for found, exact in ((waits, expected), (waited, erlang_c(servers, load))):
        error = np.std(found, ddof=1) / math.sqrt(len(found))
        assert np.mean(found) == pytest.approx(exact, abs=4 * error)


@given(
    rows=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=40), size=st.integers(1, 3)
)
def test_backfill_changes_nothing_when_all_jobs_have_the_same_size(rows, size):
    alike = jobs(*((submit, runtime, size) for submit, runtime in rows))
    strict, easy = (serve(alike, steady(7), policy, seed=1) for policy in (FIFO, EASY))
    assert np.array_equal(strict.started, easy.started)


@settings(deadline=None)
@given(rows=many_jobs)
def test_no_accelerator_idles_while_single_accelerator_jobs_wait(rows):
    """Work conservation: the time in use is what an order-free list schedule has, whatever the order."""
    single = jobs(*((submit, runtime, 1, priority) for submit, runtime, _, priority, _ in rows))
    for policy in (FIFO, EASY):
        log = serve(single, steady(3), policy, seed=1)
        for wait_from, start in zip(single.submit, log.started, strict=True):
            if start > wait_from:
                middle = (wait_from + start) / 2
                assert ((log.started <= middle) & (log.ended > middle)).sum() == 3


# A scheduler too simple to be wrong


def simple_easy(rows, accelerators):
    """EASY backfill as it is told in a sentence, with lists; starts by job."""
    order = sorted(range(len(rows)), key=lambda job: (-rows[job][3], rows[job][0], job))
    started = {}

    def running(now):
        return [job for job, start in started.items() if start + rows[job][1] > now]

    moments = {float(row[0]) for row in rows}
    while moments:
        now = min(moments)
        moments.remove(now)
        while True:
            free = accelerators - sum(rows[job][2] for job in running(now))
            line = [job for job in order if rows[job][0] <= now and job not in started]
            if not line:
                break
            head = line[0]
            if rows[head][2] <= free:
                chosen = head
            else:
                ends = sorted((started[job] + rows[job][4], rows[job][2]) for job in running(now))
                shadow = next(t for t, _ in ends if free + sum(s for e, s in ends if e <= t) >= rows[head][2])
                spare = free + sum(s for e, s in ends if e <= shadow) - rows[head][2]
                chosen = next(
                    (
                        job for job in line[1:]
                        if rows[job][2] <= free and (now + rows[job][4] <= shadow or rows[job][2] <= spare)
                    ),
                    None,
                )  # fmt: skip
            if chosen is None:
                break
            started[chosen] = now
            moments.add(now + rows[chosen][1])
    return [started[job] for job in range(len(rows))]


@settings(deadline=None, max_examples=150)
@given(rows=many_jobs)
def test_starts_are_those_of_a_scheduler_too_simple_to_be_wrong(rows):
    assert serve(jobs(*rows), steady(8), EASY, seed=1).started.tolist() == simple_easy(rows, 8)


def test_the_first_in_line_is_not_delayed_by_who_passes_it():
    """Four accelerators, one job of 3 until 100: a job of 4 is promised 100; who passes is over by then, or waits."""
    log = serve(jobs((0, 100, 3), (1, 50, 4), (2, 99, 1), (3, 97, 1)), steady(4), EASY, seed=1)
    assert log.started.tolist() == [0, 100, 150, 3]


def test_strictly_in_order_nobody_passes():
    log = serve(jobs((0, 100, 3), (1, 50, 4), (3, 97, 1)), steady(4), FIFO, seed=1)
    assert log.started.tolist() == [0, 100, 150]


def test_a_job_that_ends_before_its_estimate_brings_the_promise_forward():
    log = serve(jobs((0, 10, 4, 0, 1000), (1, 50, 4)), steady(4), EASY, seed=1)
    assert log.started.tolist() == [0, 10]


# Priorities and preemption


def test_the_urgent_job_takes_the_accelerators_of_the_latest_of_the_others():
    log = serve(jobs((0, 1000, 2), (1, 1000, 2), (700, 100, 2, 1)), steady(4), URGENT_FIRST, seed=1)
    assert log.started.tolist() == [0, 1, 700]
    assert log.stopped.tolist() == [0, 1, 0]
    # it had saved 600 of its 699 seconds; back at 800, a minute to restart and 400 to go
    assert log.lost.tolist() == [0, 99, 0]
    assert log.restarting.tolist() == [0, 60, 0]
    assert log.ended.tolist() == [1000, 1260, 800]


def test_nobody_is_stopped_when_that_would_not_make_enough_room():
    log = serve(jobs((0, 1000, 2, 1), (1, 800, 2), (700, 100, 4, 1)), steady(4), URGENT_FIRST, seed=1)
    assert log.stopped.sum() == 0
    assert log.started[2] == 1000


def test_without_preemption_the_urgent_job_is_only_first_in_line():
    log = serve(jobs((0, 1000, 4), (1, 10, 4), (2, 10, 4, 1)), steady(4), EASY, seed=1)
    assert log.started.tolist() == [0, 1010, 1000]


# Capacity


def test_when_the_training_job_grows_the_queue_gives_way_and_comes_back():
    room = changing((0, 8, 0), (100, 4, 0), (200, 8, 0))
    log = serve(jobs((0, 300, 4), (0, 300, 4)), room, FIFO, seed=1)
    assert log.stopped.tolist() == [0, 1]
    assert log.started.tolist() == [0, 0]
    assert log.ended.tolist() == [300, 500]
    assert log.lost.tolist() == [0, 100]


def test_a_broken_node_strikes_the_jobs_that_run_on_it():
    room = changing((0, 16, 0), (100, 8, 8), (200, 16, 0))
    log = serve(jobs((0, 1000, 16)), room, FIFO, seed=1)
    assert log.struck.tolist() == [1]
    assert log.ended.tolist() == [1200]


def test_a_broken_node_strikes_a_job_as_often_as_the_job_is_large():
    room = changing((0, 100, 0), (1, 99, 1))
    struck = sum(int(serve(jobs((0, 10, 25)), room, FIFO, seed=seed).struck[0]) for seed in range(2000))
    assert struck == pytest.approx(500, abs=4 * math.sqrt(2000 * 0.25 * 0.75))


def test_a_job_larger_than_what_is_left_waits_for_the_training_job_to_end():
    log = serve(jobs((0, 10, 8), (1, 10, 2)), changing((0, 4, 0), (500, 8, 0)), EASY, seed=1)
    assert log.started.tolist() == [500, 1]


def test_what_never_fits_never_starts_and_the_clock_still_ends():
    log = serve(jobs((0, 10, 8), (1, 10, 2)), steady(4, end=100.0), EASY, seed=1)
    assert math.isnan(log.started[0])
    assert math.isnan(log.ended[0])
    assert log.started[1] == 1
    assert log.waiting.max() == pytest.approx(1.0)


# Books


@settings(deadline=None, max_examples=200)
@given(
    rows=many_jobs,
    steps=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10), st.integers(0, 8)), max_size=8),
    checkpoint=st.sampled_from([3.0, 7.0, math.inf]),
    seed=st.integers(0, 5),
)
def test_every_accelerator_second_in_use_is_kept_lost_or_spent_restarting(rows, steps, checkpoint, seed):
    moments = sorted({when for when, *_ in steps})
    capacity = changing((0, 8, 0), *((when, *step[1:]) for when, step in zip(moments, steps, strict=False)), (61, 8, 0))
    policy = Policy(backfill=True, preemption=True, checkpoint=checkpoint, restart=2.0)
    served = jobs(*rows)
    log = serve(served, capacity, policy, seed=seed)
    told = (served.size * (log.kept + log.lost + log.restarting)).sum()
    assert told == pytest.approx(log.in_use, rel=1e-9, abs=1e-9)
    assert not np.isnan(log.ended).any()
    assert log.kept == pytest.approx(served.runtime)
    assert (log.lost >= 0).all()
    assert (log.ended - log.started == pytest.approx(log.kept, abs=1e-9)) or log.stopped.any()
    assert (log.busy <= log.capacity + 1e-9).all()


def test_bins_hold_all_of_the_time_in_use_and_all_of_the_waiting():
    served = drawn(0.9, 64, seed=3, jobs_wanted=3_000, sigma=1.0, sizes=((1, 0.5), (8, 0.3), (32, 0.2)))
    end = float(served.submit[-1]) * 2
    log = serve(served, steady(64, end=end), EASY, seed=1)
    width = end / len(log.busy)
    assert log.ended.max() < end
    assert log.busy.sum() * width == pytest.approx((served.size * served.runtime).sum(), rel=1e-9)
    assert log.waiting.sum() * width == pytest.approx((log.started - served.submit).sum(), rel=1e-9)
    assert log.wanted.sum() * width == pytest.approx((served.size * (log.started - served.submit)).sum(), rel=1e-9)


def test_the_same_queue_and_seed_give_the_same_log():
    halves = ((0, 0.5), (1, 0.5))
    served = drawn(0.95, 64, seed=3, jobs_wanted=2_000, sigma=1.5, sizes=((1, 0.5), (32, 0.5)), priorities=halves)
    room = changing((0, 64, 0), (1e5, 56, 8), (2e5, 64, 0))
    one, other = serve(served, room, URGENT_FIRST, seed=4), serve(served, room, URGENT_FIRST, seed=4)
    assert all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in ("started", "ended")
    )


# Arrivals


def test_drawn_arrivals_have_the_rate_the_median_and_the_shares_asked_for():
    rate, end = 100 / HOUR, 400 * HOUR
    found = draw(Arrivals(rate, 600.0, 1.5, ((1, 0.75), (64, 0.25)), ((0, 1.0),)), end=end, seed=2)
    n = len(found)
    assert n == pytest.approx(rate * end, abs=4 * math.sqrt(rate * end))
    assert np.log(found.runtime).mean() == pytest.approx(math.log(600.0), abs=4 * 1.5 / math.sqrt(n))
    assert np.log(found.runtime).std() == pytest.approx(1.5, rel=0.02)
    assert (found.size == 64).mean() == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / n))


def test_a_longer_look_begins_with_the_same_jobs():
    arrivals = Arrivals(1.0, 60.0, 1.0, ((1, 0.5), (8, 0.5)), ((0, 0.5), (1, 0.5)))
    short, long = (draw(arrivals, end=end, seed=7) for end in (100.0, 300.0))
    for name in ("submit", "runtime", "size", "priority"):
        assert np.array_equal(getattr(short, name), getattr(long, name)[: len(short)])


# The parts


class TestRunning:
    @settings(deadline=None)
    @given(data=st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=300), need=st.integers(1, 200))
    def test_it_answers_as_a_plain_list_would(self, data, need):
        sizes = [1 + job % 5 for job in range(len(data))]
        running, plain = Running(sizes), []
        for job, (time, leaves) in enumerate(data):
            running.add(float(time), job)
            plain.append((float(time), job))
            if leaves:
                gone = plain.pop(len(plain) // 2)
                running.remove(*gone)
        plain.sort()
        assert running.last == (plain[-1][1] if plain else None)
        total = sum(sizes[job] for _, job in plain)
        by_then = {time: sum(sizes[job] for t, job in plain if t <= time) for time, _ in plain}
        reached = next((answer for answer in by_then.items() if answer[1] >= need), (math.inf, total))
        assert running.reach(need) == reached
        holders = [job for _, job in plain for _ in range(sizes[job])]
        assert list(running.between(need, need + 7)) == list(dict.fromkeys(holders[need : need + 7]))

    def test_it_keeps_its_order_over_many_blocks(self):
        times = np.random.default_rng(1).uniform(size=5_000).tolist()
        running = Running([1] * len(times))
        for job, time in enumerate(times):
            running.add(time, job)
        assert running.reach(2_500) == (sorted(times)[2_499], 2_500)
        assert list(running.between(0, 5_000)) == np.argsort(times).tolist()


@settings(deadline=None)
@given(
    waiting=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30), st.booleans()), min_size=1, max_size=60),
    free=st.integers(0, 40), slack=st.integers(0, 30), spare=st.integers(0, 40),
)  # fmt: skip
def test_the_first_that_fits_is_found(waiting, free, slack, spare):
    line = Waiting([size for size, *_ in waiting])
    for job, (size, need, _) in enumerate(waiting):
        line.add(job, size, float(need))
    for job, (*_, gone) in enumerate(waiting):
        if gone:
            line.remove(job)
    there = [(job, size, need) for job, (size, need, gone) in enumerate(waiting) if not gone]
    spare = min(spare, free)
    fits = [job for job, size, need in there if size <= free and (need <= slack or size <= spare)]
    assert line.first(free, slack=float(slack), spare=spare) == (fits[0] if fits else None)
    assert line.smallest == min((size for _, size, _ in there), default=2**62)


@settings(max_examples=30, deadline=None)
@given(rows=many_jobs)
def test_what_is_drawn_follows_what_is_in_use(rows):
    log = serve(jobs(*rows), steady(12), URGENT_FIRST, seed=1)
    assert log.drawn == pytest.approx(100.0 * log.busy)
