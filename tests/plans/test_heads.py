"""Tests of the plans that request headers, and of the queue that feeds runners."""

import pytest
from plans.carrying_out import carry_out, missing

from metaflow_extensions.fasts3.plans.heads import Heads
from metaflow_extensions.fasts3.plans.jobs import Job, Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Requests
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

INFO = ObjectInfo(1, "", None, {}, 0, None)


def test_results_of_heads_are_in_order():
    plan = Heads([("b", "x"), ("b", "no"), ("b", "y")], missing_ok=True)
    carry_out(plan, lambda job: missing("") if job.key == "no" else INFO._replace(content_type=job.key), pick=-1)
    assert [info and info.content_type for info in plan.results] == ["x", None, "y"]
    assert plan.unverified_buckets == {"b"}


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.ACCESS_DENIED, Code.NO_BUCKET])
def test_a_head_that_fails_fails_the_plan(code):
    with pytest.raises(JobFailed):
        carry_out(Heads([("b", "x")], missing_ok=code is not Code.NOT_FOUND), lambda job: Failure(code))


def test_requests_fail_with_the_first_that_fails():
    plan = Requests([Job(0, "delete", "b", "k"), Job(1, "delete", "b", "l")])
    with pytest.raises(JobFailed) as failed:
        carry_out(plan, lambda job: Failure(Code.ACCESS_DENIED) if job.number else None)
    assert failed.value.job.key == "l"
    assert plan.results == {0: None}


def test_the_queue_gives_what_follows_before_what_is_new():
    jobs = [Job(number, "head", "b", str(number)) for number in range(6)]
    queue = JobQueue(Requests(jobs[:2]))
    assert queue.take() is jobs[0]
    queue.follow(jobs[0], iter(jobs[2:4]))
    queue.put_back([jobs[4]])
    assert queue.at_least(4)
    assert not queue.at_least(5)
    assert [queue.take() for _ in range(5)] == [jobs[4], jobs[2], jobs[3], jobs[1], None]
    assert not queue.has_more()


def test_outcomes_of_requests_are_kept():
    plan = Requests([Job(3, "head", "b", "k")])
    assert list(plan.receive(next(plan.start()), Outcome(3, INFO))) == []
    assert plan.results == {3: INFO}


def test_an_outcome_tells_what_happened_to_its_job_before():
    """S3 may have executed a job whose response was lost, also if the job was then put into the queue again."""
    jobs = [Job(number, "head", "b", str(number)) for number in range(3)]
    lost, died, broke = Failure(Code.UNREACHABLE), Failure(Code.CRASHED), Failure(Code.BROKEN)
    plan = Requests(jobs)
    queue, seen = JobQueue(plan, [lambda outcome: seen.append(outcome.retried)]), []
    for job in jobs:
        assert queue.take() is job
    queue.repeat(jobs[0], lost)
    queue.repeat(jobs[1], None)
    queue.put_last(jobs[2:], died)
    assert [queue.take() for _ in range(4)] == [jobs[1], jobs[0], jobs[2], None]
    queue.receive(jobs[0], Outcome(0, begun=True))
    for number in range(3):
        queue.receive(jobs[number], Outcome(number))
    queue.put_last(jobs[2:], died)
    queue.receive(jobs[2], Outcome(2, retried=broke))
    queue.receive(jobs[2], Outcome(2))
    assert seen == [None, lost, None, died, broke, None]


def test_jobs_that_follow_from_the_oldest_come_first():
    """Parts, then the completion, of the first object come before the parts of the second, however late they follow."""
    begun = [Job(number, "create_upload", "b", f"begun {number}") for number in range(3)]
    follow = [[Job(10 * number + part, "upload_part", "b") for part in (3, 4)] for number in range(2)]
    queue = JobQueue(Requests(begun))
    first, second = queue.take(), queue.take()
    queue.follow(second, iter(follow[1]))
    queue.follow(first, iter(follow[0]))
    assert queue.take() is follow[0][0]
    completion = Job(99, "complete_upload", "b")
    queue.follow(follow[0][0], [completion])
    taken = [queue.take() for _ in range(4)]
    assert taken == [follow[0][1], completion, *follow[1]]
    # Its worker died; what follows from it later is still of the second object.
    queue.put_last([taken[2]], Failure(Code.CRASHED))
    assert [queue.take(), queue.take(), queue.take()] == [begun[2], taken[2], None]
    queue.follow(begun[2], [Job(50, "upload_part", "b")])
    queue.follow(taken[2], [Job(51, "upload_part", "b")])
    assert queue.take().number == 51
