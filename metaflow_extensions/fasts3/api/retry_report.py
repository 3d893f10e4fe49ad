"""S3_LOG_TRANSIENT_RETRIES: tells, once in a while and not once an object, what had to be tried again and why."""

import time
from collections.abc import Iterable
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.standard_error import write_line
from metaflow_extensions.fasts3.api.watching import Watching
from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import Plan

INTERVAL = 10.0  # seconds between two lines


class RetryReport(Watching):
    """A `Plan` around another that watches its outcomes.

    Parameters
    ----------
    plan : Plan
    tell : callable
        Takes a line; it must not raise.
    clock : callable
    """

    def __init__(
        self, plan: Plan, tell: Callable[[str], None] = write_line, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(plan)
        self._tell = tell
        self._clock = clock
        self._told = clock()
        self._requests = 0  # answered in the end, since the last line
        self._retried = 0  # of these, with more than one try
        self._tries = 0
        self._why = ""

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        self._requests += 1
        failure = outcome.retried
        if failure is not None:
            self._retried += 1
            self._tries += failure.tries
            self._why = ": ".join(part for part in (failure.s3_code or failure.code.value, failure.message) if part)
            if self._clock() - self._told > INTERVAL:
                self.tell()
        return super().receive(job, outcome)

    def tell(self) -> None:
        """Say what has happened since the last line, if anything has."""
        if self._retried:
            self._tell(
                f"Transient S3 failures: {self._retried} of {self._requests} requests were tried again, "
                f"{self._tries} times; the last for {self._why}"
            )
        self._told = self._clock()
        self._requests = self._retried = self._tries = 0
