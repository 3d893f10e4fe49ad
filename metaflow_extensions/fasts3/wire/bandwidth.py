"""A limit of bytes a second: a token bucket that all transfers of a call share, and what it lets one of them move.

The bucket is pure: the time is an argument. It begins empty, so that a call keeps the limit however short it is.
"""

import threading
import time
from typing import Callable, Optional

from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for

UNUSED = 0.1  # seconds' worth of tokens that are kept for who overslept; more would be a burst
UNFELT = 0.0001  # seconds; a pause costs about as much, and one that is left out is made up for by the next
STEPS = 32  # a second: with eight transfers side by side, each waits a quarter of a second between two steps
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
        Bytes that one transfer should take at a time, so that the others get theirs in between.
    """

    def __init__(self, rate: float) -> None:
        self.step = int(min(MOST_STEP, max(LEAST_STEP, rate / STEPS)))
        self._rate = rate
        self._tokens = 0.0  # fewer than none: somebody waits for them
        self._seen: Optional[float] = None
        self._lock = threading.Lock()

    def take(self, count: int, now: float) -> float:
        """Take tokens for so many bytes; seconds to wait before they are moved.

        Who comes later waits longer: the tokens are taken, whether they are there or not.
        """
        with self._lock:
            seen = now if self._seen is None else self._seen
            self._seen = max(seen, now)  # another thread may have looked at the clock later, and come earlier
            come = self._tokens + (self._seen - seen) * self._rate
            self._tokens = min(come, UNUSED * self._rate) - count
            seconds = -self._tokens / self._rate
        return seconds if seconds > UNFELT else 0.0


class Allowance:
    """What one try of a transfer may move of a bandwidth.

    Parameters
    ----------
    bandwidth : Bandwidth
    clock : callable
        `time.monotonic`; another in tests.
    pause : callable
        Waits so many seconds, for what blocks; True from it means that nobody wants to go on.
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
        """Whether bytes were moved: nobody asks for more before."""
        return self._steps > 1

    async def some(self, wanted: int) -> int:
        """Wait until some of the bytes that are wanted may be moved; how many.

        Raises
        ------
        Interrupted
            Nobody wants them any more.
        """
        count, seconds = self._take(wanted)
        if seconds and await wait_for(Pause(seconds)):
            raise Interrupted
        return count

    def wait_for_some(self, wanted: int) -> int:
        """Do as `some` does, but block."""
        count, seconds = self._take(wanted)
        if seconds and self._pause(seconds):
            raise Interrupted
        return count

    def _take(self, wanted: int) -> "tuple[int, float]":
        count = min(wanted, self._bandwidth.step)
        self._steps += 1
        return count, self._bandwidth.take(count, self._clock())
