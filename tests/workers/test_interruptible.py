"""Tests of calls that may be interrupted at any point."""

import contextvars
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


@pytest.fixture
def stay(monkeypatch):
    """Return a function that sets how long threads wait for another call; none is left from before or after."""
    module.end_idle()
    yield lambda seconds: monkeypatch.setattr(module, "STAY", seconds)
    module.end_idle()


def test_the_main_thread_only_waits_and_calls_in_a_row_share_a_thread(stay):
    stay(60)
    first, *others = [interruptible(lambda _: threading.current_thread()) for _ in range(5)]
    assert first is not threading.main_thread()
    assert set(others) == {first}


def test_a_thread_without_another_call_ends(stay):
    stay(0.001)
    for _ in range(5):
        thread = interruptible(lambda _: threading.current_thread())
        thread.join(60)
        assert not thread.is_alive()
    assert module._idle == []


def test_a_thread_that_something_else_has_ended_is_replaced(stay):
    stay(60)
    thread = interruptible(lambda _: threading.current_thread())
    module._idle[0].work.put(None)  # as an exception in the thread, while it waits
    thread.join(60)
    assert interruptible(lambda _: threading.current_thread()) is not thread


def test_calls_share_no_context(stay):
    stay(60)
    variable = contextvars.ContextVar("variable", default="unset")
    interruptible(lambda _: variable.set("by the first call"))
    assert interruptible(lambda _: variable.get()) == "unset"


def test_an_exception_after_the_result_ends_the_thread_although_it_is_kept(stay, monkeypatch):
    class Interrupting(list):
        def append(self, _):
            raise Stopped

    stay(60)
    monkeypatch.setattr(module, "_idle", Interrupting())
    threads = []
    with pytest.raises(Stopped) as kept:
        interruptible(lambda _: threads.append(threading.current_thread()))
    threads[0].join(60)
    assert not threads[0].is_alive()
    assert kept.value.__traceback__


def test_a_fork_does_not_wait_for_a_thread_that_waits_for_the_forking_one(stay, monkeypatch):
    monkeypatch.setattr(module, "END_WITHIN", 0.01)
    call, forked, waited = module._CallThread(), threading.Event(), []
    call.work.put(lambda: waited.append(forked.wait(60)))  # as a finalizer that the thread runs meanwhile
    module._idle.append(call)
    module.end_idle()
    forked.set()
    call.thread.join(60)
    assert waited == [True]


def test_a_child_forked_by_the_work_ends():
    program = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from metaflow_extensions.fasts3.workers.interruptible import interruptible\n"
        "child = interruptible(lambda _: os.fork())\n"
        "print(os.waitpid(child, 0)[1], flush=True)\n"
        "os._exit(0)\n"
    )
    assert outcome_of(program) == ("0\n", "", 0)


def test_a_child_forked_by_a_handler_after_the_result_does_not_use_the_parents_thread():
    program = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "from metaflow_extensions.fasts3.workers import interruptible as module\n"
        "class Forking(list):\n"
        "    def append(self, call): self.child = os.fork(); super().append(call)\n"
        "module._idle = Forking()\n"
        "module.interruptible(lambda _: None)\n"
        "child, module._idle = module._idle.child, list(module._idle)\n"
        "status = os.waitpid(child, 0)[1] if child else None\n"
        "print(module.interruptible(lambda _: 'done'), status, flush=True)\n"
        "os._exit(0)\n"
    )
    assert outcome_of(program) == ("done None\ndone 0\n", "", 0)


def test_a_fork_ends_the_idle_thread_and_both_processes_continue():
    program = (
        "import os, threading\n"
        "from metaflow_extensions.fasts3.workers import interruptible as module\n"
        "module.STAY = 60\n"
        "module.interruptible(lambda _: None)\n"
        "child = os.fork()\n"  # Python 3.12 warns of other threads
        "if child: status = os.waitpid(child, 0)[1], threading.active_count()\n"
        "print(module.interruptible(lambda _: 'done'), status if child else '', flush=True)\n"
        "os._exit(0)\n"
    )
    assert outcome_of(program) == ("done \ndone (0, 1)\n", "", 0)


def test_a_child_forked_by_another_thread_does_not_use_the_parents_thread():
    program = (
        "import os\n"
        "def meanwhile(): module.interruptible(lambda _: None)\n"  # what the main thread does after the idle ones ended
        "os.register_at_fork(before=meanwhile)\n"  # the first one registered is called last
        "from metaflow_extensions.fasts3.workers import interruptible as module\n"
        "import warnings; warnings.simplefilter('ignore')\n"  # of that thread
        "module.STAY = 60\n"
        "if not os.fork():\n"
        "    print(module.interruptible(lambda _: 'done'), flush=True)\n"
        "    os._exit(0)\n"
        "print(os.wait()[1], len(module._idle), flush=True)\n"
        "os._exit(0)\n"
    )
    assert outcome_of(program) == ("done\n0 1\n", "", 0)


def outcome_of(program):
    """Run a program, and return its output, its errors and its exit status."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    return done.stdout, done.stderr, done.returncode


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


@pytest.mark.parametrize("is_idle", [False, True], ids=["new thread", "idle thread"])
def test_an_exception_at_any_point_leaves_nothing(stay, is_idle):
    stay(60)
    descriptors = len(os.listdir("/dev/fd"))
    others = set(helpers())

    def prepare():
        module.end_idle()
        if is_idle:
            interruptible(lambda _: None)

    instruction = 1
    prepare()
    while stopped_before(instruction, [module, blocking], lambda: interruptible(lambda _: None)):
        instruction += 1
        prepare()
    assert instruction > 50
    assert interruptible(lambda _: "and goes on") == "and goes on"
    module.end_idle()
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
    assert outcome_of(program) == ("done", "", 0)


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
