"""Limits bandwidth: a token bucket that all transfers of a call share, and the share of one attempt.

The bucket is pure: the time is an argument. It starts empty, so that short calls keep the limit too.
"""

import threading
import time
from typing import Callable, Optional

from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for

UNUSED = 0.1  # seconds' worth of tokens kept when a transfer wakes late; more would be a burst
SHORTEST_PAUSE = 0.0001  # seconds; a pause costs about as much, and the next pause makes up for one left out
STEPS = 32  # a second: with eight parallel transfers, each waits a quarter of a second between two steps
LEAST_STEP = 1024  # bytes
MOST_STEP = 256 * 1024  # bytes


class Bandwidth:
    """Token bucket for bytes. Threads share it.

    Parameters
    ----------
    rate : float
        Bytes a second.

    Attributes
    ----------
    step : int
        Bytes that one transfer should take at a time, so that parallel transfers alternate.
    """

    def __init__(self, rate: float) -> None:
        self.step = int(min(MOST_STEP, max(LEAST_STEP, rate / STEPS)))
        self._rate = rate
        self._tokens = 0.0  # negative while a transfer waits for tokens
        self._seen: Optional[float] = None
        self._lock = threading.Lock()

    def take(self, count: int, now: float) -> float:
        """Take tokens for `count` bytes and return the seconds to wait before moving them.

        Tokens are taken even if none are left, so later callers wait longer.
        """
        with self._lock:
            seen = now if self._seen is None else self._seen
            self._seen = max(seen, now)  # threads may arrive in another order than they read the clock
            come = self._tokens + (self._seen - seen) * self._rate
            self._tokens = min(come, UNUSED * self._rate) - count
            seconds = -self._tokens / self._rate
        return seconds if seconds > SHORTEST_PAUSE else 0.0


class Allowance:
    """The share of a bandwidth that one attempt of a transfer uses.

    Parameters
    ----------
    bandwidth : Bandwidth
    clock : callable
        `time.monotonic`; another in tests.
    pause : callable
        Waits this many seconds in blocking code; returns True if the call was interrupted.
    """

    __slots__ = ("_bandwidth", "_clock", "_pause", "_steps")

    def __init__(
        self,
        bandwidth: Bandwidth,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Optional[bool]] = time.sleep,
    ) -> None:
        self._bandwidth = bandwidth
        self._clock = clock
        self._pause = pause
        self._steps = 0

    @property
    def has_moved(self) -> bool:
        """Whether bytes were moved: the first step only asks for them."""
        return self._steps > 1

    async def some(self, wanted: int) -> int:
        """Wait until some of the wanted bytes may be moved, and return their number.

        Raises
        ------
        Interrupted
            The call was interrupted.
        """
        count, seconds = self._take(wanted)
        if seconds and await wait_for(Pause(seconds)):
            raise Interrupted
        return count

    def wait_for_some(self, wanted: int) -> int:
        """Do the same as `some`, blocking."""
        count, seconds = self._take(wanted)
        if seconds and self._pause(seconds):
            raise Interrupted
        return count

    def _take(self, wanted: int) -> "tuple[int, float]":
        count = min(wanted, self._bandwidth.step)
        self._steps += 1
        return count, self._bandwidth.take(count, self._clock())
