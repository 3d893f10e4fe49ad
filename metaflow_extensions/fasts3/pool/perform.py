"""Do one job: call the method that it names, again where the retry policy says so, and tell the outcome.

The same in a worker and in the user's process. Clock, sleep and chance are arguments.
"""

import random
import time
from types import CoroutineType
from typing import Any, Callable, NamedTuple, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.failures import UNANSWERED, Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.local_files import local_failure
from metaflow_extensions.fasts3.wire.retry import RetryPolicy, decide
from metaflow_extensions.fasts3.wire.template import NEEDED
from metaflow_extensions.fasts3.wire.transfers import Transfers
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for

TOO_MANY = frozenset({429, 503})  # statuses by which S3 asks for fewer requests: SlowDown and its kin


class Terms(NamedTuple):
    """The conditions of one call, alike for all its jobs."""

    policy: RetryPolicy = RetryPolicy()
    answered: bool = False  # whether the endpoint has answered this process before the call
    failure_rate: float = 0.0  # per cent of the tries that are made to fail (inject_failure_rate)


class Performer:
    """Does jobs on one `Transfers`; many threads may share it.

    Parameters
    ----------
    transfers : Transfers
    terms : Terms
    pause : callable
        Waits so many seconds, for `perform`; True from it means that nobody wants the outcome any more.
    clock, chance : callable
        `time.monotonic` and `random.random`; others in tests.
    busy : callable
        Called whenever S3 asks for fewer requests.
    """

    def __init__(
        self,
        transfers: Transfers,
        terms: Terms,
        pause: Callable[[float], Optional[bool]] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        busy: Callable[[], None] = lambda: None,
    ) -> None:
        self._transfers = transfers
        self._terms = terms
        self._answered = terms.answered
        self._clock = clock
        self._pause = pause
        self._busy = busy
        self._chance = chance

    def perform(self, job: Job) -> Outcome:
        """Do one job to its end, in this thread. Never raises."""
        return complete(self.work(job), self._pause)

    async def work(self, job: Job) -> Outcome:
        """Do one job to its end; a coroutine of the wire. Never raises."""
        started = self._clock()
        tries = 0
        retried: Optional[Failure] = None
        while True:
            tries += 1
            try:
                reply = self._attempt(job)
                if type(reply) is CoroutineType:  # the wire's transfers wait, boto3's block
                    reply = await reply
            except TransferError as error:
                failure = error.failure
            except OSError as error:  # of this machine: what the network does has been translated where it was noticed
                failure = local_failure(error)
            except Exception as error:  # a defect of ours; the call fails with it, the worker lives on
                failure = Failure(Code.REJECTED, f"{type(error).__name__}: {error}")
            else:
                self._answered = True
                return Outcome(job.number, reply, None, True, retried)
            self._answered = self._answered or failure.code not in UNANSWERED
            if failure.status in TOO_MANY:
                self._busy()
            elapsed = self._clock() - started
            wait = decide(self._terms.policy, failure, tries, elapsed, self._answered, self._chance())
            failure = failure._replace(tries=tries, seconds=round(elapsed, 3))
            if wait is None or await wait_for(Pause(wait)):
                return Outcome(job.number, None, failure, self._answered, retried)
            retried = failure

    def _attempt(self, job: Job) -> Any:
        if self._terms.failure_rate and self._chance() * 100 < self._terms.failure_rate:
            raise TransferError(Failure(Code.INJECTED, "a failure was injected (inject_failure_rate)"))
        if job.operation not in NEEDED:
            raise TransferError(Failure(Code.REJECTED, f"there is no operation {job.operation!r}"))
        method = getattr(self._transfers, job.operation)
        if job.body is not None:
            return method(job.bucket, job.key, body=job.body, **job.arguments)
        return method(job.bucket, job.key, **job.arguments)
