"""Runs calls that an exception may interrupt at any point: Ctrl-C, or a timeout that raises in the main thread.

Such an exception may come between any two instructions: a frame would be half sent, a lock not released, and boto3 and
others would treat it as a network failure and retry. So the work runs in its own thread, where Python raises no such
exceptions, and the main thread only waits.
"""

import contextlib
import contextvars
import os
import sys
import threading
import time
import weakref
from queue import Empty, SimpleQueue
from typing import Any, Callable, NamedTuple, Optional, TypeVar

from metaflow_extensions.fasts3.machine.threads import get_within
from metaflow_extensions.fasts3.wire.blocking import Interruption

T = TypeVar("T")

SIGNAL_CHECK_INTERVAL = 0.1  # seconds between a waiting thread's checks for signals and for the end of another thread
LEAVE_AFTER = 0.8  # seconds for an orderly end of the work; then the caller stops waiting
# Seconds for which a thread waits for the next call: a loop of calls starts one thread, not one for each call, which
# would cost a quarter of a small request to a server next door. Not longer, because programs expect no threads of a
# library that does nothing: a thread keeps the permissions that it was started with, and with two threads a process
# can't enter a user namespace.
STAY = 0.05
END_WITHIN = 0.1  # seconds for an idle thread to end, until the kernel no longer counts it


class _Result(NamedTuple):
    """The result of the work."""

    value: Any = None
    error: Optional[BaseException] = None


class _CallThread:
    """A thread that does one piece of work after another, and ends soon after the last."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Any] = SimpleQueue()  # callables; None, or the weak reference below, ends the thread
        self.results: SimpleQueue[_Result] = SimpleQueue()
        self.ended = threading.Event()
        # An exception may make the main thread lose this object at any point, even here. The thread must then end: it
        # holds only a weak reference, whose callback puts it into the thread's queue.
        lost = weakref.ref(self, self.work.put)
        self.thread = threading.Thread(
            target=_run, args=(self.work, self.results, self.ended, lost), name="fasts3-call"
        )
        self.thread.daemon = True  # the process does not wait for it at exit
        self.thread.start()


_idle: list[_CallThread] = []  # of the main thread. Each takes itself out when it ends


def _run(
    queue: "SimpleQueue[Any]",
    results: "SimpleQueue[_Result]",
    ended: threading.Event,
    lost: "weakref.ref[_CallThread]",
) -> None:
    process = os.getpid()
    while True:
        try:
            work = get_within(queue, STAY)
        except Empty:
            if os.getpid() != process:  # the work has forked, and the main thread is the parent's
                break
            with contextlib.suppress(ValueError):  # it is not idle: the main thread has just taken it
                _idle.remove(lost())  # type: ignore[arg-type]  # None is not in it
                break
            continue
        if work is None or work is lost:
            break
        try:
            result = _Result(contextvars.Context().run(work))  # empty, as that of a new thread
        except BaseException as error:
            result = _Result(error=error)
        del work
        results.put(result)
        del result
    ended.set()


def _take_or_start() -> _CallThread:
    with contextlib.suppress(IndexError):
        while True:
            call = _idle.pop()
            if call.thread.is_alive():  # not a parent process's thread, nor one that an exception has ended
                return call
    return _CallThread()


def end_idle() -> None:
    """End idle threads, before a fork: Python 3.12 warns of other threads, which it counts as the kernel does."""
    with contextlib.suppress(IndexError):
        while True:
            call = _idle.pop()
            call.work.put(None)
            until = time.monotonic() + END_WITHIN
            call.thread.join(END_WITHIN)  # no longer: it may be in a finalizer that waits for a lock of this thread
            while os.path.exists(f"/proc/self/task/{call.thread.native_id}") and time.monotonic() < until:
                time.sleep(0.0001)


# Another thread may fork while a call of the main thread ends: the child does not have its thread.
os.register_at_fork(before=end_idle, after_in_child=_idle.clear)


def interruptible(work: "Callable[[Interruption], T]") -> T:
    """Do work, and end it soon if an exception interrupts the caller.

    Parameters
    ----------
    work : callable
        Takes an `Interruption` that ends its waits.

    Returns
    -------
    The result of the work. Its exceptions propagate.
    """
    interruption = Interruption()

    def do() -> T:
        with interruption:
            return work(interruption)

    # Other threads never handle signals; and at exit of the interpreter no other thread runs.
    if threading.current_thread() is not threading.main_thread() or sys.is_finalizing():
        return do()
    try:
        call = _take_or_start()
    except RuntimeError as error:  # can't start a thread, or the interpreter is shutting down
        if type(error) is not RuntimeError:  # a signal handler may raise any exception
            raise
        return do()
    result: Optional[_Result] = None
    try:
        call.work.put(do)
        while result is None:
            # With a timeout: a signal that arrives just before a thread blocks does not wake it.
            with contextlib.suppress(Empty):
                result = get_within(call.results, SIGNAL_CHECK_INTERVAL)
        _idle.append(call)
    finally:
        if result is None:
            interruption.set()
            call.work.put(None)  # in case it has no work yet
            call.ended.wait(LEAVE_AFTER)
        elif call not in _idle:  # an exception came before, and its traceback may keep the call for long
            call.work.put(None)
    try:
        if result.error is not None:
            raise result.error
        value: T = result.value
        return value
    finally:
        del result  # the traceback references this frame, which must not reference the traceback
