"""Tests of the cleanup in S3 after a call."""

import threading

import pytest

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.workers.cleanup import NO_TIME, THREADS, Undone, clean_up
from metaflow_extensions.fasts3.workers.performer import Performer
from metaflow_extensions.fasts3.workers.retries import Terms

LONG = 60.0  # seconds; more than any of these tests takes


def aborts(count):
    return [Job(number, "abort_upload", "b", f"k{number}", {"upload_id": f"id{number}"}) for number in range(count)]


class Uploads:
    """Transfers that abort uploads, with the result of `abort` for each key."""

    def __init__(self, abort=lambda key: None):
        self.abort = abort
        self.aborted = set()

    def abort_upload(self, bucket, key, upload_id):
        failure = self.abort(key)
        if failure:
            raise TransferError(failure)
        self.aborted.add(upload_id)


def test_hundreds_of_uploads_are_aborted_in_parallel():
    together = threading.Barrier(THREADS)  # none is done before so many are under way
    transfers = Uploads(lambda key: together.wait(LONG) and None)
    assert clean_up(Performer(transfers, Terms()), aborts(4 * THREADS), LONG) == []
    assert len(transfers.aborted) == 4 * THREADS


def test_a_refused_abort_is_reported_and_does_not_prevent_the_others():
    refused = Failure(Code.ACCESS_DENIED, "no", "AccessDenied", 403)
    transfers = Uploads(lambda key: refused if key in ("k1", "k7") else None)
    undone = clean_up(Performer(transfers, Terms()), aborts(9), LONG)
    assert [(one.job.key, one.failure.s3_code) for one in undone] == [("k1", "AccessDenied"), ("k7", "AccessDenied")]
    assert len(transfers.aborted) == 7


def test_aborts_are_retried_on_a_busy_server():
    busy = iter([Failure(Code.BUSY, status=500)])
    transfers = Uploads(lambda key: next(busy, None))
    assert clean_up(Performer(transfers, Terms()), aborts(1), LONG) == []


def test_time_has_an_end():
    stuck = threading.Event()
    jobs = aborts(3)
    transfers = Uploads(lambda key: stuck.wait(LONG) and None if key == "k1" else None)
    undone = clean_up(Performer(transfers, Terms()), jobs, 0.2)
    stuck.set()
    assert undone == [Undone(jobs[1], NO_TIME)]


@pytest.mark.parametrize("code", [Code.NO_DESCRIPTORS, Code.UNREACHABLE])
def test_aborts_without_descriptors_or_server(code):
    """Descriptors are released as other aborts end; an unreachable server receives no request for each upload."""
    lock, under_way, most = threading.Lock(), [], 3
    keys = []

    def abort(key):
        keys.append(key)
        if code is Code.UNREACHABLE:
            return Failure(code)
        with lock:
            if len(under_way) == most:
                return Failure(code)
            under_way.append(key)
        threading.Event().wait(0.002)
        with lock:
            under_way.remove(key)
        return None

    count = 10 * THREADS
    undone = clean_up(Performer(Uploads(abort), Terms(retries=0)), aborts(count), LONG)
    if code is Code.UNREACHABLE:
        assert len(undone) == count
        assert {one.failure.code for one in undone} == {code}
        assert len(keys) < count
    else:
        assert undone == []
