"""Carries out a plan in the user's process: for a few jobs, or for a client that workers can't recreate."""

import threading
from functools import partial
from typing import Callable, Optional

from metaflow_extensions.fasts3.machine.threads import Threads
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, bytes_moved
from metaflow_extensions.fasts3.plans.plan import (
    HELD_CHECK_INTERVAL,
    PATIENCE_WHEN_FAILED,
    PATIENCE_WHEN_STOPPED,
    JobQueue,
)
from metaflow_extensions.fasts3.wire.blocking import Interruption, complete
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.workers.call import Call
from metaflow_extensions.fasts3.workers.job_threads import JobThreads
from metaflow_extensions.fasts3.workers.performer import OnBegin, Performer

MUCH = 2**20  # average bytes of a job
INTERRUPTION_CHECK_INTERVAL = 0.05  # seconds between checks for an interruption


class InlineRunner:
    """Runs jobs in this process.

    Parameters
    ----------
    call : Call
    threads : int
        Parallel jobs.
    """

    def __init__(self, call: Call, threads: int) -> None:
        self._stop = threading.Event()
        # Not a bound method: in a reference cycle, this object would keep the interruption's descriptors open.
        self._pause = partial(_pause, call.interruption, self._stop)
        self._performer = Performer(call.client.transfers(call.settings.transfers), call.terms, self._pause)
        self._wants_again = call.wants_again
        self._interruption = call.interruption
        self._threads = threads
        self._done = 0
        self._moved = 0  # bytes

    @property
    def moves_much(self) -> bool:
        """Whether the jobs move so many bytes that a few of them are worth starting a worker."""
        return self._moved > self._done * MUCH

    @property
    def responded(self) -> bool:
        """Whether the endpoint has responded to this process."""
        return self._performer.policy.responded

    def run(self, queue: JobQueue, leave: Callable[[], bool] = lambda: False) -> None:
        """Run a queue's jobs and those that follow from them.

        Parameters
        ----------
        queue : JobQueue
        leave : callable
            Called before each job: True means that workers run the rest.

        Raises
        ------
        JobFailed, Interrupted
        """
        while not leave():
            if (queue.announces and queue.is_held) or queue.at_least(2):
                self._run_parallel(queue, leave)
            elif queue.has_more():
                self._run_next(queue, leave)
            elif queue.is_held:
                self._interruption.wait(HELD_CHECK_INTERVAL)
                self._interruption.check()
            else:
                return

    def _run_next(self, queue: JobQueue, leave: Callable[[], bool]) -> None:
        """Run one job in this thread; if it starts a large object, other threads get the rest meanwhile."""
        job = queue.take()
        if job is None:
            return
        ended = threading.Event()
        others = Threads(1, "fasts3-job")

        def get_rest() -> None:
            try:
                self._run_parallel(queue, lambda: leave() and ended.is_set(), lambda: not ended.is_set())
            except BaseException:
                self._interruption.set()  # ends this thread's waits
                raise

        def begin(begun: Outcome) -> None:
            self._pass_on(queue, job, begun)
            others.give(get_rest)

        self._interruption.check()
        try:
            outcome = self._perform(job, self._interruption, begin if self._threads > 1 else None)
        finally:
            ended.set()
            if others.under_way:
                [rest] = others.results(None)
                others.close()
                others.join()
                if rest.error:
                    raise rest.error
        self._interruption.check()
        self._pass_on(queue, job, outcome)

    def _pass_on(self, queue: JobQueue, job: Job, outcome: Outcome) -> None:
        if not outcome.begun:
            self._done += 1
            self._moved += bytes_moved(job, outcome.result)
        queue.receive(job, outcome)

    def _perform(self, job: Job, interruption: Interruption, on_begin: Optional[OnBegin] = None) -> Outcome:
        retried: Optional[Failure] = None
        while True:
            outcome = complete(self._performer.perform(job, on_begin), self._pause, interruption)
            retried = outcome.retried or retried
            if not self._wants_again(job, outcome):
                return outcome._replace(retried=retried)

    def _run_parallel(self, queue: JobQueue, leave: Callable[[], bool], others: Callable[[], int] = lambda: 0) -> None:
        """Run jobs in parallel, on as many threads fewer as `others` returns: jobs that run elsewhere."""
        with JobThreads(self._perform, self._threads) as threads:
            queue.announce_to(threads.wake)
            try:
                self._keep_busy(threads, queue, leave, others)
            finally:
                if threads.under_way:
                    self._stop.set()  # no further attempts
                    stopped = self._interruption.is_set()
                    for job, outcome in threads.rest(PATIENCE_WHEN_STOPPED if stopped else PATIENCE_WHEN_FAILED):
                        queue.conclude(job, outcome)

    def _keep_busy(
        self, threads: JobThreads, queue: JobQueue, leave: Callable[[], bool], others: Callable[[], int]
    ) -> None:
        widths: dict[int, int] = {}  # job number -> parallel jobs allowed when it started
        reading: set[int] = set()  # jobs that have begun a large object: stay until they are done
        while True:
            self._interruption.check()
            job = queue.take() if threads.has_room(others()) and not (leave() and not reading) else None
            if job is not None:
                widths[job.number] = threads.size
                threads.run(job)
            elif not threads.under_way and not (queue.announces and queue.is_held):
                return
            else:
                for job, outcome in threads.outcomes(INTERRUPTION_CHECK_INTERVAL):
                    self._interruption.check()  # failures caused by the interruption do not count
                    if outcome.begun:
                        reading.add(job.number)
                        self._pass_on(queue, job, outcome)
                        continue
                    reading.discard(job.number)
                    width = widths.pop(job.number)
                    if outcome.failure and outcome.failure.code is Code.NO_DESCRIPTORS and width > 1:
                        threads.size = max(1, min(threads.size, width - 1))  # the other jobs used the descriptors
                        queue.repeat(job, outcome.retried)
                    else:
                        self._pass_on(queue, job, outcome)


def _pause(interruption: Interruption, stop: threading.Event, seconds: float) -> bool:
    return interruption.wait(seconds) or stop.is_set()
