"""Runs calls that an exception may interrupt at any point: Ctrl-C, or a timeout that raises in the main thread.

Such an exception may come between any two instructions: a frame would be half sent, a lock not released, and boto3 and
others would treat it as a network failure and retry. So the work runs in its own thread, where Python raises no such
exceptions, and the main thread only waits.
"""

import contextlib
import sys
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import Any, Callable, NamedTuple, Optional, TypeVar

from metaflow_extensions.fasts3.wire.blocking import Interruption

T = TypeVar("T")

SIGNAL_CHECK_INTERVAL = 0.1  # seconds between a waiting thread's checks for signals and for the end of another thread
LEAVE_AFTER = 0.8  # seconds for an orderly end of the work; then the caller stops waiting


class _Result(NamedTuple):
    """The result of the work."""

    value: Any = None
    error: Optional[BaseException] = None


class _CallThread:
    """A thread that does one piece of work and ends."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Any] = SimpleQueue()  # a callable; None, or the weak reference below, means no work
        self.results: SimpleQueue[_Result] = SimpleQueue()
        self.ended = threading.Event()
        # An exception may make the main thread lose this object at any point, even here. The thread must then end: it
        # holds only a weak reference, whose callback puts it into the thread's queue.
        forgotten = weakref.ref(self, self.work.put)
        self.thread = threading.Thread(
            target=_run, args=(self.work, self.results, self.ended, forgotten), name="fasts3-call"
        )
        self.thread.daemon = True  # the process does not wait for it at exit
        self.thread.start()


def _run(
    queue: "SimpleQueue[Any]",
    results: "SimpleQueue[_Result]",
    ended: threading.Event,
    forgotten: "weakref.ref[_CallThread]",
) -> None:
    work = queue.get()
    if work is not None and work is not forgotten:
        try:
            result = _Result(work())
        except BaseException as error:
            result = _Result(error=error)
        del work
        results.put(result)
        del result
    ended.set()


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
        call = _CallThread()
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
                result = call.results.get(timeout=SIGNAL_CHECK_INTERVAL)
    finally:
        if result is None:
            interruption.set()
            call.work.put(None)  # in case it has no work yet
            call.ended.wait(LEAVE_AFTER)
    # End it after each call: Python 3.12 warns about threads at a fork, and a thread that stays would keep the
    # permissions and namespaces that it was started with.
    call.thread.join()
    try:
        if result.error is not None:
            raise result.error
        value: T = result.value
        return value
    finally:
        del result  # the traceback references this frame, which must not reference the traceback
