"""Performs one job: calls the method of transfers that it names, and retries as the retry policy decides.

Used in workers and in the user's process.
"""

import random
import time
from types import CoroutineType
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.local_files import local_failure
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.wire.transfers import GetResponse, Transfers
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for
from metaflow_extensions.fasts3.workers.retries import Attempts, RetryPolicy, Terms

DATA_TRANSFERS = frozenset({"get", "put", "upload_part"})  # operations that transfer object data
MOST_SLOW = 5  # attempts of a job that may break after they moved bytes for long
INTERRUPTED = Failure(Code.UNREACHABLE, "the call was interrupted")
INJECTED = Failure(Code.INJECTED, "a failure was injected (inject_failure_rate)")
OnBegin = Callable[[Outcome], None]  # called from any thread when a download has begun, before its outcome


class _BegunDownload:
    """Reports that a download has begun, and remembers how many bytes its response should bring."""

    _promised = 0  # until it has begun

    def __init__(self, job: Job, on_begin: OnBegin) -> None:
        self._number = job.number
        self._on_begin = on_begin

    def __call__(self, response: GetResponse) -> None:
        self._promised = response.received
        self._on_begin(Outcome(self._number, response, None, True, begun=True))

    def failure(self, response: Any) -> Optional[Failure]:
        """Return the failure after which other requests get the missing bytes; None if there was none."""
        if not self._promised or response.received == self._promised:
            return None
        return Failure(
            Code.BROKEN, f"the connection broke after {response.received} bytes of {self._promised}", tries=1
        )


def _has_moved(failure: Failure, attempts: Attempts, allowance: Optional[Allowance]) -> bool:
    """Whether an attempt was slow, not part of an outage.

    A network that ends all slow connections would otherwise cost as many long attempts as there are retries.
    """
    return bool(allowance and allowance.has_moved) or (failure.moved and attempts.failed < MOST_SLOW)


class Performer:
    """Performs jobs on one `Transfers`. Threads may share it.

    Parameters
    ----------
    transfers : Transfers
    terms : Terms
    pause : callable
        Waits this many seconds in a blocking method of transfers; returns True if the call was interrupted.
    clock, chance : callable
        `time.monotonic` and `random.random`; replaced in tests.

    Attributes
    ----------
    policy : RetryPolicy
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
        self.policy = RetryPolicy(terms, chance)
        self._bandwidth = Bandwidth(terms.bandwidth) if terms.bandwidth else None
        self._pause = pause
        self._clock = clock

    async def perform(self, job: Job, on_begin: Optional[OnBegin] = None) -> Outcome:
        """Perform one job; a coroutine of the wire, for `wire.blocking.complete` or `Loop.spawn`.

        Raises `Interrupted`, exceptions raised in this thread from outside, and defects of this package.

        Parameters
        ----------
        job : Job
        on_begin : callable, optional
            Without it the response of a download is read up to its limit, because no other request gets the rest
            meanwhile.
        """
        download = _BegunDownload(job, on_begin) if on_begin and "ways" in job.arguments else None
        failure: Optional[Failure] = None
        retried: Optional[Failure] = None
        succeeded_at: Optional[float] = None
        policy, attempts = self.policy, self.policy.begin(self._clock())
        try:
            while True:
                while (seconds := policy.seconds_to_wait(attempts, self._clock())) > 0:
                    if await wait_for(Pause(seconds)):
                        return Outcome(job.number, None, failure or INTERRUPTED, policy.responded, retried)
                retried = failure
                allowance = Allowance(self._bandwidth, self._clock, self._pause) if self._bandwidth else None
                try:
                    if policy.injects_failure(attempts):
                        raise TransferError(INJECTED)
                    result = self._call_transfers(job, allowance, download)
                    if type(result) is CoroutineType:  # the wire's methods are coroutines, boto3's block
                        result = await result
                except TransferError as error:
                    failure = error.failure
                except OSError as error:  # a local error; errors of the network were translated before
                    failure = local_failure(error)
                else:
                    succeeded_at = self._clock()
                    return Outcome(job.number, result, None, True, (download and download.failure(result)) or retried)
                now = self._clock()
                retry = policy.note_failure(attempts, failure, now, _has_moved(failure, attempts, allowance))
                failure = failure._replace(tries=attempts.failed, seconds=round(now - attempts.began, 3))
                if not retry:
                    return Outcome(job.number, None, failure, policy.responded, retried)
        finally:
            policy.end(succeeded_at)

    def _call_transfers(self, job: Job, allowance: Optional[Allowance], download: Optional[_BegunDownload]) -> Any:
        if job.operation not in BY_TRANSFER:
            raise TransferError(Failure(Code.REJECTED, f"unknown operation {job.operation!r}"))
        method = getattr(self._transfers, job.operation)
        arguments = job.arguments
        if allowance and job.operation in DATA_TRANSFERS:
            arguments = {**arguments, "allowance": allowance}
        if download:
            arguments = {**arguments, "begun": download}
        if job.body is not None:
            return method(job.bucket, job.key, body=job.body, **arguments)
        return method(job.bucket, job.key, **arguments)
