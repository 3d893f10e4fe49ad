"""Tests of functions that are called in threads, where there are threads and where there are none."""

import threading
from queue import Empty, SimpleQueue

import pytest

from metaflow_extensions.fasts3.machine.threads import Threads, get_within

LONG = 30.0  # seconds


@pytest.fixture
def no_more_threads(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.fixture
def threads():
    threads = Threads(2, "test")
    yield threads
    threads.close()
    threads.join()


def result_of(threads, function):
    threads.give(function, "tag")
    [result] = threads.results(LONG)
    assert result.tag == "tag"
    return result


@pytest.mark.parametrize("seconds", [0.0, pytest.param(1e-9, marks=pytest.mark.release)])
def test_a_wait_for_a_queue_ends_although_its_time_is_over_at_once(seconds):
    def wait():
        for _ in range(50_000):  # SimpleQueue.get waited forever after 169 to 15,000 calls
            try:
                get_within(SimpleQueue(), seconds)
            except Empty:
                ended.append(seconds)

    ended = []
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(LONG)
    assert not thread.is_alive()
    assert len(ended) == 50_000


def test_a_wait_for_a_queue_returns_what_is_or_comes(threads):
    queue = SimpleQueue()
    queue.put(1)
    assert [get_within(queue, 0.0), threads.give(lambda: queue.put(2)), get_within(queue, LONG)] == [1, None, 2]


def test_a_result_is_what_a_function_returns_or_raises(threads):
    assert result_of(threads, lambda: 7).value == 7
    assert isinstance(result_of(threads, lambda: 1 / 0).error, ZeroDivisionError)
    assert threads.under_way == 0


def test_functions_run_in_other_threads(threads):
    assert result_of(threads, threading.get_ident).value != threading.get_ident()


def test_no_more_threads_start_than_functions_are_under_way(threads):
    for _ in range(9):
        result_of(threads, lambda: None)
    assert len(threads._threads) == 1
    together = threading.Barrier(2)
    for _ in range(2):
        threads.give(lambda: together.wait(LONG))
    while threads.under_way:
        assert all(not result.error for result in threads.results(LONG))
    assert len(threads._threads) == 2


def test_the_caller_runs_functions_if_no_thread_can_be_started(threads, no_more_threads):
    no_more_threads()
    assert result_of(threads, threading.get_ident).value == threading.get_ident()
    assert isinstance(result_of(threads, lambda: 1 / 0).error, ZeroDivisionError)


def test_with_too_few_threads_each_function_is_called_once(threads, no_more_threads):
    done, go_on = [], threading.Event()
    threads.give(go_on.wait)
    no_more_threads()
    for number in range(50):
        threads.give(lambda number=number: done.append(number))
    go_on.set()
    while threads.under_way:
        list(threads.results(LONG))
    assert done == list(range(50))


def test_a_function_may_report_before_it_ends(threads):
    go_on = threading.Event()
    threads.give(lambda: threads.report("tag", "begun") or go_on.wait(LONG), "tag")
    assert [(result.value, result.ended) for result in threads.results(LONG)] == [("begun", False)]
    assert threads.under_way == 1
    go_on.set()
    assert [(result.value, result.ended) for result in threads.results(LONG)] == [(True, True)]


def test_the_callback_wakes_another_wait():
    woken = threading.Event()
    threads = Threads(1, "test", woken.set)
    threads.give(lambda: None)
    assert woken.wait(LONG)
    threads.close()
    assert len(list(threads.results())) == 1


def test_functions_that_have_not_begun_at_the_end_are_not_called():
    threads, begun, go_on, called = Threads(1, "test"), threading.Event(), threading.Event(), []
    threads.give(lambda: begun.set() or go_on.wait(LONG))
    threads.give(lambda: called.append(1))
    assert begun.wait(LONG)
    threads.close()
    go_on.set()
    threads.join()
    assert called == []
