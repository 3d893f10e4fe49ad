"""A plan whose progress is shown while it is carried out."""

import math
import time
from collections.abc import Iterable
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.progress import Progress
from metaflow_extensions.fasts3.api.progress_display import Display
from metaflow_extensions.fasts3.api.watching import Watching
from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import Plan, Unwanted
from metaflow_extensions.fasts3.pool.tally import Tally

MEMORY = 5.0  # seconds after which bytes count for a third of what new ones do in the rate


class Observed(Watching):
    """A `Plan` around another that has a display show how far it has come.

    It is at work only when an outcome comes, in the thread that takes it; `close` may be called from another one.

    Parameters
    ----------
    plan : Plan
    tally : Tally
        The plan's.
    display : Display
    clock : callable
    """

    def __init__(self, plan: Plan, tally: Tally, display: Display, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(plan)
        self._tally = tally
        self._display = display
        self._clock = clock
        self._began = clock()
        self._next = self._began + display.first
        self._rate = _Rate(self._began)
        self._retries = 0
        self._shown = False
        self._error: Optional[BaseException] = None  # what the display raised, with which the call is to end

    def receive(self, job: Job, outcome: Outcome) -> Iterable[Optional[Job]]:
        try:
            follow = super().receive(job, outcome)
            if outcome.retried is not None:
                self._retries += outcome.retried.tries
            if self._clock() >= self._next:
                self._show(done=False)
        except BaseException:  # the call ends with it; what comes in after that is shown to nobody
            self._next = math.inf
            raise
        return follow

    def conclude(self, work: Callable[[], None]) -> None:
        """Do the work that carries out this plan; then raise what the display raised, if anything."""
        try:
            work()
        except Unwanted:
            pass
        finally:
            self.close()
        # Not in the handler: the user's own error is none that came while another was handled. And nothing here may
        # hold it: its traceback holds this frame.
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error

    def finish(self) -> None:
        """Show the end of a call that succeeded, if it was long enough to be shown at all."""
        if self._shown or not self._display.first:
            self._show(done=True)

    def set_aside(self) -> None:
        """Make room for a line that somebody else is about to print."""
        self._display.set_aside()

    def close(self) -> None:
        """Show nothing more, however the call has ended."""
        self._next = math.inf
        self._display.close()

    def _show(self, done: bool) -> None:
        now = self._clock()
        self._next = now + self._display.interval
        self._shown = True
        tally, rate = self._tally, self._rate.at(now, self._tally.bytes)
        progress = Progress(
            tally.operation,
            tally.objects,
            tally.total_objects,
            tally.bytes,
            tally.total_bytes,
            self._retries,
            now - self._began,
            done,
            rate,
        )
        try:
            self._display.show(progress)
        except BaseException as error:
            self._error = error
            raise Unwanted from None


class _Rate:
    """Bytes per second, in which what is long ago counts little."""

    def __init__(self, now: float) -> None:
        self._then = now
        self._counted = 0  # bytes
        self._bytes = 0.0  # of the last seconds
        self._seconds = 0.0

    def at(self, now: float, count: int) -> float:
        passed = now - self._then
        keep = math.exp(-passed / MEMORY)
        self._bytes = self._bytes * keep + max(0, count - self._counted)  # fewer: an object was begun again
        self._seconds = self._seconds * keep + passed
        self._then, self._counted = now, count
        return self._bytes / self._seconds if self._seconds else 0.0
