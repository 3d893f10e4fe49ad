"""Tests of doing things aside, where there are threads and where there are none."""

import threading

import pytest

from metaflow_extensions.fasts3.workers.threads import Threads


@pytest.fixture
def no_more_threads(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.fixture
def threads():
    threads = Threads(2)
    yield threads
    threads.close()


def fail():
    raise ValueError("so it is")


def test_what_a_function_returns_or_raises(threads):
    assert threads.submit(lambda: 7).result() == 7
    with pytest.raises(ValueError, match="so it is"):
        threads.submit(fail).result()


def test_others_do_it_where_they_can(threads):
    assert threads.submit(threading.get_ident).result() != threading.get_ident()


def test_whoever_asks_does_it_where_there_is_no_thread(threads, no_more_threads):
    no_more_threads()
    assert threads.submit(threading.get_ident).result() == threading.get_ident()
    with pytest.raises(ValueError, match="so it is"):
        threads.submit(fail).result()


def test_nothing_is_done_twice_where_there_are_too_few(threads, no_more_threads):
    """What no thread could be started for is in the executor's queue all the same."""
    done, go_on = [], threading.Event()
    first = threads.submit(go_on.wait)
    no_more_threads()
    futures = [threads.submit(lambda number=number: done.append(number)) for number in range(50)]
    go_on.set()
    for future in (first, *futures):
        future.result()
    threads.close()
    assert sorted(done) == list(range(50))


def test_ctrl_c_in_what_is_done_here_comes_through(threads, no_more_threads):
    def interrupted():
        raise KeyboardInterrupt

    no_more_threads()
    with pytest.raises(KeyboardInterrupt):
        threads.submit(interrupted)
