"""Calls that may be stopped at any point, by Ctrl-C or by a time-out that raises in the main thread.

Such an exception comes between any two instructions: half a frame would have been sent to a worker, a lock not given
back, and boto3 and others would take it for a failure of the network and try again. So the work is done in a thread of
its own, where Python raises no such thing, and the main thread does nothing but wait.
"""

import contextlib
import os
import threading
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
    """A thread that does one piece of work after the other. It stays for the next, as starting one takes a while."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Optional[Callable[[], Any]]] = SimpleQueue()  # None ends it
        self.results: SimpleQueue[_Result] = SimpleQueue()
        self.done = threading.Event()
        # A daemon: the end of the process does not wait for it.
        threading.Thread(target=self._run, name="fasts3-call", daemon=True).start()

    def _run(self) -> None:
        while True:
            work = self.work.get()
            if work is None:
                return
            try:
                result = _Result(work())
            except BaseException as error:
                result = _Result(error=error)
            del work
            self.results.put(result)
            self.done.set()
            del result


_helper: Optional[_Helper] = None  # of the main thread; None while it is at work


def _forget() -> None:
    global _helper  # noqa: PLW0603  # the forked child does not have the thread
    _helper = None


os.register_at_fork(after_in_child=_forget)


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
    global _helper  # noqa: PLW0603
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():  # where signals are never handled
        return work(interruption)
    helper, _helper = _helper, None
    try:
        helper = helper or _Helper()
    except RuntimeError:  # no more threads, or none any more: the interpreter is about to end
        return work(interruption)
    result: Optional[_Result] = None
    try:
        helper.work.put(lambda: work(interruption))
        while result is None:
            # Not for ever: a signal that comes right before a thread falls asleep does not wake it.
            with contextlib.suppress(Empty):
                result = helper.results.get(timeout=LOOK)
    finally:
        if result is None:  # whoever is still at work is not used again
            interruption.set()
            helper.work.put(None)
            helper.done.wait(LEAVE_AFTER)
        else:
            helper.done.clear()
            _helper = helper
    try:
        if result.error is not None:
            raise result.error
        value: T = result.value
        return value
    finally:
        del result  # a traceback holds this frame, and this frame would hold the traceback
