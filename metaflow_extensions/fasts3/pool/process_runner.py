"""Carries out a plan in worker processes.

The calling thread itself waits for the workers, and for an interruption, which ends the call and nothing else. A worker
that dies or answers nonsense is replaced, and its jobs are done again.
"""

import contextlib
import logging
import selectors
import time
from collections import deque
from typing import Any, Callable, NoReturn, Optional

from metaflow_extensions.fasts3.pool import concurrency
from metaflow_extensions.fasts3.pool.messages import Job, Outcome, bytes_moved
from metaflow_extensions.fasts3.pool.plan import (
    LOOK_WHEN_HELD,
    PATIENCE_WHEN_FAILED,
    PATIENCE_WHEN_STOPPED,
    JobFailed,
    JobQueue,
    Plan,
    Unwanted,
)
from metaflow_extensions.fasts3.pool.planning import CARRIED
from metaflow_extensions.fasts3.pool.renewal import Renewal, look_again_in
from metaflow_extensions.fasts3.pool.worker_pool import WorkerPool
from metaflow_extensions.fasts3.pool.worker_process import WorkerGone, WorkerProcess
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.template import NEEDED

log = logging.getLogger("metaflow_fasts3")

# Workers that may die over one job, or before they have said a word: of themselves, or killed from outside. Whoever
# kills at random, as a machine does that is short of memory, meets the same job several times.
DEATHS = 3
KILLS_OVER_A_JOB = 12
KILLS_AT_THE_START = 24
BODY_BYTES = 128 * 2**20  # bytes of memory for bodies that workers have, all together
LEAST_BODY_BYTES = CARRIED  # each may have, or it would wait for its parent between two parts of the usual size


# The part of its room, one of so many, that a worker is given jobs for at a time: fewer frames, or more evenly.
SHARE = 2
SPREAD = 8


class NoWorkers(Exception):
    """None can be started, and the jobs that are left are in the queue."""


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
        body_bytes = max(LEAST_BODY_BYTES, BODY_BYTES // self._limit)
        call = _Call(self._pool, self._setup, self._templates, self._interruption, self._connections, body_bytes)
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

    def _run(self, call: "_Call", plan: Plan, queue: JobQueue) -> None:
        told = self._credentials()
        look = time.monotonic() + self._look_again_in(told)
        while True:
            self._feed(call, queue)
            if not call.workers_with_jobs():
                if queue.has_more():  # never; but who believes that all is done does not look for what is lost
                    raise RuntimeError("jobs are left, and no worker takes them")
                if not queue.is_held:
                    return
            patience = max(0.0, look - time.monotonic())
            call.wait(queue, min(patience, LOOK_WHEN_HELD) if queue.is_held else patience)
            renewed = False
            while call.answered:
                job, outcome = call.answered.popleft()
                if self._renewal.wants_again(job, outcome):
                    queue.put_back([job])
                    renewed = True
                else:
                    queue.follow(plan.receive(job, outcome))
            if renewed or time.monotonic() >= look:
                current = self._credentials()
                look = time.monotonic() + self._look_again_in(current)
                if current != told:
                    told = current
                    call.give_credentials(current, queue)

    def _look_again_in(self, credentials: Any) -> float:
        return look_again_in(credentials and credentials.expires, time.time())

    def _feed(self, call: "_Call", queue: JobQueue) -> None:
        while queue.has_more():
            worker = call.roomiest()
            if self._spread and worker and worker.jobs and len(call.workers) < self._limit and self._lease(call, queue):
                continue  # the new one is the roomiest
            if worker is not None:
                call.fill(worker, queue, SPREAD if self._spread else SHARE)
            elif len(call.workers) == self._limit or not self._lease(call, queue):
                return

    def _lease(self, call: "_Call", queue: JobQueue) -> bool:
        try:
            return call.lease(wait=not call.workers)
        except OSError as error:
            if not call.workers:
                call.give_up(queue, error)
            self._limit = len(call.workers)  # they have to be enough
            log.debug("no more than %d workers: %s", self._limit, error)
            return False


class _Call:
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
        self._deaths: dict[int, int] = {}  # job number -> workers that died while they did it and nothing else
        self._stillborn = 0.0  # of DEATHS: workers in a row that died before their hello
        self._selector = selectors.PollSelector()  # the only one that needs no descriptor of its own
        if interruption.descriptor >= 0:
            self._selector.register(interruption.descriptor, selectors.EVENT_READ)
        self._speeds: dict[WorkerProcess, concurrency.Speed] = {}
        self.workers: list[WorkerProcess] = []
        self.answered: deque[tuple[Job, Outcome]] = deque()  # not yet handed to the plan

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

    def give_up(self, queue: JobQueue, error: OSError) -> NoReturn:
        """Leave what there is to do to somebody else, unless it may be what ended the workers that there were."""
        job = queue.take() if any(self._deaths.values()) else None
        if job is not None:
            told = f"a worker died over this or another object, and no other can be started: {error}"
            raise JobFailed(job, Failure(Code.CRASHED, told)) from error
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
        """Hand one worker jobs, for a part of its room at most, so that others get theirs."""
        batch: list[Job] = []
        size = worker.waiting
        room = self._room(worker, time.monotonic())
        while len(worker.jobs) + len(batch) < room and len(batch) < max(1, room // part):
            job = queue.take()
            if job is None:
                break
            suspect = job.number in self._deaths
            if suspect and (worker.jobs or batch):
                queue.put_back([job])  # it has to be alone; this worker is full until it is empty
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
        names = {(name, bucket) for operation, bucket in kinds for name in NEEDED[operation]}
        return {name: self._template(*name) for name in names}

    def wait(self, queue: JobQueue, seconds: float) -> None:
        """Collect outcomes as they come, at most for so long."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj == self._interruption.descriptor:
                raise Interrupted
            worker: WorkerProcess = key.fileobj  # type: ignore[assignment]
            count, now = self._speeds[worker].count, time.monotonic()
            try:
                for job, outcome in worker.outcomes():
                    count(now)
                    self.answered.append((job, outcome))  # one by one: those before a piece of nonsense count
                    self._done += 1
                    self._moved += bytes_moved(job, outcome.reply)
                    self._stillborn = 0.0
            except WorkerGone as gone:
                self._replace(worker, queue, gone)

    def give_credentials(self, credentials: Any, queue: JobQueue) -> None:
        for worker in list(self.workers):
            try:
                worker.give_credentials(credentials)
            except WorkerGone as gone:
                self._replace(worker, queue, gone)

    def let_the_rest_end(self, plan: Plan, patience: float) -> None:
        """Wait for what is under way, but not for long; what is not done then is ended."""
        until = time.monotonic() + patience
        if self._interruption.descriptor >= 0:
            self._selector.unregister(self._interruption.descriptor)
        while self.workers_with_jobs() and time.monotonic() < until:
            for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
                worker: WorkerProcess = key.fileobj  # type: ignore[assignment]
                try:
                    self.answered.extend(worker.outcomes())
                except WorkerGone:
                    self._drop(worker)
        self.end_now(only_busy=True)
        while self.answered:
            with contextlib.suppress(JobFailed):  # what it opened, `cleanup` has to close
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
        self.workers.remove(worker)
        self._selector.unregister(worker)
        self._pool.discard(worker)

    def _replace(self, worker: WorkerProcess, queue: JobQueue, gone: WorkerGone) -> None:
        """Do a lost worker's jobs again elsewhere, unless one of them is why it was lost."""
        self._drop(worker)
        jobs, worker.jobs = list(worker.jobs.values()), {}
        if not worker.greeted:
            self._stillborn += DEATHS / KILLS_AT_THE_START if gone.killed else 1.0
            if self._stillborn >= DEATHS:
                told = f"s3op.py does not start ({gone}); run it by hand with this Python to see why"
                raise JobFailed(jobs[0] if jobs else Job(0, "get", "", ""), Failure(Code.CRASHED, told))
        for job in jobs if worker.greeted else ():
            # Of several, any may be the one; each is done alone the next time, and only those deaths are its own.
            deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + (len(jobs) == 1)
            if deaths >= (KILLS_OVER_A_JOB if gone.killed else DEATHS):
                raise JobFailed(job, Failure(Code.CRASHED, f"{deaths} workers died over it; the last: {gone}"))
        # Last, because whatever ends workers now may be over by then.
        queue.put_last(jobs)
