"""Tests of calls that may be interrupted at any point."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from workers.instructions import Stopped, stopped_before

from metaflow_extensions.fasts3.wire import blocking
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.waiting import READ, Readiness, wait_for
from metaflow_extensions.fasts3.workers import interruptible as module
from metaflow_extensions.fasts3.workers.interruptible import interruptible


@pytest.fixture
def stop(monkeypatch):
    """Return a function that raises in the main thread, as a signal handler does."""

    def handler(*_):
        raise Stopped

    before = signal.signal(signal.SIGUSR1, handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_results_and_exceptions():
    assert interruptible(lambda _: 7) == 7
    assert interruptible(lambda _: None) is None
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda _: 1 // 0)


def test_the_main_thread_only_waits_and_its_helper_ends_with_the_call():
    for _ in range(5):
        helper = interruptible(lambda _: threading.current_thread())
        assert helper is not threading.main_thread()
        assert not helper.is_alive()


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
            assert interruption.wait(60)
            interruption.check()
        except Interrupted:
            ended.append("in order")
            raise

    with pytest.raises(Stopped):
        interruptible(work)
    assert ended == ["in order"]
    assert interruptible(lambda _: "and goes on") == "and goes on"


def test_work_that_does_not_listen_is_left_to_itself(stop, monkeypatch):
    monkeypatch.setattr(module, "LEAVE_AFTER", 0.01)
    forever, ended = threading.Event(), threading.Event()

    def work(_):
        stop()
        forever.wait(60)
        ended.set()

    before = set(helpers())
    with pytest.raises(Stopped):
        interruptible(work)
    assert not ended.is_set()
    assert interruptible(lambda _: "others go on") == "others go on"
    forever.set()
    assert ended.wait(10)
    for thread in helpers():
        thread.join(10)
    assert set(helpers()) <= before


def helpers():
    """Return the threads that do the work of the main thread."""
    return [thread for thread in threading.enumerate() if thread.name == "fasts3-call"]


def test_an_exception_at_any_point_leaves_nothing():
    descriptors = len(os.listdir("/dev/fd"))
    others = set(helpers())
    instruction = 1
    while stopped_before(instruction, [module, blocking], lambda: interruptible(lambda _: None)):
        instruction += 1
    assert instruction > 50
    assert interruptible(lambda _: "and goes on") == "and goes on"
    gc.collect()
    left = set(helpers()) - others
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)
    assert len(os.listdir("/dev/fd")) <= descriptors


def test_a_wait_that_was_stopped_leaves_no_pipe_to_be_collected(stop):
    left, right = socket.socketpair()

    async def wait():
        stop()
        await wait_for(Readiness(left.fileno(), left, READ, 1000.0))

    with left, right:
        interruptible(lambda _: None)
        gc.collect()
        gc.disable()  # who collects it may be the main thread, which may be stopped meanwhile
        try:
            descriptors = len(os.listdir("/dev/fd"))
            for _ in range(10):
                with pytest.raises(Stopped):
                    interruptible(lambda interruption: blocking.complete(wait(), interruption=interruption))
            assert len(os.listdir("/dev/fd")) == descriptors
        finally:
            gc.enable()


def test_the_end_of_the_interpreter_does_not_wait_for_threads():
    program = (
        "import os\n"
        "from metaflow_extensions.fasts3.workers.interruptible import interruptible\n"
        "class Late:\n"
        "    def __init__(self): self.call, self.write = interruptible, os.write\n"
        "    def __del__(self): self.write(1, self.call(lambda _: b'done'))\n"
        "interruptible(lambda _: None)\n"
        "late = Late()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("done", "", 0)


def test_an_exception_of_a_handler_is_no_lack_of_threads(monkeypatch):
    class Stop(RuntimeError):
        pass

    def stopped(_):
        raise Stop

    monkeypatch.setattr(threading.Thread, "start", stopped)
    with pytest.raises(Stop):
        interruptible(lambda _: pytest.fail("the work is done all the same"))


def test_it_may_be_called_from_within():
    assert interruptible(lambda _: interruptible(lambda _: 3) + 1) == 4
