"""Time limits, so that every check ends."""

import signal
import time
from typing import Any, Callable, TypeVar

from metaflow_extensions.fasts3.workers.interruptible import interruptible

T = TypeVar("T")

REPEAT = 1.0  # seconds after which the alarm is repeated: Python ignores exceptions in destructors


class TookTooLong(Exception):
    """Work took longer than its limit, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it took more than {seconds:.2g} seconds")
        self.seconds = seconds


class _Alarm(BaseException):
    """The time limit has passed. Not an Exception, so that no handler treats it as a network error."""


def limited(seconds: float, work: Callable[[], T]) -> T:
    """Run work in the main thread, and interrupt it at its time limit, as Metaflow's ``@timeout`` does.

    Calls of `S3` then end within a second, and clean up. Work that can't be interrupted, such as resolving a name, has
    to run `in_other_thread`. Raises TookTooLong.
    """
    armed = True

    def ring(*_: Any) -> None:
        if armed:
            raise _Alarm

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT)
    try:
        try:
            return work()
        finally:
            armed = False
    except _Alarm:
        armed = False
        raise TookTooLong(seconds) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # an alarm that was set before
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval)


def in_other_thread(work: Callable[[], T]) -> T:
    """Run work in another thread, which is abandoned at the time limit."""
    return interruptible(lambda _: work())


class Deadline:
    """The time at which all checks must have ended, in seconds from now on."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def left(self) -> float:
        """Seconds, 0 or more."""
        return max(0.0, self._until - self._clock())
