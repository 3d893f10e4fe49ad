"""Runs the jobs of one call in worker processes: leases workers as there is work, and gives them jobs.

The calling thread waits for the workers, and for an interruption, which ends only this call. A worker that dies or
sends invalid frames is replaced, and its jobs run again.
"""

import selectors
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, NoReturn, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, bytes_moved
from metaflow_extensions.fasts3.plans.plan import (
    HELD_CHECK_INTERVAL,
    PATIENCE_WHEN_FAILED,
    PATIENCE_WHEN_STOPPED,
    JobFailed,
    JobQueue,
    Unwanted,
)
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.workers import concurrency
from metaflow_extensions.fasts3.workers.call import Call
from metaflow_extensions.fasts3.workers.renewal import seconds_to_next_check
from metaflow_extensions.fasts3.workers.worker_pool import WorkerPool
from metaflow_extensions.fasts3.workers.worker_process import LIVENESS_CHECK_INTERVAL, WorkerGone, WorkerProcess

# A worker gets jobs for 1/SHARE or 1/SPREAD of its room at a time: fewer frames, or a more even distribution.
SHARE = 2
SPREAD = 8
# Workers that may die during one job, or before their first frame: on their own, or killed from outside. An
# out-of-memory killer, which picks victims at random, may hit the same job several times.
DEATHS = 3
KILLS_OVER_A_JOB = 12
KILLS_AT_THE_START = 24
RETURNED_AFTER = 0.1  # seconds without a job


class NoWorkers(Exception):
    """No worker can be started; the remaining jobs are in the queue."""


class ProcessRunner:
    """Runs a queue's jobs, and those that follow from them, in leased workers. A runner runs once.

    Parameters
    ----------
    pool : WorkerPool
    call : Call
    queue : JobQueue
    share : Share
        Maximum number of leased workers, and the limits of each. With a limited bandwidth, all are leased at once and
        get jobs evenly, because each has only its share of the limit.
    body_bytes : int
        Bytes of memory for bodies per worker.
    """

    def __init__(
        self, pool: WorkerPool, call: Call, queue: JobQueue, share: concurrency.Share, body_bytes: int
    ) -> None:
        self._pool = pool
        self._call = call
        self._queue = queue
        self._most, self._connections, bandwidth = share
        self._spread = bandwidth is not None
        self._terms = call.terms._replace(bandwidth=bandwidth)
        self._body_bytes = body_bytes
        self._credentials: Any = None
        self._done = 0
        self._moved = 0  # bytes
        self._deaths: dict[int, int] = {}  # job number -> workers that died while it was their only job
        self._failed_starts = 0.0  # counts to DEATHS: consecutive workers that died before their hello
        self._selector = selectors.PollSelector()  # the only selector that needs no descriptor
        self._liveness_check_at = time.monotonic() + LIVENESS_CHECK_INTERVAL
        self._waker = call.interruption.waker
        if self._waker:
            self._selector.register(self._waker.descriptor, selectors.EVENT_READ)
        self._workers: dict[WorkerProcess, concurrency.Speed] = {}
        self._idle_since: dict[WorkerProcess, float] = {}  # since when workers have had no job, while the plan is held
        self._received: deque[tuple[Job, Outcome]] = deque()  # not yet passed to the plan

    def run(self) -> None:
        """Run all jobs.

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
        try:
            self._run()
        except (JobFailed, Unwanted):
            self._let_jobs_end(PATIENCE_WHEN_FAILED)
            raise
        except BaseException:
            try:
                self._let_jobs_end(PATIENCE_WHEN_STOPPED)
            finally:
                self._discard(list(self._workers))  # idle ones too: part of a frame may have been sent to them
            raise
        finally:
            for worker in list(self._workers):
                self._give_back(worker)
            self._selector.close()

    def _run(self) -> None:
        queue, check_at = self._queue, 0.0
        while True:
            self._call.interruption.check()
            if time.monotonic() >= check_at:
                check_at = self._renew_credentials()
            all_given = self._feed()
            if not self._has_jobs() and not self._received:
                if not all_given:  # impossible, but ending here would lose jobs without an error
                    raise RuntimeError("jobs remain, and no worker accepts them")
                if queue.has_more():  # new since _feed
                    continue
                if not queue.is_held:
                    return
            patience = 0.0 if self._received else max(0.0, check_at - time.monotonic())
            if queue.is_held:
                self._return_idle()
                patience = min(patience, HELD_CHECK_INTERVAL)
            self._wait(patience)
            if self._pass_on():
                check_at = 0.0

    def _renew_credentials(self) -> float:
        """Give workers the current credentials if they are new; return when to check again."""
        current = self._call.client.credentials.current()
        if current != self._credentials:
            self._credentials = current
            for worker in list(self._workers):
                try:
                    worker.send_credentials(current)
                except WorkerGone as gone:
                    self._replace(worker, gone)
        return time.monotonic() + seconds_to_next_check(current and current.expires, time.time())

    def _pass_on(self) -> bool:
        """Pass outcomes to the plan; return whether jobs run again, perhaps with new credentials."""
        again = False
        while self._received:
            job, outcome = self._received.popleft()
            if self._call.wants_again(job, outcome):
                self._queue.repeat(job, outcome.retried)
                again = True
            else:
                self._queue.receive(job, outcome)
        return again

    def _feed(self) -> bool:
        """Give jobs to workers; return whether all current jobs were given."""
        while self._queue.has_more():
            worker = self._roomiest()
            if worker is not None and not (self._spread and worker.jobs and self._lease()):
                self._fill(worker)
            elif worker is None and not self._lease():
                return False
        return True

    def _lease(self) -> bool:
        """Lease another worker; return False if this call gets no more at the moment."""
        if len(self._workers) >= self._most:
            return False
        self._call.interruption.check()
        try:
            worker = self._pool.lease(not self._workers, self._call.interruption.check)
        except OSError as error:
            if not self._workers:
                if not self._received:  # else the plan may have more jobs, before this call gives up
                    self._give_up(error)
                return False
            self._most = len(self._workers)  # continue with these workers
            log.debug("could start only %d workers: %s", self._most, error)
            return False
        if worker is None:
            return False
        worker.interruption = self._call.interruption
        self._workers[worker] = concurrency.Speed(time.monotonic())
        self._selector.register(worker, selectors.EVENT_READ)
        return True

    def _give_up(self, error: OSError) -> NoReturn:
        """Leave the remaining jobs to another runner, unless one of them may have killed the workers."""
        job = self._queue.take() if any(self._deaths.values()) else None
        if job is not None:
            message = f"a worker died during this or another job, and no other worker can be started: {error}"
            raise JobFailed(job, Failure(Code.CRASHED, message)) from error
        raise NoWorkers(str(error)) from error

    def _return_idle(self) -> None:
        """Return workers that have been idle for a while, because other calls may wait for them."""
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.jobs:
                self._idle_since.pop(worker, None)
            elif now - self._idle_since.setdefault(worker, now) > RETURNED_AFTER:
                self._give_back(worker)

    def _has_jobs(self) -> bool:
        return any(worker.jobs for worker in self._workers)

    def _roomiest(self) -> Optional[WorkerProcess]:
        free = [
            worker
            for worker in self._workers
            if len(worker.jobs) < self._room(worker)
            and not (worker.alone and worker.jobs)
            and worker.waiting < self._body_bytes
        ]
        return min(free, key=lambda worker: len(worker.jobs), default=None)

    def _room(self, worker: WorkerProcess) -> int:
        rate = self._workers[worker].rate(time.monotonic())
        return concurrency.room(self._done, self._moved, self._connections, rate)

    def _fill(self, worker: WorkerProcess) -> None:
        """Give one worker jobs, at most a part of its room, so that other workers get theirs."""
        batch: list[Job] = []
        size = worker.waiting
        room = self._room(worker)
        most = min(room - len(worker.jobs), max(1, room // (SPREAD if self._spread else SHARE)))
        while len(batch) < most and size <= self._body_bytes:
            job = self._queue.take()
            if job is None:
                break
            suspect = job.number in self._deaths
            if suspect and (worker.jobs or batch):
                self._queue.put_back([job])  # it must run alone; this worker counts as full until it is empty
                worker.alone = True
                break
            worker.alone = suspect
            batch.append(job)
            size += job.body_cost
            if suspect:
                break
        try:
            worker.send_setup([self._call.client.recipe, self._credentials, self._terms, self._connections])
            if batch:
                worker.send_templates(self._templates_of(batch))
                worker.send_jobs(batch)
        except WorkerGone as gone:
            worker.jobs.update({job.number: job for job in batch})
            self._replace(worker, gone)

    def _templates_of(self, batch: list[Job]) -> dict[tuple[str, str], Any]:
        kinds = {(job.operation, job.bucket) for job in batch}
        names = {(name, bucket) for operation, bucket in kinds for name in BY_TRANSFER[operation].templates}
        client, chosen = self._call.client, self._call.settings.transfers
        return {name: client.template(chosen, *name) for name in names}

    def _wait(self, seconds: float) -> None:
        """Collect outcomes as they arrive, for at most `seconds`."""
        for key, _ in self._selector.select(min(seconds, LIVENESS_CHECK_INTERVAL)):
            if self._waker and key.fd == self._waker.descriptor:
                raise Interrupted
            self._collect(key.fileobj)  # type: ignore[arg-type]
        now = time.monotonic()
        if now >= self._liveness_check_at:  # also check silent workers
            self._liveness_check_at = now + LIVENESS_CHECK_INTERVAL
            for worker in list(self._workers):
                self._collect(worker)

    def _collect(self, worker: WorkerProcess) -> None:
        count, now = self._workers[worker].count, time.monotonic()
        try:
            for job, outcome in worker.outcomes():
                self._received.append((job, outcome))  # one at a time, so that outcomes before an invalid one count
                if outcome.begun:
                    continue
                count(now)
                self._done += 1
                self._moved += bytes_moved(job, outcome.result)
                self._failed_starts = 0.0
        except WorkerGone as gone:
            self._replace(worker, gone)

    def _replace(self, worker: WorkerProcess, gone: WorkerGone) -> None:
        """Put a lost worker's jobs back into the queue, unless one of them killed it."""
        self._discard([worker])
        alone = len(worker.jobs) == 1
        for number, outcome in worker.begun.items():  # other jobs get the rest of the object; now they get all of it
            result = outcome.result._replace(received=0, crc=0)
            self._received.append((worker.jobs.pop(number), outcome._replace(result=result, begun=False)))
        jobs, worker.jobs = list(worker.jobs.values()), {}
        if not worker.greeted:
            self._failed_starts += DEATHS / KILLS_AT_THE_START if gone.killed else 1.0
            if self._failed_starts >= DEATHS:
                message = f"s3op.py does not start ({gone}). Run it with this Python to see why"
                raise JobFailed(jobs[0] if jobs else Job(0, "get", "", ""), Failure(Code.CRASHED, message))
        for job in jobs if worker.greeted else ():
            # Any of several jobs may be the cause. Each runs alone next time, and only deaths of lone jobs count.
            deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + alone
            if deaths >= (KILLS_OVER_A_JOB if gone.killed else DEATHS):
                raise JobFailed(job, Failure(Code.CRASHED, f"{deaths} workers died during this job; the last: {gone}"))
        # Last, because the cause of the deaths may have passed by then.
        self._queue.put_last(jobs, Failure(Code.CRASHED, str(gone)))

    def _let_jobs_end(self, patience: float) -> None:
        """Wait a limited time for running jobs, then end the busy workers."""
        until = time.monotonic() + patience
        if self._waker:
            self._selector.unregister(self._waker.descriptor)
            self._waker = None
        while self._has_jobs() and time.monotonic() < until:
            for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
                worker: WorkerProcess = key.fileobj  # type: ignore[assignment]
                try:
                    self._received.extend(worker.outcomes())
                except WorkerGone:
                    self._discard([worker])
        self._discard([worker for worker in self._workers if worker.jobs])
        while self._received:
            self._queue.conclude(*self._received.popleft())

    def _discard(self, workers: Iterable[WorkerProcess]) -> None:
        for worker in workers:
            self._forget(worker)
            self._pool.discard(worker)

    def _give_back(self, worker: WorkerProcess) -> None:
        self._forget(worker)
        worker.interruption = None
        self._pool.give_back(worker)

    def _forget(self, worker: WorkerProcess) -> None:
        del self._workers[worker]
        self._selector.unregister(worker)
        self._idle_since.pop(worker, None)
