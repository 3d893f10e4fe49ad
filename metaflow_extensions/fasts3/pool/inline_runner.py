"""Carries out a plan in the user's process: a few jobs, or a client that no worker could make again."""

import contextlib
import threading
import time
from collections.abc import Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Callable, Optional

from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.perform import Performer, Terms
from metaflow_extensions.fasts3.pool.plan import PATIENCE_WHEN_FAILED, PATIENCE_WHEN_STOPPED, JobQueue, Plan
from metaflow_extensions.fasts3.pool.renewal import Renewal
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import Transfers

Perform = Callable[[Job, Interruption], Outcome]
LOOK = 0.05  # seconds between two looks whether the call is to end


class InlineRunner:
    """Does jobs here.

    Parameters
    ----------
    transfers : Transfers
    terms : Terms
    renewal : Renewal
    interruption : Interruption
        Ends it.
    threads : int
        Jobs done side by side where there are several.
    """

    def __init__(
        self, transfers: Transfers, terms: Terms, renewal: Renewal, interruption: Interruption, threads: int
    ) -> None:
        self._stop = threading.Event()
        # Not a method: it would hold this object in a cycle, and with it the interruption's descriptors.
        self._performer = Performer(transfers, terms, pause=partial(_pause, interruption, self._stop))
        self._renewal = renewal
        self._interruption = interruption
        self._threads = threads

    def run_first(self, plan: Plan, queue: JobQueue) -> None:
        """Do one job, in this thread.

        Raises
        ------
        JobFailed, Interrupted
        """
        job = queue.take()
        if job is not None:
            self._interruption.check()
            outcome = self._perform(job, self._interruption)
            self._interruption.check()
            queue.follow(plan.receive(job, outcome))

    def run(self, plan: Plan, queue: JobQueue) -> None:
        """Carry out the jobs of a queue and all that follow from them.

        Raises
        ------
        JobFailed, Interrupted
        """
        while queue.has_more():
            if queue.at_least(2):
                self._run_parallel(plan, queue)
            else:
                self.run_first(plan, queue)

    def _perform(self, job: Job, interruption: Interruption) -> Outcome:
        outcome = self._performer.perform(job, interruption)
        return self._performer.perform(job, interruption) if self._renewal.wants_again(job, outcome) else outcome

    def _run_parallel(self, plan: Plan, queue: JobQueue) -> None:
        crew = _Crew(self._perform, self._threads)
        try:
            while True:
                self._interruption.check()
                job = queue.take() if crew.has_room else None
                if job is not None:
                    crew.give(job)
                elif not crew.under_way:
                    break
                else:
                    for done in crew.outcomes(LOOK):
                        queue.follow(plan.receive(*done))
        finally:
            if crew.under_way:
                self._stop.set()  # no further tries, now or later
                for job, outcome in crew.rest(self._patience()):
                    with contextlib.suppress(Exception):  # what it opened, `cleanup` has to close
                        plan.receive(job, outcome)
            crew.dismiss()

    def _patience(self) -> float:
        return PATIENCE_WHEN_STOPPED if self._interruption.wait(0.0) else PATIENCE_WHEN_FAILED


def _pause(interruption: Interruption, stop: threading.Event, seconds: float) -> bool:
    return interruption.wait(seconds) or stop.is_set()


class _Crew:
    """Threads that do jobs. Daemons: where one is stuck in boto3, the end of the process does not wait for it."""

    def __init__(self, perform: "Perform", size: int) -> None:
        self._perform = perform
        self._size = size
        self._jobs: SimpleQueue[Optional[Job]] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Job, Outcome]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._interruption = Interruption()
        self.under_way = 0

    @property
    def has_room(self) -> bool:
        return self.under_way < self._size

    def give(self, job: Job) -> None:
        self.under_way += 1
        if self.under_way > len(self._threads) and not self._hire():
            self._size = self.under_way
            if not self._threads:  # not a single one
                self._outcomes.put((job, self._perform(job, self._interruption)))
                return
        self._jobs.put(job)

    def _hire(self) -> bool:
        thread = threading.Thread(target=self._work, name="fasts3-job", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or none any more: the interpreter is about to end
            return False
        self._threads.append(thread)
        return True

    def outcomes(self, timeout: float) -> "Iterator[tuple[Job, Outcome]]":
        """What is done, once something is; nothing where that takes longer."""
        with contextlib.suppress(Empty):
            done = self._outcomes.get(timeout=timeout)
            while True:
                self.under_way -= 1
                yield done
                done = self._outcomes.get_nowait()

    def rest(self, patience: float) -> "Iterator[tuple[Job, Outcome]]":
        """What is done in so many seconds; the others are ended where they wait."""
        until = time.monotonic() + patience
        while self.under_way and time.monotonic() < until:
            yield from self.outcomes(max(0.0, until - time.monotonic()))
        self._interruption.set()

    def dismiss(self) -> None:
        """Have the threads end, each when its job does."""
        for _ in self._threads:
            self._jobs.put(None)
        if not self.under_way:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                outcome = self._perform(job, self._interruption)
            except BaseException as error:  # whoever waits for this outcome would wait for ever
                outcome = Outcome(job.number, None, Failure(Code.REJECTED, f"{type(error).__name__}: {error}"))
            self._outcomes.put((job, outcome))
