"""Limits a worker's requests a second after S3 asked for fewer (additive increase, multiplicative decrease).

Without such a response only the width limits a worker (`workers/concurrency.py`); that does not slow down requests that
a server refuses within a ms. Pure: the time is an argument.
"""

from collections import deque
from typing import Optional

KEPT = 0.85  # fraction of the reached rate to continue with after a refusal
GROWTH = 0.05  # fraction of that rate added each second
LEAST_GROWTH = 10.0  # requests a second, added each second at least
LEAST = 1.0  # requests a second per worker
FIRST = 40.0  # requests a second if too few were done to measure a rate
DOUBLING = 0.5  # seconds in which this first rate doubles, until the next refusal
QUIET = 4.0  # seconds without a refusal after which S3's limit has probably changed
ACCELERATION = 3.0  # seconds in which the rate then doubles
FEW = 8  # successes
ONE_REFUSAL = 0.5  # seconds within which refusals count as one: all running requests meet the same limit
FORGOTTEN = 30.0  # seconds without a refusal after which the limit is removed
CATCH_UP = 0.05  # seconds' worth of requests that may start at once after a pause
WINDOW = 1.0  # seconds over which the rate is measured
SAMPLES = 512  # maximum number of samples in the window


class Throttle:
    """Schedules requests."""

    def __init__(self) -> None:
        self._base: Optional[float] = None  # requests a second right after the last refusal; None: unlimited
        self._refused = 0.0  # time of the last refusal
        self._is_guess = False  # S3's limit is unknown
        self._next = 0.0  # when the next request may start
        self._successes: deque[float] = deque(maxlen=SAMPLES)  # times of the last successful requests

    def note_success(self, now: float) -> None:
        """Record a successful request."""
        self._successes.append(now)

    def slow_down(self, now: float) -> None:
        """Lower the rate after S3 refused a request because there are too many."""
        if self._base is not None and now - self._refused < ONE_REFUSAL:
            return
        while self._successes and now - self._successes[0] > WINDOW:
            self._successes.popleft()
        limit, was_guess = self._rate(now), self._is_guess
        self._is_guess = limit is None and len(self._successes) < FEW
        if limit is None:
            reached = FIRST if self._is_guess else self._reached(now)
        else:  # a guess may have doubled since; S3 accepted half of it
            reached = min(limit, max(self._reached(now), limit / 2 if was_guess else 0.0))
        self._base = max(LEAST, KEPT * reached)
        self._refused = now

    def _reached(self, now: float) -> float:
        return len(self._successes) / max(now - self._successes[0], 0.001) if self._successes else LEAST

    def reserve(self, now: float) -> float:
        """Return the seconds until another request may start, and reserve that moment for it."""
        if self._base is None:  # the usual case, for each request
            return 0.0
        rate = self._rate(now)
        if rate is None:
            return 0.0
        begin = max(self._next, now - CATCH_UP)
        self._next = begin + 1.0 / rate
        return max(0.0, begin - now)

    def _rate(self, now: float) -> Optional[float]:
        if self._base is None or now - self._refused > FORGOTTEN:
            self._base = None
            return None
        elapsed = now - self._refused
        if self._is_guess:
            return float(self._base * 2.0 ** (elapsed / DOUBLING))
        rate = self._base + max(GROWTH * self._base, LEAST_GROWTH) * min(elapsed, QUIET)
        return float(rate * 2.0 ** (max(0.0, elapsed - QUIET) / ACCELERATION))
