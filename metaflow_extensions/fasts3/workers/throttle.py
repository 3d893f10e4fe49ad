"""How many requests a second a worker begins, once S3 has asked for fewer: additive increase, multiplicative decrease.

Without such a word from S3 there is no limit but the width (`workers/concurrency.py`), which a server that refuses in a
millisecond would not feel. Pure: the time is an argument.
"""

from collections import deque
from typing import Optional

KEPT = 0.85  # of the rate that was reached, after a refusal
GROWTH = 0.05  # of that rate, added each second
LEAST_GROWTH = 10.0  # requests a second, added each second at least
LEAST = 1.0  # requests a second, for each worker
FIRST = 40.0  # requests a second where too few were done to measure
DOUBLING = 0.5  # seconds in which that doubles, until the next refusal
QUIET = 4.0  # seconds without a refusal after which the limit is likely to be another one by now
ACCELERATION = 3.0  # seconds in which the rate doubles from then on
FEW = 8  # successes
ONE_WORD = 0.5  # seconds in which many refusals are one: all requests under way meet the same limit
FORGOTTEN = 30.0  # seconds without a refusal after which there is no limit any more
CATCH_UP = 0.05  # seconds' worth of requests that may begin at once, after a pause of the worker's own
WINDOW = 1.0  # seconds over which the rate is measured
SAMPLES = 512  # of that


class Throttle:
    """Gives the time of the next request."""

    def __init__(self) -> None:
        self._base: Optional[float] = None  # requests a second, right after the last refusal; None: no limit
        self._refused = 0.0  # when that was
        self._is_guess = False  # nobody knows yet what S3 allows
        self._next = 0.0  # when the next request may begin
        self._successes: deque[float] = deque(maxlen=SAMPLES)  # when the last requests were done

    def note_success(self, now: float) -> None:
        """A request was done."""
        self._successes.append(now)

    def slow_down(self, now: float) -> None:
        """S3 has refused a request because there are too many."""
        if self._base is not None and now - self._refused < ONE_WORD:
            return
        while self._successes and now - self._successes[0] > WINDOW:
            self._successes.popleft()
        limit, was_guess = self._rate(now), self._is_guess
        self._is_guess = limit is None and len(self._successes) < FEW
        if limit is None:
            reached = FIRST if self._is_guess else self._reached(now)
        else:  # half of a guess that doubles was allowed
            reached = min(limit, max(self._reached(now), limit / 2 if was_guess else 0.0))
        self._base = max(LEAST, KEPT * reached)
        self._refused = now

    def _reached(self, now: float) -> float:
        return len(self._successes) / max(now - self._successes[0], 0.001) if self._successes else LEAST

    @property
    def is_limited(self) -> bool:
        """Whether `turn` has to be asked at all."""
        return self._base is not None

    def turn(self, now: float) -> float:
        """Seconds until one more request may begin."""
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
