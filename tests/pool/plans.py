"""Carries out a plan on a dictionary, in any order that is asked for: no process, no network."""

from metaflow_extensions.fasts3.pool.messages import Outcome
from metaflow_extensions.fasts3.pool.plan import JobQueue
from metaflow_extensions.fasts3.wire.failures import Code, Failure


def carry_out(plan, answer, pick=0):
    """Do all jobs of a plan.

    `answer(job)` gives the reply or a Failure; `pick` says which of the jobs at hand is answered next (0 the oldest,
    -1 the newest). Gives the jobs in the order in which they were done.
    """
    queue, at_hand, done = JobQueue(plan), [], []
    while True:
        while (job := queue.take()) is not None:
            at_hand.append(job)
        if not at_hand:
            return done
        job = at_hand.pop(pick)
        done.append(job)
        reply = answer(job)
        failed = isinstance(reply, Failure)
        queue.follow(plan.receive(job, Outcome(job.number, None if failed else reply, reply if failed else None)))


def missing(s3_code="NoSuchKey"):
    return Failure(Code.NOT_FOUND, "no", s3_code, 404)
