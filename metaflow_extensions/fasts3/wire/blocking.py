"""Runs one coroutine of the wire in the calling thread."""

import contextlib
import os
import select
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any, Callable, Optional, TypeVar

from metaflow_extensions.fasts3.wire.waiting import READ, InThread, Pause, Readiness

T = TypeVar("T")


class Interrupted(Exception):
    """Another thread ended this wait."""


class Waker:
    """A pipe that becomes readable when `wake` is called; closed with its last reference.

    Attributes
    ----------
    descriptor : int
        Poll it for reading.

    Raises
    ------
    OSError
        No file descriptors are left.
    """

    def __init__(self) -> None:
        self.descriptor, self._end = os.pipe()
        # Not at exit, where a daemon thread may still wait.
        weakref.finalize(self, _close, self.descriptor, self._end).atexit = False

    def wake(self) -> None:
        """Make the pipe readable from now on."""
        os.write(self._end, b"!")


class Interruption:
    """Lets one thread end the waits of others; a context manager of the waiting thread.

    The waiting thread creates and releases the pipe. In the main thread, which ends the waits, a signal handler may
    raise between any two instructions: it would leave a pipe open, or a finalizer would swallow the exception.

    Attributes
    ----------
    waker : Waker or None
        Wakes polls of descriptors. None: no thread waits, or no pipe could be created.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        # Held during wake(), so that the waking thread never drops the last reference. Reentrant, because a signal
        # handler may call set() meanwhile.
        self._lock = threading.RLock()
        self.waker: Optional[Waker] = None

    def __enter__(self) -> "Interruption":
        with contextlib.suppress(OSError):
            self.waker = Waker()
            if self.is_set():  # set() was called before the pipe existed
                self.waker.wake()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.waker = None

    def set(self) -> None:
        """End all waits, present and future."""
        self._event.set()
        with self._lock:
            if self.waker:
                self.waker.wake()

    def is_set(self) -> bool:
        """Whether the call was interrupted."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Interrupted` if the call was interrupted."""
        if self.is_set():
            raise Interrupted

    def wait(self, seconds: float) -> bool:
        """Wait for at most this many seconds; return whether the call was interrupted."""
        return self._event.wait(seconds)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def complete(
    coroutine: "Coroutine[Any, Any, T]",
    pause: "Callable[[float], Optional[bool]]" = time.sleep,
    interruption: Optional[Interruption] = None,
    within: Optional[float] = None,
) -> T:
    """Run a coroutine to its end.

    Parameters
    ----------
    coroutine : coroutine
        Of the wire.
    pause : callable
        Waits this many seconds; returns True if the call was interrupted.
    interruption : Interruption, optional
        Ends waits for sockets with `Interrupted`.
    within : float, optional
        Time limit in seconds; after it every wait raises TimeoutError.

    Returns
    -------
    The coroutine's result. Its exceptions propagate. An exception raised in this thread during a wait, for example by
    Ctrl-C, is raised in the coroutine, so that it releases its resources.
    """
    until = None if within is None else time.monotonic() + within
    result: Any = None
    problem: Optional[BaseException] = None
    while True:
        try:
            wanted = coroutine.throw(problem) if problem else coroutine.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            result, problem = None, None  # the exception's traceback references this frame
        try:
            if isinstance(wanted, Readiness):
                events = select.POLLIN if wanted.direction == READ else select.POLLOUT
                _poll(wanted.descriptor, events, interruption, _shorter(wanted.timeout, until))
            elif isinstance(wanted, Pause):
                result = pause(_shorter(wanted.seconds, until)) or (until is not None and time.monotonic() >= until)
            elif isinstance(wanted, InThread):
                result = wanted.function()
            else:
                raise TypeError(f"not a wait: {type(wanted).__name__}")
        except BaseException as error:
            problem = error


def wait_to_write(descriptor: int, interruption: Optional[Interruption], timeout: float) -> bool:
    """Wait until a descriptor is writable; return False if the call was interrupted.

    Raises
    ------
    TimeoutError
        It was not writable within this many seconds.
    """
    try:
        _poll(descriptor, select.POLLOUT, interruption, timeout)
    except Interrupted:
        return False
    return True


def _shorter(seconds: float, until: Optional[float]) -> float:
    return seconds if until is None else max(0.0, min(seconds, until - time.monotonic()))


def _poll(descriptor: int, events: int, interruption: Optional[Interruption], timeout: Optional[float]) -> None:
    poll = select.poll()
    poll.register(descriptor, events)
    waker = interruption.waker if interruption else None  # a reference, so that the pipe stays open during the wait
    if waker:
        poll.register(waker.descriptor, select.POLLIN)
    elif interruption:
        interruption.check()
    try:
        ready = poll.poll(None if timeout is None else timeout * 1000)
    finally:
        del waker  # a traceback would keep it open
    if not ready:
        raise TimeoutError
    if interruption:
        interruption.check()
