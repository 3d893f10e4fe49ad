"""Runs a plan in worker processes.

The calling thread waits for the workers, and for an interruption, which ends only this call. A worker that dies or
sends invalid frames is replaced, and its jobs run again.
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

# A worker gets jobs for 1/SHARE or 1/SPREAD of its room at a time: fewer frames, or a more even distribution.
SHARE = 2
SPREAD = 8


class ProcessRunner:
    """Gives jobs to leased workers.

    Parameters
    ----------
    pool : WorkerPool
    setup : callable
        Returns the current setup for `WorkerProcess.prepare`.
    credentials : callable
        Returns the current credentials.
    templates : callable
        Returns the template of an S3 operation and a bucket, or the reason for none, in JSON types.
    renewal : Renewal
    interruption : Interruption
        Ends the run.
    workers : int
        Maximum number of leased workers; another is leased whenever there are more jobs than room.
    connections : int
        Maximum number of parallel jobs per worker.
    spread : bool
        Lease all workers at once and distribute jobs evenly, because each has only its share of a limit.
    body_bytes : int
        Bytes of memory for bodies per worker.
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
        """Run a queue's jobs and those that follow from them.

        Raises
        ------
        JobFailed
            The plan failed. Running jobs have ended.
        Unwanted
            The consumer ended the plan. Running jobs have ended.
        Interrupted
        NoWorkers
            No process can be started.
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
                call.end_now()  # idle workers too: part of a frame may have been sent to them
            raise
        finally:
            call.leave()

    def _run(self, call: CallWorkers, plan: Plan, queue: JobQueue) -> None:
        given = self._credentials()
        look = time.monotonic() + self._look_again_in(given)
        while True:
            self._interruption.check()
            all_given = self._feed(call, queue)
            if not call.workers_with_jobs() and not call.answered:
                if not all_given:  # impossible, but ending here would lose jobs without an error
                    raise RuntimeError("jobs remain, and no worker accepts them")
                if queue.has_more():  # new since _feed
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
                if current != given:
                    given = current
                    call.give_credentials(current, queue)

    def _hand_on(self, call: CallWorkers, plan: Plan, queue: JobQueue) -> bool:
        """Pass outcomes to the plan; return whether credentials were renewed for one of them."""
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
        """Give jobs to workers; return whether all current jobs were given."""
        while queue.has_more():
            worker = call.roomiest()
            if self._spread and worker and worker.jobs and len(call.workers) < self._limit and self._lease(call, queue):
                continue  # the new worker is the roomiest
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
                if call.answered:  # the plan may have more jobs, before this call gives up
                    return False
                call.give_up(queue, error)
            self._limit = len(call.workers)  # continue with these workers
            log.debug("no more than %d workers: %s", self._limit, error)
            return False
