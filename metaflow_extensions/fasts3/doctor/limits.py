"""Time limits: whatever a check does, it ends, and with it the whole examination."""

import signal
import time
from typing import Any, Callable, TypeVar

from metaflow_extensions.fasts3.workers.interruptible import interruptible

T = TypeVar("T")

RINGS_EVERY = 1.0  # seconds, once the time is over: an exception raised while an object is destroyed gets lost


class TookTooLong(Exception):
    """It was not done in time.

    Attributes
    ----------
    seconds : float
        The time that it had.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it was not done in {seconds:.2g} seconds")
        self.seconds = seconds


class _Alarm(BaseException):
    """The time is over. No error, so that nobody in between takes it for a failure of the network."""


def limited(seconds: float, work: Callable[[], T]) -> T:
    """Do work in the main thread, and stop it when its time is over, as Metaflow's ``@timeout`` would.

    Calls of `S3` are made to be stopped like that: they end within a second and clean up. What can't be stopped,
    a resolver for one, is to be done `aside`.

    Parameters
    ----------
    seconds : float
        More than 0.
    work : callable

    Returns
    -------
    What it returns. What it raises is raised.

    Raises
    ------
    TookTooLong
    """
    armed = True

    def ring(*_: Any) -> None:
        if armed:
            raise _Alarm

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, RINGS_EVERY)
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
        if left:  # somebody else's alarm
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval)


def aside(work: Callable[[], T]) -> T:
    """Do work that can't be stopped in another thread, which is left behind when the time is over."""
    return interruptible(lambda _: work())


class Deadline:
    """When all has to be done.

    Parameters
    ----------
    seconds : float
        From now on.
    clock : callable
        `time.monotonic`; another in tests.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def left(self) -> float:
        """Seconds, 0 or more."""
        return max(0.0, self._until - self._clock())
