"""Drives one coroutine of the wire in the calling thread."""

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
    """Somebody has ended this wait."""


class Waker:
    """A pipe that can be read once somebody wakes whoever waits for it; closed when nobody has it any more.

    Attributes
    ----------
    descriptor : int
        To be waited for, until it can be read.

    Raises
    ------
    OSError
        No descriptors are left.
    """

    def __init__(self) -> None:
        self.descriptor, self._end = os.pipe()
        # Not at the end of the process, where a daemon may wait still.
        weakref.finalize(self, _close, self.descriptor, self._end).atexit = False

    def wake(self) -> None:
        """Let it be read from now on."""
        os.write(self._end, b"!")


class Interruption:
    """What one thread ends the waits of others with; a context manager of the thread that waits.

    Whoever waits makes the pipe and lets go of it. In the main thread, which ends the waits, the exception of a signal
    may come between any two instructions: a pipe would be left open, or a finaliser would swallow the exception.

    Attributes
    ----------
    waker : Waker or None
        Awake once it is set, because most of them wait for descriptors. None: nobody waits, or no pipe was to be had.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        # While it is woken, so that whoever wakes it is never the last to have it. A signal's handler may come in
        # between, and set it as well.
        self._lock = threading.RLock()
        self.waker: Optional[Waker] = None

    def __enter__(self) -> "Interruption":
        with contextlib.suppress(OSError):
            self.waker = Waker()
            if self.is_set():  # before there was one
                self.waker.wake()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.waker = None

    def set(self) -> None:
        """End all waits, those to come as well."""
        self._event.set()
        with self._lock:
            if self.waker:
                self.waker.wake()

    def is_set(self) -> bool:
        """Whether it is time to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Interrupted` where it is time to end."""
        if self.is_set():
            raise Interrupted

    def wait(self, seconds: float) -> bool:
        """Wait so long at the most. Whether it was ended."""
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
    """Drive a coroutine to its end.

    Parameters
    ----------
    coroutine : coroutine
        Of the wire.
    pause : callable
        Waits so many seconds; True from it means that nobody wants to go on.
    interruption : Interruption, optional
        Ends its waits, with `Interrupted` where it waits for a socket.
    within : float, optional
        Seconds in which it has to be done; after these every wait is a time-out.

    Returns
    -------
    What the coroutine returns. What it raises is raised; and what is raised in this thread while it waits, Ctrl-C for
    one, is raised in the coroutine as well, so that it lets go of what it holds.
    """
    until = None if within is None else time.monotonic() + within
    answer: Any = None
    problem: Optional[BaseException] = None
    while True:
        try:
            wanted = coroutine.throw(problem) if problem else coroutine.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            answer, problem = None, None  # its traceback holds this frame
        try:
            if isinstance(wanted, Readiness):
                events = select.POLLIN if wanted.direction == READ else select.POLLOUT
                _poll(wanted.descriptor, events, interruption, _shorter(wanted.timeout, until))
            elif isinstance(wanted, Pause):
                answer = pause(_shorter(wanted.seconds, until)) or (until is not None and time.monotonic() >= until)
            elif isinstance(wanted, InThread):
                answer = wanted.function()
            else:
                raise TypeError(f"nobody can wait for a {type(wanted).__name__}")
        except BaseException as error:
            problem = error


def wait_to_write(descriptor: int, interruption: Optional[Interruption], timeout: float) -> bool:
    """Wait until a descriptor can be written. False: it is time to end.

    Raises
    ------
    TimeoutError
        That takes longer than so many seconds.
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
    waker = interruption.waker if interruption else None  # had by this wait, so that nobody closes it meanwhile
    if waker:
        poll.register(waker.descriptor, select.POLLIN)
    elif interruption:
        interruption.check()
    try:
        ready = poll.poll(None if timeout is None else timeout * 1000)
    finally:
        del waker  # or a traceback would keep it open
    if not ready:
        raise TimeoutError
    if interruption:
        interruption.check()
