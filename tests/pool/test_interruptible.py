"""Tests of calls that may be stopped at any point."""

import signal
import threading
import time

import pytest

from metaflow_extensions.fasts3.pool import interruptible as module
from metaflow_extensions.fasts3.pool.interruptible import interruptible
from metaflow_extensions.fasts3.wire.blocking import Interrupted


class Stopped(Exception):
    pass


@pytest.fixture
def stop(monkeypatch):
    """Give a function that raises in the main thread, as a signal's handler does."""

    def handler(*_):
        raise Stopped

    before = signal.signal(signal.SIGUSR1, handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_what_it_returns_and_what_it_raises():
    assert interruptible(lambda _: 7) == 7
    assert interruptible(lambda _: None) is None
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda _: 1 // 0)


def test_the_main_thread_only_waits_and_its_helper_stays():
    threads = [interruptible(lambda _: threading.current_thread()) for _ in range(5)]
    assert threads[0] is not threading.main_thread()
    assert len(set(threads)) == 1


def test_another_thread_does_its_work_itself():
    threads = []
    thread = threading.Thread(target=lambda: threads.append(interruptible(lambda _: threading.current_thread())))
    thread.start()
    thread.join()
    assert threads == [thread]


def test_an_exception_in_between_ends_the_work_in_order(stop):
    ended = []

    def work(interruption):
        try:
            stop()
            interruption.wait(60)
            interruption.check()
        except Interrupted:
            ended.append("in order")
            raise

    began = time.monotonic()
    with pytest.raises(Stopped):
        interruptible(work)
    assert ended == ["in order"]
    assert time.monotonic() - began < 10
    assert interruptible(lambda _: "and goes on") == "and goes on"


def test_work_that_does_not_listen_is_left_to_itself(stop, monkeypatch):
    monkeypatch.setattr(module, "LEAVE_AFTER", 0.01)
    forever, ended = threading.Event(), threading.Event()

    def work(_):
        stop()
        forever.wait(60)
        ended.set()

    before = threading.active_count()
    with pytest.raises(Stopped):
        interruptible(work)
    assert not ended.is_set()
    assert interruptible(lambda _: "others go on") == "others go on"
    forever.set()
    assert ended.wait(10)
    for thread in threading.enumerate():
        if thread.name == "fasts3-call" and thread is not interruptible(lambda _: threading.current_thread()):
            thread.join(10)
    assert threading.active_count() <= before + 1


def test_it_may_be_called_from_within():
    assert interruptible(lambda _: interruptible(lambda _: 3) + 1) == 4
