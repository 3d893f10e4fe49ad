"""Decides when the jobs of a call send their requests: at once, later, again, or not any more.

`decide` has the rules for one failure. `RetryPolicy` adds what the jobs of a process know together, so that they wait
for an outage once, not once per object, and send only as many requests a second as S3 accepts. Nothing here sleeps or
reads a clock: the time is an argument.
"""

import random
import threading
from typing import Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import (
    ONCE_MORE,
    TRANSIENT,
    Code,
    Failure,
    is_final_response,
    shows_response,
)
from metaflow_extensions.fasts3.workers.throttle import Throttle

FIRST_WAIT = 0.1  # seconds; one transient failure should cost almost nothing
LONGEST_WAIT = 20.0  # seconds; longer waits do not help S3 and delay the user
FIRST_CONTACT_RETRIES = 2  # a server may drop two connections; a wrong address stays wrong
FIRST_CONTACT_LIMIT = 5.0  # seconds without any response, after which nothing is retried
SHORTEST_OUTAGE = 1.0  # seconds; the jobs' own waits are enough for shorter failures
OUTAGE_RETRIES = 10.0  # a second, of all jobs together during an outage
OUTAGE_CHECK_INTERVAL = 0.25  # seconds between checks whether an outage is over
RETURN_WITHIN = 0.5  # seconds over which the waiting jobs spread their retries after an outage
TOO_MANY = frozenset({429, 503})  # statuses with which S3 asks for fewer requests, such as SlowDown
MOST_INJECTED, ALL_INJECTED = 90.0, 100.0  # per cent, as in Metaflow's own class


class Terms(NamedTuple):
    """Settings of one call, the same for all its jobs."""

    retries: int = 20  # the larger of S3_RETRY_COUNT and S3_TRANSIENT_RETRY_COUNT
    outage_limit: float = 300.0  # maximum duration in seconds of an outage of an endpoint that has responded before
    responded: bool = False  # whether the endpoint responded to this process before the call
    failure_rate: float = 0.0  # per cent of first attempts that fail artificially (inject_failure_rate)
    bandwidth: Optional[float] = None  # maximum bytes of objects a second, uploads and downloads together


def decide(
    terms: Terms, failure: Failure, tries: int, elapsed: float, responded: bool, chance: float, again: bool = False
) -> Optional[float]:
    """Return the seconds to wait before the next attempt, or None to give up.

    Parameters
    ----------
    terms : Terms
        The call's limits.
    failure : Failure
        The failure of the last attempt.
    tries : int
        Number of attempts so far, at least 1.
    elapsed : float
        Seconds since this job, or all jobs, began to fail; without any response, since the first attempt began.
    responded : bool
        Whether this endpoint has ever responded to this process: retries cover outages, not mistakes.
    chance : float
        A random number from 0 to 1, so that many clients do not retry at the same moment.
    again : bool
        Whether an earlier attempt of this job failed in the same way.

    Returns
    -------
    float or None
    """
    if tries > terms.retries:
        return None
    if failure.code not in TRANSIENT and (again or failure.code not in ONCE_MORE):
        return None
    if failure.code in (Code.SKEWED, Code.INJECTED):
        return 0.0  # the next attempt is signed for the server's time; an injected failure only tests the retries
    if failure.code is Code.UNREACHABLE and not responded and tries > FIRST_CONTACT_RETRIES:
        return None
    # Exponential backoff with equal jitter: half of the wait is fixed, half random.
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 16))
    wait = max(ceiling * (0.5 + 0.5 * chance), min(failure.retry_after, LONGEST_WAIT))
    limit = terms.outage_limit if responded else min(FIRST_CONTACT_LIMIT, terms.outage_limit)
    return wait if elapsed + wait <= limit else None


class Attempts:
    """The attempts of one job, for its `RetryPolicy`."""

    # Class attributes, so that a job that succeeds at once stores none of them.
    failed = 0  # attempts so far
    failing_since: Optional[float] = None
    codes: frozenset[Code] = frozenset()  # of all failures
    unreachable_at: Optional[float] = None  # when the last one found the endpoint unreachable
    retry_at = 0.0  # when the next attempt may begin
    send_at: Optional[float] = None  # when the throttle then lets it begin; None: it has not been asked, or at once

    def __init__(self, now: float) -> None:
        self.began = now


class RetryPolicy:
    """Decides for all jobs of one call in this process. Threads share it.

    Each job calls `begin`. Before each attempt it waits until `seconds_to_wait` returns 0; after a failure it calls
    `note_failure`. At last it calls `end`.

    Parameters
    ----------
    terms : Terms
    chance : callable
        `random.random`; replaced in tests.

    Attributes
    ----------
    responded : bool
        Whether the endpoint has responded to this process.
    """

    def __init__(self, terms: Terms, chance: Callable[[], float] = random.random) -> None:
        self._terms = terms
        self._chance = chance
        self._lock = threading.Lock()  # for all that follows, and never held during a wait
        self._throttle = Throttle()
        self._jobs = 0  # that have begun and not ended
        # An outage lasts, for all jobs, from the first transient failure after which S3 has neither done nor refused
        # anything.
        self._outage_began: Optional[float] = None
        self._outage_ended = 0.0  # the last one that took at least SHORTEST_OUTAGE
        self._next_retry = 0.0  # during an outage
        self.responded = terms.responded

    def begin(self, now: float) -> Attempts:
        """Begin a job."""
        with self._lock:
            if not self._jobs:
                self._outage_began = None  # nothing shows that it has lasted through the idle time
            self._jobs += 1
        return Attempts(now)

    def end(self, succeeded_at: Optional[float] = None) -> None:
        """End a job, and record when its last attempt succeeded, if it did."""
        with self._lock:
            self._jobs -= 1
            if succeeded_at is not None:
                self.responded = True
                self._throttle.note_success(succeeded_at)
                if self._outage_began is not None:
                    self._end_outage(succeeded_at)

    def seconds_to_wait(self, attempts: Attempts, now: float) -> float:
        """Return the seconds to wait before the job's next attempt; ask again after them, until it is 0."""
        with self._lock:
            if attempts.unreachable_at is not None and attempts.unreachable_at < self._outage_ended:
                attempts.unreachable_at = None
                attempts.retry_at = min(attempts.retry_at, now + RETURN_WITHIN * self._chance())
            if now < attempts.retry_at:
                return min(attempts.retry_at - now, OUTAGE_CHECK_INTERVAL)
            if attempts.send_at is None:
                wait = self._throttle.reserve(now)
                if wait:
                    attempts.send_at = now + wait
                return wait
            return max(0.0, attempts.send_at - now)

    def injects_failure(self, attempts: Attempts) -> bool:
        """Whether the next attempt fails artificially; see `inject_failure_rate`.

        The rate is halved with each attempt, so that calls with thousands of objects succeed within the default
        retries. 100 stays 100, for tests of calls that fail.
        """
        rate = self._terms.failure_rate
        if not rate:
            return False
        if rate < ALL_INJECTED:
            rate = min(rate, MOST_INJECTED) / 2**attempts.failed
        return self._chance() * 100 < rate

    def note_failure(self, attempts: Attempts, failure: Failure, now: float, moved: bool = False) -> bool:
        """Record that an attempt failed; return whether to retry.

        Parameters
        ----------
        attempts : Attempts
        failure : Failure
        now : float
        moved : bool
            Whether the attempt moved bytes, but slowly, because of the network or a bandwidth limit: it was not failing
            meanwhile.
        """
        with self._lock:
            if moved or is_final_response(failure):
                self._end_outage(now)
            if moved or attempts.failing_since is None:
                attempts.failing_since = now
            self.responded = self.responded or shows_response(failure)
            elapsed = now - (attempts.failing_since if self.responded else attempts.began)
            if failure.status in TOO_MANY:
                self._throttle.slow_down(now)
            if failure.code in TRANSIENT:
                if self._outage_began is None:
                    self._outage_began = self._next_retry = now
                elapsed = max(elapsed, now - self._outage_began)
            again = failure.code in attempts.codes
            attempts.codes |= {failure.code}
            attempts.failed += 1
            wait = decide(self._terms, failure, attempts.failed, elapsed, self.responded, self._chance(), again)
            if wait is None:
                return False
            attempts.unreachable_at = now if failure.code is Code.UNREACHABLE else None
            attempts.retry_at, attempts.send_at = max(now + wait, self._reserve_retry(now)), None
            return True

    def _reserve_retry(self, now: float) -> float:
        """Return when the next retry may begin, and reserve that moment if there is an outage."""
        if self._outage_began is None or now - self._outage_began < SHORTEST_OUTAGE:
            return now
        moment = max(now, self._next_retry)
        self._next_retry = moment + 1.0 / OUTAGE_RETRIES
        return moment

    def _end_outage(self, now: float) -> None:
        if self._outage_began is not None and now - self._outage_began > SHORTEST_OUTAGE:
            self._outage_ended = now
        self._outage_began = None
