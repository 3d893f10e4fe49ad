"""Tests of the plan of a multipart upload whose parts come while it runs."""

import pytest

from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.pieces import MAX_OBJECT, MAX_PARTS, PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Unwanted
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.plans.upload_stream import SAME_SIZE, UploadStream, size_of_part
from metaflow_extensions.fasts3.wire.conditions import ABSENT, MARK
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

HEADERS = PutHeaders(metadata={MARK: "ours"})
NO_UPLOAD = Failure(Code.NO_UPLOAD, "gone", "NoSuchUpload", 404)
LOST = Failure(Code.UNREACHABLE, "lost")


class Runner:
    """Takes jobs from the plan one by one; a test gives their outcomes."""

    def __init__(self, condition=None, most=100):
        self.stream = UploadStream(Upload("bucket", "key", 0, HEADERS, condition=condition), most)
        self.queue = JobQueue(self.stream)

    def job(self, operation):
        job = self.queue.take()
        assert job is not None
        assert job.operation == operation
        return job

    def perform(self, job, result=None, failure=None, retried=None):
        self.queue.receive(job, Outcome(job.number, result, failure, True, retried))

    def begin(self):
        self.perform(self.job("create_upload"), "id")

    def nothing(self):
        return self.queue.take() is None


def info(mark):
    return ObjectInfo(3, '"e"', None, {MARK: mark} if mark else {}, None, None)


def test_parts_go_as_they_come():
    runner = Runner()
    assert runner.queue.announces
    create = runner.job("create_upload")
    assert create.arguments["headers"] is HEADERS
    runner.perform(create, "id")
    assert runner.nothing()
    assert runner.queue.is_held
    for number in (1, 2):
        assert runner.stream.give(b"abc", 0.0)
        job = runner.job("upload_part")
        assert (job.body, job.arguments["number"], job.arguments["upload_id"]) == (b"abc", number, "id")
        runner.perform(job, {"ETag": f"e{number}"})
    assert runner.nothing()
    runner.stream.end()
    job = runner.job("complete_upload")
    assert job.arguments["parts"] == [{"ETag": "e1"}, {"ETag": "e2"}]
    runner.perform(job, '"e"')
    assert runner.nothing()
    assert not runner.queue.is_held
    assert runner.stream.stored == [True]
    assert runner.stream.cleanup() == []


def test_the_last_part_may_be_under_way_at_the_end():
    runner = Runner()
    runner.begin()
    runner.stream.give(b"a", 0.0)
    runner.stream.give(b"b", 0.0)
    first, second = runner.job("upload_part"), runner.job("upload_part")
    runner.stream.end()
    assert runner.nothing()
    runner.perform(second, {"ETag": "2"})
    assert runner.nothing()
    runner.perform(first, {"ETag": "1"})
    assert runner.job("complete_upload").arguments["parts"] == [{"ETag": "1"}, {"ETag": "2"}]


def test_its_memory_is_limited():
    runner = Runner(most=10)
    assert runner.stream.give(bytes(8), 0.0)
    assert not runner.stream.give(bytes(8), 0.0)
    assert runner.stream.give(bytes(2), 0.0)
    runner.begin()
    runner.perform(runner.job("upload_part"), {"ETag": "1"})
    assert runner.stream.give(bytes(8), 0.0)
    large = Runner(most=10)
    assert large.stream.give(bytes(100), 0.0)  # alone, it may be larger


def test_more_is_announced():
    runner, announced = Runner(), []
    runner.queue.announce_to(lambda: announced.append(True))
    runner.stream.give(b"a", 0.0)
    runner.stream.end()
    runner.stream.stop()
    assert len(announced) == 3


@pytest.mark.parametrize("given", [0, 1])
def test_an_upload_that_is_stopped_is_aborted(given):
    runner = Runner()
    create = runner.job("create_upload")
    for _ in range(given):
        runner.stream.give(b"a", 0.0)
    runner.stream.stop()
    runner.stream.end()  # too late
    runner.perform(create, "id")
    with pytest.raises(Unwanted):
        runner.queue.take()
    [job] = runner.stream.cleanup()
    assert (job.operation, job.arguments) == ("abort_upload", {"upload_id": "id"})


def test_a_failure_reaches_the_writer_and_the_upload_is_aborted():
    runner = Runner()
    runner.begin()
    runner.stream.give(b"a", 0.0)
    job = runner.job("upload_part")
    with pytest.raises(JobFailed) as raised:
        runner.perform(job, failure=Failure(Code.ACCESS_DENIED, "no"))
    assert [job.operation for job in runner.stream.cleanup()] == ["abort_upload"]
    runner.stream.ended(raised.value)
    for use in (lambda: runner.stream.give(b"b", 0.0), lambda: runner.stream.wait(0.0)):
        with pytest.raises(JobFailed):
            use()


def test_an_upload_that_vanished_is_a_failure():
    runner = Runner()
    runner.begin()
    runner.stream.give(b"a", 0.0)
    with pytest.raises(JobFailed):
        runner.perform(runner.job("upload_part"), failure=NO_UPLOAD)


def complete(runner):
    runner.begin()
    runner.stream.give(b"abc", 0.0)
    runner.perform(runner.job("upload_part"), {"ETag": "1"})
    runner.stream.end()
    if runner.stream._uploads[0].condition:
        runner.perform(runner.job("head"), failure=Failure(Code.NOT_FOUND, "no"))
    return runner.job("complete_upload")


@pytest.mark.parametrize("condition", [None, ABSENT])
def test_a_lost_response_to_the_last_request(condition):
    runner = Runner(condition)
    if condition:
        runner.perform(runner.job("head"), failure=Failure(Code.NOT_FOUND, "no"))
    runner.perform(complete(runner), failure=NO_UPLOAD, retried=LOST)
    runner.perform(runner.job("head"), info("ours"))
    assert runner.stream.stored == [True]


def test_the_object_of_another_writer_is_not_ours():
    runner = Runner()
    runner.perform(complete(runner), failure=NO_UPLOAD, retried=LOST)
    with pytest.raises(JobFailed) as raised:
        runner.perform(runner.job("head"), info("theirs"))
    assert raised.value.failure is NO_UPLOAD


def test_an_upload_that_was_aborted_by_others():
    runner = Runner()
    runner.perform(complete(runner), failure=NO_UPLOAD, retried=LOST)
    runner.perform(runner.job("head"), failure=Failure(Code.NOT_FOUND, "no"))
    with pytest.raises(JobFailed):
        runner.perform(runner.job("complete_upload"), failure=NO_UPLOAD, retried=LOST)
    runner = Runner()
    with pytest.raises(JobFailed):
        runner.perform(complete(runner), failure=NO_UPLOAD)


def test_an_object_that_exists():
    runner = Runner(ABSENT)
    runner.perform(runner.job("head"), info(None))
    assert not runner.queue.has_more()
    runner.stream.ended(None)
    assert runner.stream.stored == [False]
    assert runner.stream.give(b"dropped", 0.0)
    assert runner.stream.wait(0.0)


def test_another_writer_is_faster():
    runner = Runner(ABSENT)
    runner.perform(runner.job("head"), failure=Failure(Code.NOT_FOUND, "no"))
    job = complete(runner)
    assert job.arguments["condition"] == ABSENT
    runner.perform(job, failure=Failure(Code.PRECONDITION, "exists", "PreconditionFailed", 412))
    runner.perform(runner.job("head"), info("theirs"))
    runner.perform(runner.job("abort_upload"))
    assert runner.stream.stored == [False]


def test_sizes_of_parts():
    assert {size_of_part(number, PART_SIZE) for number in range(1, SAME_SIZE + 1)} == {PART_SIZE}
    assert size_of_part(SAME_SIZE + 1, PART_SIZE) == 2 * PART_SIZE
    total = sum(size_of_part(number, PART_SIZE) for number in range(1, MAX_PARTS + 1))
    assert 10**12 < total < MAX_OBJECT
    with pytest.raises(OverflowError):
        size_of_part(MAX_PARTS + 1, PART_SIZE)
