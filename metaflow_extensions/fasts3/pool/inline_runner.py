"""Carries out a plan in the user's process: a few jobs, or a client that no worker could make again."""

import contextlib
import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.perform import Performer, Terms
from metaflow_extensions.fasts3.pool.plan import JobQueue, Plan
from metaflow_extensions.fasts3.pool.renewal import Renewal
from metaflow_extensions.fasts3.pool.threads import Threads
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.wire.transfers import Transfers

PATIENCE_WITH_THE_REST = 1.0  # seconds for the jobs under way when another has failed


class InlineRunner:
    """Does jobs here.

    Parameters
    ----------
    transfers : Transfers
    terms : Terms
    renewal : Renewal
    threads : int
        Jobs done side by side where there are several.
    """

    def __init__(self, transfers: Transfers, terms: Terms, renewal: Renewal, threads: int) -> None:
        self._stop = threading.Event()
        self._performer = Performer(transfers, terms, pause=self._stop.wait)
        self._renewal = renewal
        self._threads = threads

    def run_first(self, plan: Plan, queue: JobQueue) -> None:
        """Do one job, in this thread."""
        job = queue.take()
        if job is not None:
            queue.follow(plan.receive(job, self._perform(job)))

    def run(self, plan: Plan, queue: JobQueue) -> None:
        """Carry out the jobs of a queue and all that follow from them.

        Raises
        ------
        JobFailed
        """
        while queue.has_more():
            if queue.at_least(2):
                self._run_parallel(plan, queue)
            else:
                self.run_first(plan, queue)

    def _perform(self, job: Job) -> Outcome:
        outcome = self._performer.perform(job)
        return self._performer.perform(job) if self._renewal.wants_again(job, outcome) else outcome

    def _run_parallel(self, plan: Plan, queue: JobQueue) -> None:
        threads = Threads(self._threads)
        running: dict[Future[Outcome], tuple[Job, int]] = {}  # with how many there might be at a time when it was begun
        done: set[Future[Outcome]] = set()
        try:
            while True:
                job: Optional[Job] = queue.take() if len(running) < self._threads else None
                if job is not None:
                    running[threads.submit(partial(self._perform, job))] = job, self._threads
                elif running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._receive(plan, queue, *running.pop(future), future.result())
                else:
                    break
        except BaseException:
            self._stop.set()  # those under way: no further tries, now or later
            done, _ = wait(running, timeout=PATIENCE_WITH_THE_REST)
            for future in done:
                with contextlib.suppress(Exception):
                    plan.receive(running[future][0], future.result())
            threads.close(wait=False)
            raise
        threads.close()

    def _receive(self, plan: Plan, queue: JobQueue, job: Job, width: int, outcome: Outcome) -> None:
        if outcome.failure and outcome.failure.code is Code.NO_DESCRIPTORS and width > 1:
            self._threads = max(1, min(self._threads, width - 1))  # the others had them
            queue.put_back([job])
        else:
            queue.follow(plan.receive(job, outcome))
