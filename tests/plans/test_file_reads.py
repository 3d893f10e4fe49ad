"""Tests of the plan of a file that is read."""

import pytest

from metaflow_extensions.fasts3.plans import file_reads
from metaflow_extensions.fasts3.plans.file_reads import FileReads, FirstRead
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.plans.read_window import BUFFER
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

MIB = 2**20
BLOB = bytes(range(256)) * (16 * MIB // 256)
INFO = ObjectInfo(len(BLOB), '"e"', None, {}, None, None)


def response_to(job, info=INFO, blob=BLOB):
    first, last = map(int, job.arguments["byte_range"].partition("=")[2].split("-"))
    body = blob[first : last + 1]
    job.arguments["into"][:] = body
    return GetResponse(info, first, len(body), len(body))


@pytest.fixture
def reads():
    return FileReads("bucket", "key", GetResponse(INFO, 0, 10, 10, body=BLOB[:10]), 4 * MIB, MIB)


def complete_all(reads):
    queue = JobQueue(reads)
    jobs = []
    while (job := queue.take()) is not None:
        jobs.append(job)
        queue.receive(job, Outcome(job.number, response_to(job)))
    return jobs


def test_the_first_response_is_used(reads):
    reads.begin(2, 5)
    assert bytes(reads.take(2, 5)) == BLOB[2:5]


def test_bytes_are_requested_of_one_version(reads):
    reads.begin(MIB, MIB + 100)
    assert reads.take(MIB, MIB + 100) is None
    assert reads.needs_runner
    [job] = complete_all(reads)
    assert not reads.needs_runner
    assert (job.operation, job.url) == ("get", "s3://bucket/key")
    arguments = {name: value for name, value in job.arguments.items() if name != "into"}
    assert arguments == {"byte_range": f"bytes={MIB}-{MIB + 100 + BUFFER - 1}", "if_match": '"e"'}
    reads.wait(MIB, 10.0)  # it is here
    assert bytes(reads.take(MIB, MIB + 100)) == BLOB[MIB : MIB + 100]


def test_more_is_announced(reads):
    announced = []
    reads.announce_to(lambda: announced.append(True))
    reads.begin(0, 5)
    reads.take(0, 5)
    assert announced == []
    reads.begin(MIB, MIB + 100)
    reads.take(MIB, MIB + 100)
    assert announced == [True]
    reads.stop()
    assert announced == [True, True]


@pytest.mark.parametrize(
    "info", [INFO._replace(etag='"other"'), INFO._replace(size=len(BLOB) + 1)], ids=["another ETag", "another size"]
)
def test_another_version_is_refused(reads, info):
    reads.begin(MIB, MIB + 100)
    reads.take(MIB, MIB + 100)
    job = JobQueue(reads).take()
    with pytest.raises(JobFailed) as raised:
        reads.receive(job, Outcome(job.number, response_to(job, info)))
    assert raised.value.failure.code is Code.STALE
    assert "Open it again" in raised.value.failure.remedy


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Code.PRECONDITION, Code.STALE),
        (Code.INVALID_RANGE, Code.STALE),
        (Code.NOT_FOUND, Code.NOT_FOUND),
        (Code.BUSY, Code.BUSY),
    ],
)
def test_failures(reads, code, expected):
    reads.begin(MIB, MIB + 100)
    reads.take(MIB, MIB + 100)
    job = JobQueue(reads).take()
    with pytest.raises(JobFailed) as raised:
        reads.receive(job, Outcome(job.number, None, Failure(code, "no")))
    assert raised.value.failure.code is expected


def test_a_weak_etag_is_compared_here():
    info = INFO._replace(etag='W/"e"')
    reads = FileReads("bucket", "key", GetResponse(info, 0, 0, 0), 4 * MIB, MIB)
    reads.begin(0, 10)
    reads.take(0, 10)
    job = JobQueue(reads).take()
    assert job.arguments["if_match"] is None
    with pytest.raises(JobFailed):
        reads.receive(job, Outcome(job.number, response_to(job, INFO)))


def test_a_failure_is_raised_once_and_the_next_read_begins_again(reads):
    reads.begin(MIB, MIB + 100)
    reads.take(MIB, MIB + 100)
    JobQueue(reads).take()
    assert not reads.needs_runner
    reads.ended(KeyError("of the runner"))
    with pytest.raises(KeyError):
        reads.wait(MIB, 10.0)
    reads.wait(MIB, 10.0)  # nobody will bring it
    assert reads.take(MIB, MIB + 100) is None
    assert reads.needs_runner
    assert len(complete_all(reads)) == 1
    assert bytes(reads.take(MIB, MIB + 100)) == BLOB[MIB : MIB + 100]


def test_a_failure_of_reading_ahead_is_not_that_of_a_later_read(reads):
    reads.begin(0, 100)
    reads.take(0, 100)
    JobQueue(reads).take()
    reads.ended(KeyError("an hour ago"))
    reads.begin(MIB, MIB + 100)
    assert reads.take(MIB, MIB + 100) is None
    reads.wait(MIB, 0.001)  # its request has not been sent yet
    assert reads.needs_runner
    reads.ended(ValueError("now"))
    with pytest.raises(ValueError, match="now"):
        reads.wait(MIB, 10.0)


def test_a_jump_takes_back_what_has_not_begun(reads):
    for position in range(0, MIB, BUFFER):  # sequential
        reads.begin(position, position + BUFFER)
        if reads.take(position, position + BUFFER) is None:
            complete_all(reads)
        reads.take(position, position + BUFFER)
    reads.begin(10 * MIB, 10 * MIB + 100)
    reads.take(10 * MIB, 10 * MIB + 100)
    assert [job.arguments["byte_range"].split("-")[0] for job in complete_all(reads)] == [f"bytes={10 * MIB}"]


def test_it_ends_without_reads(reads):
    queue = JobQueue(reads)
    for _ in range(file_reads.IDLE_CHECKS + 1):
        assert queue.take() is None
        assert queue.is_held
    assert queue.take() is None
    assert not queue.is_held


def test_it_does_not_end_while_a_job_is_under_way(reads):
    reads.begin(MIB, MIB + 100)
    reads.take(MIB, MIB + 100)
    queue = JobQueue(reads)
    job = queue.take()
    for _ in range(3 * file_reads.IDLE_CHECKS):
        assert queue.take() is None
    assert queue.is_held
    queue.receive(job, Outcome(job.number, response_to(job)))
    reads.stop()
    assert queue.take() is None
    assert not queue.is_held


def test_a_request_that_was_lost_is_sent_again(reads):
    """Ctrl-C may come between the decision to request bytes and their place in the queue."""
    reads.begin(MIB, MIB + 100)
    reads._window.request(MIB)
    assert reads.take(MIB, MIB + 100) is None
    assert not reads.needs_runner
    reads.wait(MIB, 10.0)
    assert reads.take(MIB, MIB + 100) is None
    assert reads.needs_runner


# --- The first request.

NO_RANGE = Failure(Code.INVALID_RANGE, "no", "InvalidRange", 416)
FIRST = GetResponse(INFO, 0, 10, 10, body=BLOB[:10])
EMPTY = INFO._replace(size=0)


def first_read(*results, **given):
    """Carry out the plan; return it and its jobs."""
    plan = FirstRead("bucket", "key", Piece(0, 10), **given)
    queue, jobs = JobQueue(plan), []
    for result in results:
        job = queue.take()
        jobs.append((job.operation, {name: value for name, value in job.arguments.items() if value is not None}))
        failed = isinstance(result, Failure)
        queue.receive(job, Outcome(job.number, None if failed else result, result if failed else None))
    assert queue.take() is None
    return plan, jobs


def test_the_first_request():
    plan, jobs = first_read(FIRST)
    assert plan.response is FIRST
    assert jobs == [("get", {"byte_range": "bytes=0-9"})]
    _, jobs = first_read(FIRST, version_id="v", if_match='"e"')
    assert jobs == [("get", {"byte_range": "bytes=0-9", "version_id": "v", "if_match": '"e"'})]


def test_an_empty_object_has_no_first_byte():
    plan, jobs = first_read(NO_RANGE, EMPTY, version_id="v")
    assert plan.response == GetResponse(EMPTY, 0, 0, 0)
    assert jobs[1] == ("head", {"version_id": "v"})
    with pytest.raises(JobFailed) as raised:
        first_read(NO_RANGE, INFO)
    assert raised.value.failure is NO_RANGE


@pytest.mark.parametrize(
    "replies",
    [
        [Failure(Code.PRECONDITION, "no", "PreconditionFailed", 412)],
        [GetResponse(INFO._replace(etag='"f"'), 0, 10, 10, body=BLOB[:10])],
        [NO_RANGE, EMPTY._replace(etag='"f"')],
        [NO_RANGE, EMPTY._replace(etag="")],
    ],
)
def test_an_object_without_the_etag_that_it_should_have(replies):
    with pytest.raises(JobFailed) as raised:
        first_read(*replies, if_match='"e"')
    assert raised.value.failure.code is Code.STALE
    assert '"e"' in raised.value.failure.message
    assert "Omit if_match" in raised.value.failure.remedy


@pytest.mark.parametrize("failure", [Failure(Code.NOT_FOUND, "no"), Failure(Code.ACCESS_DENIED, "no")])
def test_failures_of_the_first_request(failure):
    for replies in ([failure], [NO_RANGE, failure]):
        with pytest.raises(JobFailed) as raised:
            first_read(*replies)
        assert raised.value.failure is failure
