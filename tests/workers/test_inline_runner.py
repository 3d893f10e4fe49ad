"""Tests of jobs in the user's process: which thread does what during the first response of an object."""

import os
import threading
from collections import deque
from queue import SimpleQueue

import pytest
from workers.calls import call_on

from metaflow_extensions.fasts3.plans import object_downloads
from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.downloads import Downloads
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Plan, Requests
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.ranges import most_of
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo
from metaflow_extensions.fasts3.wire.waiting import READ, Readiness, wait_for
from metaflow_extensions.fasts3.workers import inline_runner
from metaflow_extensions.fasts3.workers.inline_runner import InlineRunner
from metaflow_extensions.fasts3.workers.renewal import Renewal
from metaflow_extensions.fasts3.workers.retries import Terms

STEP, SIZE = 10, 320
PIECES = 30  # of each object; its first response brings two
LONG = 20.0  # seconds


class Server:
    """Objects of 32 steps. Their first responses end when all pieces of all objects have been requested."""

    def __init__(self, objects=1, refuses=False):
        self.requests = []  # position and length of each
        self.missing = objects * PIECES
        self.refuses = refuses
        self.timed_out = False
        self._readable, self._writable = os.pipe()
        self._lock = threading.Lock()

    def close(self):
        os.close(self._readable)
        os.close(self._writable)

    async def get(self, bucket, key, path, limit=None, ways=0, begun=None, position=0, byte_range=None, **_):
        most = STEP if byte_range else most_of(SIZE, limit, False, ways if begun else 0)
        response = GetResponse(ObjectInfo(SIZE, "e", None, {}, 0, None), position, STEP if byte_range else SIZE, most)
        self.requests.append((position, most))
        if begun:
            begun(response)
            try:
                await wait_for(Readiness(self._readable, self, READ, LONG))
            except TimeoutError:
                self.timed_out = True
        elif byte_range and self.refuses:
            raise TransferError(Failure(Code.ACCESS_DENIED, "no"))
        elif byte_range:
            with self._lock:
                self.missing -= 1
                if not self.missing:
                    os.write(self._writable, b"!")
        return response


@pytest.fixture
def run(monkeypatch):
    """Download objects from a server, with so many threads."""
    monkeypatch.setattr(object_downloads, "processors", lambda: 2)

    def run(server, objects, threads):
        wanted = [Download("bucket", str(number)) for number in range(objects)]
        plan = Downloads(wanted, [f"/{number}" for number in range(objects)], step=STEP)
        with Interruption() as interruption:
            runner = InlineRunner(call_on(server, interruption), threads)
            try:
                runner.run(JobQueue(plan))
            finally:
                server.close()
        return plan

    return run


@pytest.mark.parametrize(("objects", "threads"), [(1, 2), (1, 8), (2, 8)])
def test_other_requests_fetch_the_rest_during_the_first_response(run, objects, threads, monkeypatch):
    monkeypatch.setattr(object_downloads, "processors", lambda: 2 * objects)
    server = Server(objects)
    plan = run(server, objects, threads)
    assert not server.timed_out
    assert all(result.response.length == SIZE for result in plan.results)
    assert sorted(server.requests)[:objects] == [(0, 2 * STEP)] * objects
    assert len(server.requests) == objects * (1 + PIECES)


def test_one_connection_ends_each_response_at_its_limit(run):
    server = Server()
    run(server, 1, 1)
    assert server.requests == [(position, STEP) for position in range(0, SIZE, STEP)]


@pytest.mark.parametrize("objects", [1, 2])
def test_a_piece_that_fails_ends_the_first_response(run, objects):
    server = Server(objects, refuses=True)
    with pytest.raises(JobFailed) as failed:
        run(server, objects, 8)
    assert failed.value.failure.code is Code.ACCESS_DENIED
    assert not server.timed_out


def test_an_outcome_tells_of_a_retry_before_new_credentials():
    """The first response was lost, so S3 may have executed the request."""
    codes = iter([Code.UNREACHABLE, Code.EXPIRED, Code.PRECONDITION])

    class Refusing:
        async def put(self, bucket, key):
            raise TransferError(Failure(next(codes)))

    class Retried(Requests):
        def receive(self, job, outcome):
            self.results[job.number] = (outcome.failure.code, outcome.retried and outcome.retried.code)
            return ()

    plan = Retried([Job(0, "put", "bucket", "key")])
    with Interruption() as interruption:
        call = call_on(Refusing(), interruption)._replace(terms=Terms(1), renewal=Renewal(lambda _: True))
        InlineRunner(call, 1).run(JobQueue(plan))
    assert plan.results == {0: (Code.PRECONDITION, Code.UNREACHABLE)}


class Announced(Plan):
    """A plan whose jobs another thread gives, one at a time."""

    announces = True

    def __init__(self):
        self.jobs = deque()
        self.ended = False
        self.listening = threading.Event()
        self.outcomes = SimpleQueue()

    def announce_to(self, more):
        self.more = more
        self.listening.set()

    def start(self):
        while self.jobs or not self.ended:
            yield self.jobs.popleft() if self.jobs else None

    def receive(self, job, outcome):
        self.outcomes.put(outcome)
        return ()


def test_a_job_that_is_announced_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(
        inline_runner, "INTERRUPTION_CHECK_INTERVAL", 1000.0
    )  # seconds; none of these waits ends by itself
    plan, server = Announced(), Server()

    def run():
        with Interruption() as interruption:
            InlineRunner(call_on(server, interruption), 8).run(JobQueue(plan))

    thread = threading.Thread(target=run)
    thread.start()
    assert plan.listening.wait(LONG)
    for number in range(3):
        plan.jobs.append(Job(number, "get", "bucket", "key", {"path": "/x", "byte_range": "bytes=0-9"}))
        plan.more()
        assert plan.outcomes.get(timeout=LONG).number == number
    plan.ended = True
    plan.more()
    thread.join(LONG)
    assert not thread.is_alive()
    server.close()
