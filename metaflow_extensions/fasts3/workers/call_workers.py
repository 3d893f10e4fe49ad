"""The workers of one call: leases them as there is work, gives them jobs, and replaces dead ones."""

import contextlib
import selectors
import time
from collections import deque
from typing import Any, Callable, NoReturn, Optional

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome, bytes_moved
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Plan
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER
from metaflow_extensions.fasts3.workers import concurrency
from metaflow_extensions.fasts3.workers.worker_pool import WorkerPool
from metaflow_extensions.fasts3.workers.worker_process import LOOK, WorkerGone, WorkerProcess

# Workers that may die during one job, or before their first frame: on their own, or killed from outside. An
# out-of-memory killer, which picks victims at random, may hit the same job several times.
DEATHS = 3
KILLS_OVER_A_JOB = 12
KILLS_AT_THE_START = 24
SPARED_AFTER = 0.1  # seconds without a job


class NoWorkers(Exception):
    """No worker can be started; the remaining jobs are in the queue."""


class CallWorkers:
    """The workers of one call."""

    def __init__(
        self,
        pool: WorkerPool,
        setup: Callable[[], Any],
        templates: Callable[[str, str], Any],
        interruption: Interruption,
        connections: int,
        body_bytes: int,
    ) -> None:
        self._interruption = interruption
        self._pool = pool
        self._setup = setup
        self._template = templates
        self._connections = connections
        self._body_bytes = body_bytes
        self._done = 0
        self._moved = 0  # bytes
        self._deaths: dict[int, int] = {}  # job number -> workers that died while it was their only job
        self._failed_starts = 0.0  # counts to DEATHS: consecutive workers that died before their hello
        self._selector = selectors.PollSelector()  # the only selector that needs no descriptor
        self._look = time.monotonic() + LOOK
        self._waker = interruption.waker
        if self._waker:
            self._selector.register(self._waker.descriptor, selectors.EVENT_READ)
        self._speeds: dict[WorkerProcess, concurrency.Speed] = {}
        self._idle_since: dict[WorkerProcess, float] = {}  # since when workers have had no job, while the plan is held
        self.workers: list[WorkerProcess] = []
        self.answered: deque[tuple[Job, Outcome]] = deque()  # not yet passed to the plan

    def lease(self, wait: bool) -> bool:
        self._interruption.check()
        worker = self._pool.lease(wait, self._interruption.check)
        if worker is None:
            return False
        worker.interruption = self._interruption
        self.workers.append(worker)
        self._speeds[worker] = concurrency.Speed(time.monotonic())
        self._selector.register(worker, selectors.EVENT_READ)
        return True

    def spare(self) -> None:
        """Return workers that have been idle for a while, because other calls may wait for them."""
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.jobs:
                self._idle_since.pop(worker, None)
            elif now - self._idle_since.setdefault(worker, now) > SPARED_AFTER:
                self._let_go(worker)
                worker.interruption = None
                self._pool.give_back(worker)

    def give_up(self, queue: JobQueue, error: OSError) -> NoReturn:
        """Leave the remaining jobs to another runner, unless one of them may have killed the workers."""
        job = queue.take() if any(self._deaths.values()) else None
        if job is not None:
            message = f"a worker died during this or another job, and no other worker can be started: {error}"
            raise JobFailed(job, Failure(Code.CRASHED, message)) from error
        raise NoWorkers(str(error)) from error

    def workers_with_jobs(self) -> bool:
        return any(worker.jobs for worker in self.workers)

    def roomiest(self) -> Optional[WorkerProcess]:
        now = time.monotonic()
        free = [
            worker
            for worker in self.workers
            if len(worker.jobs) < self._room(worker, now)
            and not (worker.alone and worker.jobs)
            and worker.waiting < self._body_bytes
        ]
        return min(free, key=lambda worker: len(worker.jobs), default=None)

    def _room(self, worker: WorkerProcess, now: float) -> int:
        return concurrency.room(self._done, self._moved, self._connections, self._speeds[worker].rate(now))

    def fill(self, worker: WorkerProcess, queue: JobQueue, part: int) -> None:
        """Give one worker jobs, at most a part of its room, so that other workers get theirs."""
        batch: list[Job] = []
        size = worker.waiting
        room = self._room(worker, time.monotonic())
        while len(worker.jobs) + len(batch) < room and len(batch) < max(1, room // part):
            job = queue.take()
            if job is None:
                break
            suspect = job.number in self._deaths
            if suspect and (worker.jobs or batch):
                queue.put_back([job])  # it must run alone; this worker counts as full until it is empty
                worker.alone = True
                break
            worker.alone = suspect
            batch.append(job)
            size += job.body_cost
            if suspect or size > self._body_bytes:
                break
        try:
            worker.prepare(self._setup())
            if batch:
                worker.teach(self._templates_for(batch))
                worker.give(batch)
        except WorkerGone as gone:
            worker.jobs.update({job.number: job for job in batch})
            self._replace(worker, queue, gone)

    def _templates_for(self, batch: list[Job]) -> dict[tuple[str, str], Any]:
        kinds = {(job.operation, job.bucket) for job in batch}
        names = {(name, bucket) for operation, bucket in kinds for name in BY_TRANSFER[operation].templates}
        return {name: self._template(*name) for name in names}

    def wait(self, queue: JobQueue, seconds: float) -> None:
        """Collect outcomes as they arrive, for at most `seconds`."""
        for key, _ in self._selector.select(min(seconds, LOOK)):
            if self._waker and key.fd == self._waker.descriptor:
                raise Interrupted
            self._collect(key.fileobj, queue)  # type: ignore[arg-type]
        now = time.monotonic()
        if now >= self._look:  # also check silent workers
            self._look = now + LOOK
            for worker in list(self.workers):
                self._collect(worker, queue)

    def _collect(self, worker: WorkerProcess, queue: JobQueue) -> None:
        count, now = self._speeds[worker].count, time.monotonic()
        try:
            for job, outcome in worker.outcomes():
                self.answered.append((job, outcome))  # one at a time, so that outcomes before an invalid one count
                if outcome.begun:
                    continue
                count(now)
                self._done += 1
                self._moved += bytes_moved(job, outcome.reply)
                self._failed_starts = 0.0
        except WorkerGone as gone:
            self._replace(worker, queue, gone)

    def give_credentials(self, credentials: Any, queue: JobQueue) -> None:
        for worker in list(self.workers):
            try:
                worker.give_credentials(credentials)
            except WorkerGone as gone:
                self._replace(worker, queue, gone)

    def let_the_rest_end(self, plan: Plan, patience: float) -> None:
        """Wait a limited time for running jobs, then end the busy workers."""
        until = time.monotonic() + patience
        if self._waker:
            self._selector.unregister(self._waker.descriptor)
            self._waker = None
        while self.workers_with_jobs() and time.monotonic() < until:
            for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
                worker: WorkerProcess = key.fileobj  # type: ignore[assignment]
                try:
                    self.answered.extend(worker.outcomes())
                except WorkerGone:
                    self._drop(worker)
        self.end_now(only_busy=True)
        while self.answered:
            with contextlib.suppress(JobFailed):  # `cleanup` closes what it opened
                plan.receive(*self.answered.popleft())

    def end_now(self, only_busy: bool = False) -> None:
        for worker in list(self.workers):
            if worker.jobs or not only_busy:
                self._drop(worker)

    def leave(self) -> None:
        for worker in self.workers:
            worker.interruption = None
            self._pool.give_back(worker)
        self.workers = []
        self._selector.close()

    def _drop(self, worker: WorkerProcess) -> None:
        self._let_go(worker)
        self._pool.discard(worker)

    def _let_go(self, worker: WorkerProcess) -> None:
        self.workers.remove(worker)
        self._selector.unregister(worker)
        self._idle_since.pop(worker, None)

    def _replace(self, worker: WorkerProcess, queue: JobQueue, gone: WorkerGone) -> None:
        """Put a lost worker's jobs back into the queue, unless one of them killed it."""
        self._drop(worker)
        alone = len(worker.jobs) == 1
        for number, outcome in worker.begun.items():  # other jobs get the rest of the object; now they get all of it
            reply = outcome.reply._replace(received=0, crc=0)
            self.answered.append((worker.jobs.pop(number), outcome._replace(reply=reply, begun=False)))
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
        queue.put_last(jobs)
