"""Tests of the rate at which a worker begins requests, on a clock that the tests control."""

import pytest

from metaflow_extensions.fasts3.workers.throttle import FORGOTTEN, Throttle


class Server:
    """Allows so many requests a second, and refuses the others."""

    def __init__(self, limit):
        self.limit = limit
        self.tokens = 0.0
        self.seen = 0.0
        self.done = self.refused = 0

    def ask(self, now):
        self.tokens = min(self.limit * 0.1, self.tokens + (now - self.seen) * self.limit)
        self.seen = now
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        self.done += 1
        return True


def run(pace, server, seconds, start=0.0):
    """Begin requests one after the other; each receives its response immediately."""
    now = start
    while now < start + seconds:
        now += pace.reserve(now) or 0.0005
        if server.ask(now):
            pace.note_success(now)
        else:
            pace.slow_down(now)


def test_without_a_refusal_there_is_no_limit():
    pace = Throttle()
    assert [pace.reserve(0.0) for _ in range(1000)] == [0.0] * 1000


@pytest.mark.parametrize("limit", [20, 200, 1000])
def test_a_server_s_limit_is_used_and_hardly_exceeded(limit):
    pace, server = Throttle(), Server(limit)
    run(pace, server, 5.0)
    server.done = server.refused = 0
    run(pace, server, 20.0, start=5.0)
    assert server.done >= 0.9 * limit * 20
    assert server.refused <= 0.1 * server.done


def test_a_rising_limit_is_followed_and_an_ended_one_forgotten():
    pace, server = Throttle(), Server(50)
    run(pace, server, 5.0)
    server.limit, server.done = 1000, 0
    run(pace, server, 30.0, start=5.0)
    assert server.done > 0.5 * 1000 * 30
    assert [pace.reserve(5.0 + 30.0 + FORGOTTEN) for _ in range(1000)] == [0.0] * 1000


def test_a_new_throttle_finds_the_limit_within_seconds():
    pace, server = Throttle(), Server(300)
    server.tokens = 0.0
    pace.slow_down(0.0)  # the very first request
    run(pace, server, 3.0)
    assert server.done > 0.5 * 300 * 3


def test_simultaneous_jobs_take_turns():
    pace = Throttle()
    for tick in range(100):
        pace.note_success(tick / 100)
    pace.slow_down(1.0)
    turns = [pace.reserve(1.0) for _ in range(100)]
    assert turns == sorted(turns)
    assert 0.9 < turns[-1] < 1.3  # of some 85 a second


def test_many_refusals_at_once_are_one():
    pace = Throttle()
    for tick in range(100):
        pace.note_success(tick / 100)
    pace.slow_down(1.0)
    for _ in range(100):
        pace.slow_down(1.0)
    assert max(pace.reserve(1.0) for _ in range(85)) < 1.3


def test_an_old_rate_does_not_count():
    pace = Throttle()
    pace.note_success(0.0)
    for tick in range(100):
        pace.note_success(1000 + tick / 1000)
    pace.slow_down(1000.1)
    assert max(pace.reserve(1000.1) for _ in range(10)) < 0.06
