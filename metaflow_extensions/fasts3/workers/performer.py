"""Performs one job: calls the method that it names, retries as the retry policy decides, and returns the outcome.

Used in workers and in the user's process. Clock, sleep and randomness are arguments.
"""

import random
import threading
import time
from types import CoroutineType
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth
from metaflow_extensions.fasts3.wire.blocking import Interruption, complete
from metaflow_extensions.fasts3.wire.failures import TRANSIENT, Code, Failure, TransferError, shows_answer
from metaflow_extensions.fasts3.wire.local_files import local_failure
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.retry import RetryPolicy, decide
from metaflow_extensions.fasts3.wire.transfers import GetReply, Transfers
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for
from metaflow_extensions.fasts3.workers.outage import Outage
from metaflow_extensions.fasts3.workers.throttle import Throttle

TOO_MANY = frozenset({429, 503})  # statuses with which S3 asks for fewer requests, such as SlowDown
LOOK = 0.25  # seconds between checks whether an outage is over
COME_BACK = 0.5  # seconds over which waiting jobs spread their retries after an outage
MOVING = frozenset({"get", "put", "upload_part"})  # operations that transfer object data
MOST_INJECTED, ALL_INJECTED = 90.0, 100.0  # per cent, as in Metaflow's own class
Tell = Callable[[Outcome], None]  # called when a job has begun, before its outcome
GIVEN_UP = Failure(Code.UNREACHABLE, "the call was interrupted")


class Terms(NamedTuple):
    """Settings of one call, the same for all its jobs."""

    policy: RetryPolicy = RetryPolicy()
    answered: bool = False  # whether the endpoint responded to this process before the call
    failure_rate: float = 0.0  # per cent of first attempts that fail artificially (inject_failure_rate)
    bandwidth: Optional[float] = None  # maximum bytes of objects a second, uploads and downloads together


def injected_rate(rate: float, tries: int) -> float:
    """Return the percentage of attempts with this number, from 1, that fail artificially; see `inject_failure_rate`.

    It is halved with each attempt, so that calls with thousands of objects succeed within the default retries. 100
    stays 100, for tests of calls that fail.
    """
    return rate if rate >= ALL_INJECTED else min(rate, MOST_INJECTED) / 2 ** (tries - 1)


class _Beginning:
    """Reports that a download has begun, and remembers how many bytes its response should bring."""

    def __init__(self, job: Job, tell: Tell) -> None:
        self._number = job.number
        self._tell = tell
        self._promised = 0

    def __call__(self, reply: GetReply) -> None:
        self._promised = reply.received
        self._tell(Outcome(self._number, reply, None, True, begun=True))

    def failure(self, reply: Any) -> Optional[Failure]:
        """Return the failure after which other requests get the missing bytes; None if there was none."""
        if not self._promised or reply.received == self._promised:
            return None
        return Failure(Code.BROKEN, f"the connection broke after {reply.received} bytes of {self._promised}", tries=1)


class Performer:
    """Performs jobs on one `Transfers`. Threads may share it.

    Parameters
    ----------
    transfers : Transfers
    terms : Terms
    pause : callable
        Waits so many seconds, for `perform`; returns True if the call was interrupted.
    clock, chance : callable
        `time.monotonic` and `random.random`; replaced in tests.
    """

    def __init__(
        self,
        transfers: Transfers,
        terms: Terms,
        pause: Callable[[float], Optional[bool]] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._transfers = transfers
        self._terms = terms
        self._answered = terms.answered
        self._clock = clock
        self._pause = pause
        self._chance = chance
        self._lock = threading.Lock()  # for the next three, and never held during a wait
        self._throttle = Throttle()
        self._outage = Outage()
        self._under_way = 0
        self._bandwidth = Bandwidth(terms.bandwidth) if terms.bandwidth else None

    @property
    def answered(self) -> bool:
        """Whether the endpoint has responded to this process."""
        return self._answered

    def perform(
        self,
        job: Job,
        interruption: Optional[Interruption] = None,
        within: Optional[float] = None,
        tell: Optional[Tell] = None,
    ) -> Outcome:
        """Perform one job in this thread; see `wire.blocking.complete` and `work`.

        Raises `Interrupted`, exceptions raised in this thread from outside, and defects of this package.
        """
        return complete(self.work(job, tell), self._pause, interruption, within)

    async def work(self, job: Job, tell: Optional[Tell] = None) -> Outcome:
        """Perform one job; a coroutine of the wire. Raises as `perform` does.

        Parameters
        ----------
        job : Job
        tell : callable, optional
            Called from any thread when a download has begun. Without it the response is read up to its limit, because
            no other request gets the rest meanwhile.
        """
        with self._lock:
            if not self._under_way:
                self._outage = Outage()  # an earlier outage, from before the idle time, belongs to another call
            self._under_way += 1
        try:
            return await self._work(job, _Beginning(job, tell) if tell else None)
        finally:
            with self._lock:
                self._under_way -= 1

    async def _work(self, job: Job, begun: Optional["_Beginning"]) -> Outcome:
        started = self._clock()
        first_failed: Optional[float] = None
        tries = 0
        retried: Optional[Failure] = None
        seen: set[Code] = set()  # codes of earlier failures
        while True:
            tries += 1
            if self._throttle.is_limited and await self._wait(self._turn()):
                return Outcome(job.number, None, retried or GIVEN_UP, self._answered, retried)
            allowance = Allowance(self._bandwidth, self._clock, self._pause) if self._bandwidth else None
            try:
                self._inject_failure(tries)
                reply = self._attempt(job, allowance, begun)
                if type(reply) is CoroutineType:  # the wire's methods are coroutines, boto3's block
                    reply = await reply
            except TransferError as error:
                failure = error.failure
            except OSError as error:  # a local error; errors of the network were translated before
                failure = local_failure(error)
            else:
                self._note_success()
                return Outcome(job.number, reply, None, True, (begun and begun.failure(reply)) or retried)
            now = self._clock()
            if allowance and allowance.has_moved:  # the bandwidth limit made it slow: it was not failing meanwhile
                with self._lock:
                    self._outage.note_success(now)
                first_failed = None
            first_failed = now if first_failed is None else first_failed
            failing = self._note_failure(failure, now, now - first_failed, now - started)
            again = failure.code in seen
            seen.add(failure.code)
            wait = decide(self._terms.policy, failure, tries, failing, self._answered, self._chance(), again)
            failure = failure._replace(tries=tries, seconds=round(now - started, 3))
            if wait is None or await self._wait_before_retry(wait, failure):
                return Outcome(job.number, None, failure, self._answered, retried)
            retried = failure

    def _note_success(self) -> None:
        self._answered = True
        now = self._clock()
        with self._lock:
            self._throttle.note_success(now)
            self._outage.note_success(now)

    def _turn(self) -> float:
        """Return the seconds until S3 accepts another request."""
        with self._lock:
            return self._throttle.turn(self._clock())

    def _note_failure(self, failure: Failure, now: float, failing: float, elapsed: float) -> float:
        """Return the seconds for which this job, or everything, has failed; without any response, since it began."""
        self._answered = self._answered or shows_answer(failure)
        if not self._answered:
            failing = elapsed
        with self._lock:
            if failure.status in TOO_MANY:
                self._throttle.slow_down(now)
            return max(failing, self._outage.note_failure(now)) if failure.code in TRANSIENT else failing

    async def _wait_before_retry(self, seconds: float, failure: Failure) -> Any:
        """Wait before the next attempt, but not beyond the end of an outage. True: the call was interrupted."""
        now = began = self._clock()
        with self._lock:
            until = now + max(seconds, self._outage.turn(now))
        while now < until:
            if failure.code is Code.UNREACHABLE and self._outage.was_over_after(began):
                return await self._wait(min(until - now, COME_BACK * self._chance()))
            if await self._wait(min(until - now, LOOK)):
                return True
            now = self._clock()
        return False

    async def _wait(self, seconds: float) -> Any:
        return await wait_for(Pause(seconds)) if seconds > 0 else False

    def _inject_failure(self, tries: int) -> None:
        if self._terms.failure_rate and self._chance() * 100 < injected_rate(self._terms.failure_rate, tries):
            raise TransferError(Failure(Code.INJECTED, "a failure was injected (inject_failure_rate)"))

    def _attempt(self, job: Job, allowance: Optional[Allowance], begun: Optional["_Beginning"]) -> Any:
        if job.operation not in BY_TRANSFER:
            raise TransferError(Failure(Code.REJECTED, f"unknown operation {job.operation!r}"))
        method = getattr(self._transfers, job.operation)
        arguments = job.arguments
        if allowance and job.operation in MOVING:
            arguments = {**arguments, "allowance": allowance}
        if "ways" in arguments:
            arguments = {**arguments, "begun": begun} if begun else {**arguments, "ways": 0}
        if job.body is not None:
            return method(job.bucket, job.key, body=job.body, **arguments)
        return method(job.bucket, job.key, **arguments)
