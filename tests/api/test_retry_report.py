"""Tests of the lines that S3_LOG_TRANSIENT_RETRIES prints."""

from metaflow_extensions.fasts3.api.retry_report import INTERVAL, RetryReport
from metaflow_extensions.fasts3.pool.messages import Job, Outcome
from metaflow_extensions.fasts3.pool.plan import Requests
from metaflow_extensions.fasts3.wire.failures import Code, Failure

SLOW = Failure(Code.BUSY, "Please reduce your request rate", "SlowDown", 503, "id", 3, 1.0)


def report(outcomes, seconds_each=0.0):
    lines, now = [], [0.0]
    jobs = [Job(number, "head", "b", "k") for number in range(len(outcomes))]
    watching = RetryReport(Requests(jobs), lines.append, lambda: now[0])
    for job, outcome in zip(watching.start(), outcomes):
        now[0] += seconds_each
        assert list(watching.receive(job, outcome)) == []
    watching.tell()
    return lines


def test_nothing_is_said_where_nothing_went_wrong():
    assert report([Outcome(n, None) for n in range(5)]) == []


def test_one_line_for_a_call():
    outcomes = [Outcome(n, None, None, True, SLOW if n % 2 else None) for n in range(10)]
    assert report(outcomes) == [
        "Transient S3 failures: 5 of 10 requests were tried again, 15 times; "
        "the last for SlowDown: Please reduce your request rate"
    ]


def test_a_long_call_is_told_of_now_and_then():
    outcomes = [Outcome(n, None, None, True, SLOW) for n in range(100)]
    lines = report(outcomes, seconds_each=INTERVAL / 20)
    assert 4 <= len(lines) <= 6
