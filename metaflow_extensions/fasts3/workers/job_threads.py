"""Threads that run jobs in parallel during one call."""

import contextlib
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Callable, Optional, Union

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.workers.performer import OnBegin


class JobThreads:
    """Runs jobs; a context manager. At its end each thread ends as soon as its job does.

    The threads are daemons: the process does not wait at exit for one that hangs in boto3.

    Parameters
    ----------
    perform : callable
        Runs a job until an `Interruption` ends it; its third argument is called when the job has begun.
    size : int
        Maximum number of threads; they start on demand.

    Attributes
    ----------
    under_way : int
        Jobs without an outcome so far.
    """

    def __init__(self, perform: Callable[[Job, Interruption, OnBegin], Outcome], size: int) -> None:
        self._perform = perform
        self.size = size
        self._jobs: SimpleQueue[Optional[Job]] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Job, Union[Outcome, BaseException]]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._interruption = Interruption()
        self.under_way = 0

    def __enter__(self) -> "JobThreads":
        self._interruption.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._jobs.put(None)
        if not self.under_way:
            for thread in self._threads:
                thread.join()
        self._interruption.__exit__()

    def has_room(self, elsewhere: int = 0) -> bool:
        """Whether it accepts another job, while so many jobs of the call run in other threads."""
        return self.under_way + elsewhere < self.size

    def give(self, job: Job) -> None:
        """Run a job."""
        self.under_way += 1
        if self.under_way > len(self._threads) and not self._start_thread():
            self.size = self.under_way
            if not self._threads:  # no thread at all: run it here
                self._outcomes.put((job, self._do(job)))
                return
        self._jobs.put(job)

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._work, name="fasts3-job", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # can't start a thread, or the interpreter is shutting down
            return False
        self._threads.append(thread)
        return True

    def outcomes(self, timeout: float) -> "Iterator[tuple[Job, Outcome]]":
        """Yield jobs that ended or have begun, as soon as there are any; nothing after `timeout` seconds.

        Exceptions of jobs propagate.
        """
        for job, outcome in self._done(timeout):
            if isinstance(outcome, BaseException):
                raise outcome
            yield job, outcome

    def rest(self, patience: float) -> "Iterator[tuple[Job, Outcome]]":
        """Yield jobs that end within `patience` seconds, then end the others' waits. Exceptions of jobs are ignored."""
        until = time.monotonic() + patience
        while self.under_way and time.monotonic() < until:
            for job, outcome in self._done(max(0.0, until - time.monotonic())):
                if not isinstance(outcome, BaseException):
                    yield job, outcome
        self.stop()

    def _done(self, timeout: float) -> "Iterator[tuple[Job, Union[Outcome, BaseException]]]":
        with contextlib.suppress(Empty):
            done = self._outcomes.get(timeout=timeout)
            while True:
                if isinstance(done[1], BaseException) or not done[1].begun:
                    self.under_way -= 1
                yield done
                done = self._outcomes.get_nowait()

    def stop(self) -> None:
        """End the waits of running jobs."""
        self._interruption.set()

    def _do(self, job: Job) -> Outcome:
        return self._perform(job, self._interruption, lambda begun: self._outcomes.put((job, begun)))

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                outcome = self._do(job)
            except BaseException as error:  # `outcomes` raises it
                self._outcomes.put((job, error))
            else:
                self._outcomes.put((job, outcome))
