"""Calls that may be stopped at any point, by Ctrl-C or by a time-out that raises in the main thread.

Such an exception comes between any two instructions: half a frame would have been sent to a worker, a lock not given
back, and boto3 and others would take it for a failure of the network and try again. So the work is done in a thread of
its own, where Python raises no such thing, and the main thread does nothing but wait.
"""

import contextlib
import sys
import threading
import weakref
from queue import Empty, SimpleQueue
from typing import Any, Callable, NamedTuple, Optional, TypeVar

from metaflow_extensions.fasts3.wire.blocking import Interruption

T = TypeVar("T")

LOOK = 0.1  # seconds between two looks for signals
LEAVE_AFTER = 0.8  # seconds for the work to end in order; then it is left to end by itself


class _Result(NamedTuple):
    """What became of the work."""

    value: Any = None
    error: Optional[BaseException] = None


class _Helper:
    """A thread that does one piece of work, and ends."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Any] = SimpleQueue()  # a callable; None, or the weak reference below, is no work
        self.results: SimpleQueue[_Result] = SimpleQueue()
        self.ended = threading.Event()
        # An exception may make the main thread forget this helper at any point, even here. The thread ends with it:
        # it holds nothing of it but a weak reference, which is put into its queue when there is no other one left.
        forgotten = weakref.ref(self, self.work.put)
        self.thread = threading.Thread(
            target=_do, args=(self.work, self.results, self.ended, forgotten), name="fasts3-call"
        )
        self.thread.daemon = True  # the end of the process does not wait for it
        self.thread.start()


def _do(
    queue: "SimpleQueue[Any]",
    results: "SimpleQueue[_Result]",
    ended: threading.Event,
    forgotten: "weakref.ref[_Helper]",
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
    """Do work, and have it end soon when an exception comes in between.

    Parameters
    ----------
    work : callable
        Takes an `Interruption`, which ends its waits when it is to end.

    Returns
    -------
    What it returns. What it raises is raised.
    """
    interruption = Interruption()

    def do() -> T:
        with interruption:
            return work(interruption)

    # Other threads never handle signals; and at the end of the interpreter no other one runs.
    if threading.current_thread() is not threading.main_thread() or sys.is_finalizing():
        return do()
    try:
        helper = _Helper()
    except RuntimeError as error:  # no more threads, or none any more: the interpreter is about to end
        if type(error) is not RuntimeError:  # a signal's handler may raise anything
            raise
        return do()
    result: Optional[_Result] = None
    try:
        helper.work.put(do)
        while result is None:
            # Not for ever: a signal that comes right before a thread falls asleep does not wake it.
            with contextlib.suppress(Empty):
                result = helper.results.get(timeout=LOOK)
    finally:
        if result is None:
            interruption.set()
            helper.work.put(None)  # if it was not given anything
            helper.ended.wait(LEAVE_AFTER)
    # It goes after each call, or Python 3.12 would warn of a thread whenever the user forks; and a thread that stayed
    # would keep the rights and namespaces that it was started with.
    helper.thread.join()
    try:
        if result.error is not None:
            raise result.error
        value: T = result.value
        return value
    finally:
        del result  # a traceback holds this frame, and this frame would hold the traceback
