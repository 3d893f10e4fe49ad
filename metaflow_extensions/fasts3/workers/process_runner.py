"""Carries out a plan in worker processes.

The calling thread itself waits for the workers, and for an interruption, which ends the call and nothing else. A worker
that dies or answers nonsense is replaced, and its jobs are done again.
"""

import time
from typing import Any, Callable

from metaflow_extensions.fasts3.plans.plan import (
    LOOK_WHEN_HELD,
    PATIENCE_WHEN_FAILED,
    PATIENCE_WHEN_STOPPED,
    JobFailed,
    JobQueue,
    Plan,
    Unwanted,
)
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.workers.call_workers import CallWorkers
from metaflow_extensions.fasts3.workers.concurrency import LEAST_BODY_BYTES
from metaflow_extensions.fasts3.workers.renewal import Renewal, look_again_in
from metaflow_extensions.fasts3.workers.worker_pool import WorkerPool

# The part of its room, one of so many, that a worker is given jobs for at a time: fewer frames, or more evenly.
SHARE = 2
SPREAD = 8


class ProcessRunner:
    """Feeds leased workers.

    Parameters
    ----------
    pool : WorkerPool
    setup : callable
        Gives what `WorkerProcess.prepare` tells a worker, as of now.
    credentials : callable
        Gives the set to sign with, as of now.
    templates : callable
        Gives the template of an operation of S3 and a bucket, or why there is none, in JSON's types.
    renewal : Renewal
    interruption : Interruption
        Ends it.
    workers : int
        How many to lease at the most; one more is leased whenever there are more jobs than room.
    connections : int
        Jobs that each does side by side, at the most.
    spread : bool
        All workers are leased at once and get as many jobs as the others, because each may do only its part.
    body_bytes : int
        Bytes of memory for bodies that each worker may have.
    """

    def __init__(
        self,
        pool: WorkerPool,
        setup: Callable[[], Any],
        credentials: Callable[[], Any],
        templates: Callable[[str, str], Any],
        renewal: Renewal,
        interruption: Interruption,
        workers: int,
        connections: int,
        spread: bool = False,
        body_bytes: int = LEAST_BODY_BYTES,
    ) -> None:
        self._interruption = interruption
        self._pool = pool
        self._setup = setup
        self._spread = spread
        self._templates = templates
        self._credentials = credentials
        self._renewal = renewal
        self._limit = workers
        self._connections = connections
        self._body_bytes = body_bytes

    def run(self, plan: Plan, queue: JobQueue) -> None:
        """Carry out the jobs of a queue and all that follow from them.

        Raises
        ------
        JobFailed
            The plan failed. Jobs that were under way have ended.
        Unwanted
            Somebody wants it to end; as above.
        Interrupted
        NoWorkers
            The system gives no processes.
        """
        limits = self._connections, self._body_bytes
        call = CallWorkers(self._pool, self._setup, self._templates, self._interruption, *limits)
        try:
            self._run(call, plan, queue)
        except (JobFailed, Unwanted):
            call.let_the_rest_end(plan, PATIENCE_WHEN_FAILED)
            raise
        except BaseException:
            try:
                call.let_the_rest_end(plan, PATIENCE_WHEN_STOPPED)
            finally:
                call.end_now()  # also those that do nothing: nobody knows how much of a frame they were sent
            raise
        finally:
            call.leave()

    def _run(self, call: CallWorkers, plan: Plan, queue: JobQueue) -> None:
        told = self._credentials()
        look = time.monotonic() + self._look_again_in(told)
        while True:
            self._interruption.check()
            all_given = self._feed(call, queue)
            if not call.workers_with_jobs() and not call.answered:
                if not all_given:  # never; but who believes that all is done does not look for what is lost
                    raise RuntimeError("jobs are left, and no worker takes them")
                if queue.has_more():  # since then
                    continue
                if not queue.is_held:
                    return
            patience = 0.0 if call.answered else max(0.0, look - time.monotonic())
            if queue.is_held:
                call.spare()
                patience = min(patience, LOOK_WHEN_HELD)
            call.wait(queue, patience)
            if self._hand_on(call, plan, queue) or time.monotonic() >= look:
                current = self._credentials()
                look = time.monotonic() + self._look_again_in(current)
                if current != told:
                    told = current
                    call.give_credentials(current, queue)

    def _hand_on(self, call: CallWorkers, plan: Plan, queue: JobQueue) -> bool:
        """Hand outcomes to the plan; whether credentials had to be renewed for one of them."""
        renewed = False
        while call.answered:
            job, outcome = call.answered.popleft()
            if self._renewal.wants_again(job, outcome):
                queue.put_back([job])
                renewed = True
            else:
                queue.receive(job, outcome)
        return renewed

    def _look_again_in(self, credentials: Any) -> float:
        return look_again_in(credentials and credentials.expires, time.time())

    def _feed(self, call: CallWorkers, queue: JobQueue) -> bool:
        """Hand out jobs; whether that were all that there are at the moment."""
        while queue.has_more():
            worker = call.roomiest()
            if self._spread and worker and worker.jobs and len(call.workers) < self._limit and self._lease(call, queue):
                continue  # the new one is the roomiest
            if worker is not None:
                call.fill(worker, queue, SPREAD if self._spread else SHARE)
            elif len(call.workers) == self._limit or not self._lease(call, queue):
                return False
        return True

    def _lease(self, call: CallWorkers, queue: JobQueue) -> bool:
        try:
            return call.lease(wait=not call.workers)
        except OSError as error:
            if not call.workers:
                if call.answered:  # the plan has more jobs, perhaps, before nobody does them here
                    return False
                call.give_up(queue, error)
            self._limit = len(call.workers)  # they have to be enough
            log.debug("no more than %d workers: %s", self._limit, error)
            return False
