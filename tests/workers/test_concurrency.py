"""Tests of how much runs in parallel: pure functions, and a simulated server."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.workers.concurrency import (
    FIRST_ROOM,
    FIRST_WIDTH,
    LEAST_ROOM,
    PROBE_AFTER,
    WAITING_BYTES,
    Share,
    Speed,
    adapt,
    begin,
    memory_limits,
    narrow,
    room,
    share,
    weight,
)

MIB = 2**20


@pytest.mark.parametrize(
    ("workers", "connections", "bandwidth", "expected"),
    [
        (2, 256, None, Share(2, 128, None)),
        (16, 3, None, Share(3, 1, None)),
        (2, 3, None, Share(1, 3, None)),
        (2, 5, None, Share(2, 2, None)),
        (16, 31, None, Share(15, 2, None)),
        (7, 256, None, Share(7, 36, None)),
        (16, 1, None, Share(1, 1, None)),
        (16, 256, 1024, Share(1, 8, 1024)),  # slow: few connections, or each would hardly move
        (16, 256, 20e6, Share(1, 20, 20e6)),
        (16, 256, 200e6, Share(1, 200, 200e6)),
        (16, 256, 201e6, Share(2, 100, 100.5e6)),
        (16, 256, 1e9, Share(5, 51, 200e6)),
        (2, 256, 1e9, Share(2, 128, 500e6)),
        (16, 256, 1e12, Share(16, 16, 1e12 / 16)),
        (16, 4, 20e6, Share(1, 4, 20e6)),  # the user's own number holds
        (16, 1, 1e9, Share(1, 1, 1e9)),
    ],
)
def test_share(workers, connections, bandwidth, expected):
    assert share(workers, connections, bandwidth) == expected


@given(st.integers(1, 16), st.integers(1, 10_000), st.floats(1024, 1e12, allow_nan=False, allow_infinity=False))
def test_shares_add_up_to_no_more_than_was_chosen(workers, connections, bandwidth):
    each = share(workers, connections, bandwidth)
    assert 1 <= each.workers <= workers
    assert each.connections >= 1
    assert each.workers * each.connections <= connections
    assert each.workers * each.bandwidth == pytest.approx(bandwidth)


@pytest.mark.parametrize(
    ("jobs", "size", "connections", "rate", "expected"),
    [
        (0, 0, 128, 0.0, FIRST_ROOM),
        (0, 0, 1, 0.0, 2),
        (100, 100 * 1024, 128, 1000.0, 256),  # small objects: twice what may be under way
        (100, 0, 128, 1000.0, 256),  # no bytes at all: heads
        (100, 0, 128, 60.0, 60),  # S3 throttles
        (100, 0, 128, 0.1, FIRST_ROOM),
        (100, 100 * MIB, 128, 1000.0, 32),
        (100, 800 * MIB, 128, 1000.0, LEAST_ROOM),
        (100, 800 * MIB, 2, 1000.0, 4),  # the user's limit holds
    ],
)
def test_room(jobs, size, connections, rate, expected):
    assert room(jobs, size, connections, rate) == expected


@given(st.integers(0, 10**6), st.integers(0, 10**15), st.integers(1, 256), st.floats(0, 1e6))
def test_room_is_never_none_and_never_much_work(jobs, size, connections, rate):
    given_room = room(jobs, size, connections, rate)
    assert 1 <= given_room <= 2 * connections
    if jobs and given_room > LEAST_ROOM:
        assert given_room * (size / jobs) <= WAITING_BYTES


def test_speed_is_that_of_the_last_seconds():
    speed = Speed(0.0)
    assert speed.rate(0.0) == 0.0
    for tick in range(1000):
        speed.count(tick / 1000)
    assert speed.rate(1.0) == pytest.approx(1000)
    for tick in range(100):
        speed.count(1.0 + tick / 10)
    assert speed.rate(11.0) == pytest.approx(10, rel=0.2)
    assert speed.rate(100.0) < 1


def settle(rate_of, most, rounds=60):
    """The widths of a worker for which this many parallel requests reach that rate."""
    state, widths = begin(most), []
    for _ in range(rounds):
        widths.append(state.width)
        state = adapt(state, rate_of(state.width))
    return widths, state


def test_with_latency_it_grows_as_far_as_it_may():
    widths, _ = settle(lambda width: width / 0.02, 512, rounds=30)
    assert widths == [64, 128, 256] + [512] * 27


def test_descriptors_limit_the_number_of_connections():
    state = narrow(5)
    for _ in range(100):
        state = adapt(state, 1000.0 * state.width)
        assert state.width <= 5
    assert begin(5, state).width == 5
    assert narrow(0).width == 1
    assert begin(128, state).most == 128  # the next call may find more


def test_it_stops_where_the_processor_is_the_limit():
    widths, _ = settle(lambda width: min(width / 0.02, 5000), 512)
    assert widths[:4] == [64, 128, 256, 64]  # more was tried, and fewer
    assert widths[4:30] == [128] * 26
    assert widths.count(256) <= 2


def test_without_a_difference_it_stays():
    widths, _ = settle(lambda width: 20_000, 512)
    assert widths[:3] == [FIRST_WIDTH, 2 * FIRST_WIDTH, FIRST_WIDTH // 2]
    assert widths.count(FIRST_WIDTH) >= len(widths) - 2 * (1 + len(widths) // PROBE_AFTER)


@pytest.mark.parametrize("good", [1, 8, 16])
def test_if_more_is_slower_there_are_fewer(good):
    widths, state = settle(lambda width: 1000 * good / max(width, good), 512, rounds=20)
    assert max(widths) == 128  # tried once
    assert begin(512, state).width == good


def test_it_tries_again_after_a_while():
    _, state = settle(lambda width: 1000, 512, rounds=10)
    for _ in range(PROBE_AFTER + 6):
        state = adapt(state, state.width / 0.02)
    assert state.width == 512


@pytest.mark.parametrize("latency", [0.0001, 2.0])
def test_changed_conditions_allow_an_immediate_retry(latency):
    _, state = settle(lambda width: 100, 64, rounds=1)
    state = adapt(state, 10_000.0)  # fewer were tried, and just then the server was no longer held up
    assert (state.width, state.settled) == (16, 0)
    state = adapt(state, 100.0)
    assert state.width == 32
    widths = []
    for _ in range(6):
        state = adapt(state, state.width / latency)
        widths.append(state.width)
    assert widths == [32, 64, 64, 64, 64, 64]


def test_a_moment_of_something_else_changes_nothing():
    _, state = settle(lambda width: 1000, 64, rounds=4)
    width = state.width
    for rate in (1000.0, 1.0, 1000.0, 100_000.0, 1000.0, 200.0, 3000.0, 1000.0):
        state = adapt(state, rate)
        assert state.width == width


@given(st.lists(st.floats(0, 1e6), max_size=200), st.integers(1, 256))
def test_it_keeps_its_limits(rates, most):
    state = begin(most)
    for rate in rates:
        state = adapt(state, rate)
        assert 1 <= state.width <= most


def test_a_call_begins_where_the_last_one_ended_within_its_own_limit():
    _, state = settle(lambda width: width / 0.02, 128)
    assert begin(256, state).width == 128
    assert begin(10, state).width == 10


def test_a_width_on_trial_is_not_what_the_next_call_begins_with():
    on_trial = adapt(begin(512), 1000.0)
    assert on_trial.width == 2 * FIRST_WIDTH
    assert begin(512, on_trial).width == FIRST_WIDTH


def test_bytes_count():
    assert weight(1, 0) == 1.0
    assert weight(2, 8 * MIB) == 130.0


@pytest.mark.parametrize(
    ("memory", "workers", "expected"),
    [
        (math.inf, 16, (16, 32)),
        (math.inf, 2, (2, 64)),
        (64 * 1024 * MIB, 1, (1, 128)),
        (512 * MIB, 16, (5, 13)),
        (512 * MIB, 1, (1, 116)),
        (128 * MIB, 16, (1, 20)),
    ],
)
def test_workers_and_their_bodies_fit_into_the_memory(memory, workers, expected):
    found = memory_limits(memory, workers)
    assert (found.workers, found.body_bytes // MIB) == expected


def test_some_worker_and_some_bytes_are_allowed_in_any_memory():
    assert memory_limits(1, 16) == (1, 1)
