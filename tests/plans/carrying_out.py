"""Executes a plan on a dictionary, with outcomes in any order: no process, no network."""

from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.plan import JobQueue
from metaflow_extensions.fasts3.wire.failures import Code, Failure


def carry_out(plan, perform, pick=0, room=None):
    """Execute all jobs of a plan; return them in the order of their outcomes, and check the plan's totals at the end.

    `perform(job)` returns a result or a Failure. `pick` is the index of the running job that ends next (0 the oldest,
    -1 the newest), or a function that returns it for a number of jobs. At most `room` jobs run at a time. If
    `perform.begin(job)` returns a result, the job begins with it, and ends when it is picked again.
    """
    queue, at_hand, done, begun = JobQueue(plan), [], [], set()
    while True:
        while (room is None or len(at_hand) < room) and (job := queue.take()) is not None:
            at_hand.append(job)
        if not at_hand:
            meets_its_totals(getattr(plan, "tally", None))
            return done
        job = at_hand.pop(pick(len(at_hand)) if callable(pick) else pick)
        beginning = perform.begin(job) if hasattr(perform, "begin") and job.number not in begun else None
        if beginning:
            begun.add(job.number)
            at_hand.append(job)
            queue.follow(job, plan.receive(job, Outcome(job.number, beginning, begun=True)), begun=True)
            continue
        begun.discard(job.number)
        done.append(job)
        result = perform(job)
        failed = isinstance(result, Failure)
        outcome = Outcome(job.number, None if failed else result, result if failed else None)
        queue.receive(job, outcome)


def meets_its_totals(tally):
    if tally is not None:
        assert (tally.objects, tally.bytes) == (tally.total_objects, tally.total_bytes)


def missing(s3_code="NoSuchKey"):
    return Failure(Code.NOT_FOUND, "no", s3_code, 404)
