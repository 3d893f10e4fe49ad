"""Threads that run jobs in parallel during one call."""

import time
from collections.abc import Iterator
from typing import Callable

from metaflow_extensions.fasts3.machine.threads import Threads
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.workers.performer import OnBegin


class JobThreads(Threads):
    """Runs jobs; a context manager. At its end each thread ends as soon as its job does.

    Parameters
    ----------
    perform : callable
        Runs a job until an `Interruption` ends it; its third argument is called when the job has begun.
    size : int
        Maximum number of threads; they start on demand.
    """

    def __init__(self, perform: Callable[[Job, Interruption, OnBegin], Outcome], size: int) -> None:
        super().__init__(size, "fasts3-job")
        self._perform = perform
        self._interruption = Interruption()

    def __enter__(self) -> "JobThreads":
        self._interruption.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if not self.under_way:
            self.join()
        self._interruption.__exit__()

    def has_room(self, elsewhere: int = 0) -> bool:
        """Whether it accepts another job, while this many jobs of the call run in other threads."""
        return self.under_way + elsewhere < self.size

    def run(self, job: Job) -> None:
        """Run a job."""
        self.give(lambda: self._perform(job, self._interruption, lambda begun: self.report(job, begun)), job)

    def outcomes(self, timeout: float) -> "Iterator[tuple[Job, Outcome]]":
        """Yield jobs that ended or have begun, as soon as there are any; nothing after `timeout` seconds.

        Exceptions of jobs propagate.
        """
        for job, outcome, error, _ in self.results(timeout):
            if error:
                raise error
            if job:  # otherwise it was woken
                yield job, outcome

    def rest(self, patience: float) -> "Iterator[tuple[Job, Outcome]]":
        """Yield jobs that end within `patience` seconds, then end the others' waits. Exceptions of jobs are ignored."""
        until = time.monotonic() + patience
        while self.under_way and time.monotonic() < until:
            for job, outcome, error, _ in self.results(max(0.0, until - time.monotonic())):
                if job and not error:
                    yield job, outcome
        self.stop()

    def wake(self) -> None:
        """End the wait of `outcomes`, from any thread: there are more jobs to run."""
        self.report(None, None)

    def stop(self) -> None:
        """End the waits of running jobs."""
        self._interruption.set()
