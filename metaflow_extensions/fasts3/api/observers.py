"""The observers of a call's outcomes: its progress, and the report of retries. They run in the thread of the call."""

import math
import time
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.progress import Progress
from metaflow_extensions.fasts3.api.progress_display import Display
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.plan import Unwanted
from metaflow_extensions.fasts3.plans.tally import Tally

MEMORY = 5.0  # seconds after which bytes have a third (1/e) of the weight of new ones in the rate
INTERVAL = 10.0  # seconds between two lines of a `RetryReport`


class ProgressReport:
    """Displays the tally of a plan."""

    def __init__(self, tally: Tally, display: Display, clock: Callable[[], float] = time.monotonic) -> None:
        self._tally = tally
        self._display = display
        self._clock = clock
        self._began = clock()
        self._next = self._began + display.first
        self._rate = _Rate(self._began)
        self._retries = 0
        self._shown = False
        self._error: Optional[BaseException] = None  # raised by the display; it ends the call

    def __call__(self, outcome: Outcome) -> None:
        if outcome.retried is not None:
            self._retries += outcome.retried.tries
        if self._clock() >= self._next:
            self._show(done=False)

    def conclude(self, work: Callable[[], None]) -> None:
        """Run the call and end the display; then raise the exception of the display, if any."""
        try:
            work()
        except Unwanted:
            pass
        finally:
            self._next = math.inf
            self._display.close()
        # Outside the handler: the user's exception must not have another as its context. No variable may hold it
        # either: its traceback refers to this frame.
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error

    def finish(self) -> None:
        """Show the end of a successful call, if it was long enough for a display."""
        if self._shown or not self._display.first:
            self._show(done=True)

    def _show(self, done: bool) -> None:
        now, tally = self._clock(), self._tally
        self._next = now + self._display.interval
        self._shown = True
        objects, moved = (tally.objects, tally.total_objects), (tally.bytes, tally.total_bytes)
        rate = self._rate.at(now, tally.bytes)
        try:
            self._display.show(
                Progress(tally.operation, *objects, *moved, self._retries, now - self._began, done, rate)
            )
        except BaseException as error:
            self._next = math.inf
            self._error = error
            raise Unwanted from None


class _Rate:
    """Bytes per second, as an exponentially weighted average."""

    def __init__(self, now: float) -> None:
        self._then = now
        self._counted = 0  # bytes
        self._bytes = 0.0  # of the last seconds
        self._seconds = 0.0

    def at(self, now: float, count: int) -> float:
        passed = now - self._then
        keep = math.exp(-passed / MEMORY)
        self._bytes = self._bytes * keep + max(0, count - self._counted)  # negative: an object restarted
        self._seconds = self._seconds * keep + passed
        self._then, self._counted = now, count
        return self._bytes / self._seconds if self._seconds else 0.0


class RetryReport:
    """Prints a line about retries every `INTERVAL` and at the end of a call, for S3_LOG_TRANSIENT_RETRIES.

    `write` takes a line; it must not raise.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._written = clock()
        self._requests = 0  # finished since the last line
        self._retried = 0  # of these, with more than one attempt
        self._tries = 0
        self._reason = ""  # of the last retry

    def __call__(self, outcome: Outcome) -> None:
        self._requests += not outcome.begun
        failure = outcome.retried
        if failure is not None:
            self._retried += 1
            self._tries += failure.tries
            self._reason = ": ".join(filter(None, (failure.s3_code or failure.code.value, failure.message)))
            if self._clock() - self._written > INTERVAL:
                self.write()

    def write(self) -> None:
        """Write a line about the retries since the last line, if any."""
        if self._retried:
            self._write(
                f"Transient S3 failures: {self._retried} of {self._requests} requests needed retries, "
                f"{self._tries} in total; reason of the last: {self._reason}"
            )
        self._written = self._clock()
        self._requests = self._retried = self._tries = 0
