"""Tests of the bandwidth limit, on a clock that the tests control."""

import heapq

import pytest
from wire.completed import at_once

from metaflow_extensions.fasts3.wire.bandwidth import (
    LEAST_STEP,
    MOST_STEP,
    SHORTEST_PAUSE,
    STEPS,
    UNUSED,
    Allowance,
    Bandwidth,
)
from metaflow_extensions.fasts3.wire.blocking import Interrupted, complete

RATE = 1e6


class Clock:
    """A clock that advances only during waits."""

    def __init__(self, stops=False):
        self.now = 0.0
        self.waits = []
        self._stops = stops

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        return self._stops


def moved_at(bandwidth, sizes, side_by_side, oversleeps=0.0):
    """Transfer objects in parallel, step by step; return the time at which each is complete."""
    todo = list(enumerate(sizes))[::-1]
    at_work = [(0.0, *todo.pop()) for _ in range(min(side_by_side, len(todo)))]
    heapq.heapify(at_work)
    done = {}
    while at_work:
        now, number, left = heapq.heappop(at_work)
        if not left:
            done[number] = now
            if todo:
                heapq.heappush(at_work, (now, *todo.pop()))
            continue
        step = min(left, bandwidth.step)
        wait = bandwidth.take(step, now)
        heapq.heappush(at_work, (now + wait + (oversleeps if wait else 0.0), number, left - step))
    return done


@pytest.mark.parametrize("side_by_side", [1, 8, 100])
@pytest.mark.parametrize("sizes", [[10_000_000], [1_000] * 10_000, [2_000_000, *[1_000] * 8_000]])
@pytest.mark.parametrize("oversleeps", [0.0, 0.0005, 0.01])
def test_the_limit_is_kept_and_reached(sizes, side_by_side, oversleeps):
    ended = max(moved_at(Bandwidth(RATE), sizes, side_by_side, oversleeps).values())
    seconds = sum(sizes) / RATE
    assert seconds - SHORTEST_PAUSE <= ended <= 1.02 * seconds


@pytest.mark.parametrize("rate", [1024, 1e5, 1e6, 3e7, 1e9])
def test_a_call_keeps_it_from_the_beginning(rate):
    for size in (int(rate / 100), int(rate), int(rate * 3)):
        assert moved_at(Bandwidth(rate), [size], 1)[0] >= size / rate - SHORTEST_PAUSE


def test_unused_bandwidth_is_kept_briefly():
    bandwidth = Bandwidth(RATE)
    bandwidth.take(1, 0.0)
    assert bandwidth.take(int(UNUSED * RATE), 1000.0) == 0.0
    assert bandwidth.take(50_000, 1000.0) == pytest.approx(0.05)


def test_a_small_object_does_not_wait_where_tokens_are_there():
    bandwidth = Bandwidth(RATE)
    bandwidth.take(1000, 0.0)
    assert [bandwidth.take(1000, 0.01 * turn) for turn in range(1, 100)] == [0.0] * 99


def test_pauses_are_short_while_eight_share_it():
    for rate in (32 * LEAST_STEP, 1e6, 8e6):
        bandwidth = Bandwidth(rate)
        assert max(bandwidth.take(bandwidth.step, 0.0) for _ in range(8)) <= 8 / STEPS + 0.001


def test_a_step_is_neither_tiny_nor_large():
    assert (Bandwidth(1.0).step, Bandwidth(1e12).step) == (LEAST_STEP, MOST_STEP)


def test_a_clock_that_another_thread_has_read_earlier_gives_no_tokens_twice():
    bandwidth = Bandwidth(RATE)
    bandwidth.take(0, 0.0)
    bandwidth.take(0, 0.05)
    bandwidth.take(0, 0.01)
    assert bandwidth.take(100_000, 0.05) == pytest.approx(0.05)


def everything(allowance, blocking, clock, wanted=100_000):
    """Move bytes by one of the two ways."""

    async def move():
        left = wanted
        while left:
            left -= await allowance.some(left)

    if not blocking:
        return complete(move(), clock.pause)
    left = wanted
    while left:
        left -= allowance.wait_for_some(left)
    return None


both = pytest.mark.parametrize("blocking", [False, True], ids=["a coroutine", "blocking"])


@both
def test_an_allowance_waits_for_all_bytes(blocking):
    clock = Clock()
    everything(Allowance(Bandwidth(RATE), clock, clock.pause), blocking, clock)
    assert clock.now == pytest.approx(0.1)
    assert max(clock.waits) < 0.05


@both
def test_an_interrupted_wait_ends_the_transfer(blocking):
    clock = Clock(stops=True)
    with pytest.raises(Interrupted):
        everything(Allowance(Bandwidth(RATE), clock, clock.pause), blocking, clock)
    assert len(clock.waits) == 1


def test_bytes_have_moved_after_the_second_request_for_bytes():
    allowance = Allowance(Bandwidth(1e12), Clock())
    assert not allowance.has_moved
    assert at_once(allowance.some(10**9)) == MOST_STEP
    assert not allowance.has_moved
    at_once(allowance.some(10**9))
    assert allowance.has_moved
