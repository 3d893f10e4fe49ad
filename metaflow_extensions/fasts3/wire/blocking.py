"""Drives one coroutine of the wire in the calling thread."""

import os
import select
import time
import weakref
from collections.abc import Coroutine
from typing import Any, Callable, Optional, TypeVar

from metaflow_extensions.fasts3.wire.waiting import READ, Aside, Pause, Readiness

T = TypeVar("T")


class Interrupted(Exception):
    """Somebody has ended this wait."""


class Interruption:
    """What one thread ends the waits of others with: a descriptor, because they wait for descriptors."""

    def __init__(self) -> None:
        self.descriptor, self._end = os.pipe()
        weakref.finalize(self, _close, self.descriptor, self._end)  # when the last of those who wait has gone

    def set(self) -> None:
        """End all waits, those to come as well."""
        os.write(self._end, b"!")

    def check(self) -> None:
        """Raise `Interrupted` where it is time to end."""
        if self.wait(0.0):
            raise Interrupted

    def wait(self, seconds: float) -> bool:
        """Wait so long at the most. Whether it was ended."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


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
        answer, problem = None, None
        try:
            if isinstance(wanted, Readiness):
                _wait_for(wanted, interruption, _shorter(wanted.timeout, until))
            elif isinstance(wanted, Pause):
                answer = pause(_shorter(wanted.seconds, until)) or (until is not None and time.monotonic() >= until)
            elif isinstance(wanted, Aside):
                answer = wanted.function()
            else:
                raise TypeError(f"nobody can wait for a {type(wanted).__name__}")
        except BaseException as error:
            problem = error


def _shorter(seconds: float, until: Optional[float]) -> float:
    return seconds if until is None else max(0.0, min(seconds, until - time.monotonic()))


def _wait_for(wanted: Readiness, interruption: Optional[Interruption], timeout: float) -> None:
    poll = select.poll()
    poll.register(wanted.descriptor, select.POLLIN if wanted.direction == READ else select.POLLOUT)
    if interruption:
        poll.register(interruption.descriptor, select.POLLIN)
    ready = poll.poll(timeout * 1000)
    if not ready:
        raise TimeoutError
    if interruption and any(descriptor == interruption.descriptor for descriptor, _ in ready):
        raise Interrupted
