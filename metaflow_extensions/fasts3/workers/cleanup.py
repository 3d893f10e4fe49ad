"""Cleans up in S3 after a failed or interrupted call: many parallel requests within a time limit."""

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.wire.blocking import Interrupted, Interruption, complete
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.workers.job_threads import JobThreads
from metaflow_extensions.fasts3.workers.performer import OnBegin, Performer

THREADS = 64  # hundreds of uploads may be open, and a new connection takes several round trips
NO_TIME = Failure(Code.UNREACHABLE, "there was no time left")


class Undone(NamedTuple):
    """A cleanup job that was not done."""

    job: Job
    failure: Failure


def clean_up(performer: Performer, jobs: Sequence[Job], seconds: float) -> list[Undone]:
    """Run cleanup jobs.

    Parameters
    ----------
    performer : Performer
    jobs : sequence of Job
        In any order, with distinct numbers.
    seconds : float
        Time limit; remaining jobs are not done.

    Returns
    -------
    list of Undone
    """
    until = time.monotonic() + seconds

    def perform(job: Job, interruption: Interruption, _: OnBegin) -> Outcome:
        try:
            return complete(performer.perform(job), interruption.wait, interruption, max(0.0, until - time.monotonic()))
        except Exception as error:  # the time is over, or a defect, which must not stop the other jobs
            if not isinstance(error, Interrupted):
                log.warning("S3: %s of %s failed", job.operation, job.url, exc_info=True)
            return Outcome(job.number, None, NO_TIME)

    undone = {job.number: Undone(job, NO_TIME) for job in jobs}
    waiting = deque(jobs)
    with JobThreads(perform, min(THREADS, len(jobs))) as threads:
        while (waiting or threads.under_way) and time.monotonic() < until:
            while waiting and threads.has_room() and time.monotonic() < until:
                threads.run(waiting.popleft())
            for job, outcome in threads.outcomes(max(0.0, until - time.monotonic())):
                code = outcome.failure.code if outcome.failure else None
                if code is Code.NO_DESCRIPTORS and threads.size > 1:
                    threads.size = max(1, threads.under_way)  # the other threads use the descriptors
                    waiting.append(job)
                elif outcome.failure:
                    undone[job.number] = Undone(job, outcome.failure)
                    if code is Code.UNREACHABLE:  # after several attempts: the others would fail too
                        undone.update((one.number, Undone(one, outcome.failure)) for one in waiting)
                        waiting.clear()
                else:
                    del undone[job.number]
        threads.stop()
    return list(undone.values())
