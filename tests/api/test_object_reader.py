"""Tests of files that are read, on a store in this process."""

import io
import os
import pickle
import random
import threading

import pytest
from workers.instructions import stopped_before

from metaflow_extensions.fasts3.api import object_reader as module
from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.object_reader import ObjectReader
from metaflow_extensions.fasts3.plans import read_window
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.plan import JobQueue
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

MIB = 2**20
BLOB = random.Random(3).randbytes(3 * MIB)
INFO = ObjectInfo(len(BLOB), '"e"', None, {}, None, None)
LONG = 10.0  # seconds


class Store:
    """An object in memory; carries out plans as an executor does, one job at a time."""

    def __init__(self):
        self.ranges = []
        self.failures = []  # to be raised, one by run

    def run(self, plan, interruption):
        queue, more = JobQueue(plan), threading.Event()
        queue.announce_to(more.set)
        while True:
            more.clear()
            interruption.check()
            job = queue.take()
            if job is not None:
                if self.failures:
                    raise self.failures.pop()
                first, last = map(int, job.arguments["byte_range"].partition("=")[2].split("-"))
                self.ranges.append((first, last))
                body = BLOB[first : last + 1]
                job.arguments["into"][:] = body
                queue.receive(job, Outcome(job.number, GetResponse(INFO, first, len(body), len(body))))
            elif not queue.is_held:
                return
            else:
                more.wait(0.05)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def begin(store):
    made = []

    def begin():
        first = GetResponse(INFO, 0, 100, 100, body=BLOB[:100])
        made.append(ObjectReader(store.run, "bucket", "key", first, MIB, MIB))
        return made[-1]

    yield begin
    for file in made:
        file.close()


def test_it_fills_buffers(begin, store):
    file = begin()
    buffer = bytearray(50)
    assert file.readinto(buffer) == 50
    assert buffer == BLOB[:50]
    assert store.ranges == []  # it came with the first response
    large = bytearray(2 * MIB)
    assert file.readinto(large) == len(large)
    assert large == BLOB[50 : 50 + 2 * MIB]
    file.seek(-5, os.SEEK_END)
    assert file.readinto(large) == 5
    assert file.readinto(large) == 0


def test_other_buffers_than_of_bytes(begin):
    numbers = memoryview(bytearray(80)).cast("Q")
    assert begin().readinto(numbers) == 80
    assert numbers.tobytes() == BLOB[:80]


def test_no_byte_is_requested_twice_by_sequential_reads(begin, store):
    with io.BufferedReader(begin(), 64 * 1024) as file:
        assert b"".join(iter(lambda: file.read(10_000), b"")) == BLOB
    covered = sorted(store.ranges)
    assert covered[0][0] == 100
    assert all(one[1] + 1 == following[0] for one, following in zip(covered, covered[1:]))
    assert covered[-1][1] == len(BLOB) - 1


def test_all_of_it(begin):
    file = begin()
    assert file.readall() == BLOB
    assert file.readall() == b""
    file.seek(10 * MIB)
    assert file.readall() == b""


def test_a_failure_leaves_the_file_usable(begin, store):
    file = begin()
    store.failures.append(KeyError("of the first run"))
    file.seek(MIB)
    with pytest.raises(KeyError):
        file.read(10)
    assert file.tell() == MIB
    assert file.read(10) == BLOB[MIB : MIB + 10]


@pytest.mark.release
def test_an_exception_at_any_instruction_leaves_the_file_usable(begin):
    instruction = 1
    while True:
        file = begin()
        file.seek(MIB)
        came_to_that = stopped_before(instruction, [module, read_window], lambda file=file: file.read(200_000))
        file.seek(MIB)
        assert file.read(200_000) == BLOB[MIB : MIB + 200_000]
        file.close()
        if not came_to_that:
            break
        instruction += 1
    assert instruction > 50


def test_a_forked_child_has_its_own_requests(begin, monkeypatch):
    file = begin()
    file.seek(MIB)
    assert file.read(10) == BLOB[MIB : MIB + 10]
    before, pid = file._reads, os.getpid()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: pid + 1)
        assert file.read(10) == BLOB[MIB + 10 : MIB + 20]
        assert file._reads is not before
        file._stop()


def test_a_closed_client(begin):
    file = begin()
    file.abandon()
    for use in (lambda: file.read(1), lambda: file.seek(0), file.tell):
        with pytest.raises(MetaflowS3Exception, match="key can't be read: the S3 client was closed before this file"):
            use()
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        file.tell()


@pytest.mark.parametrize("whence", [3, -1])
def test_an_invalid_whence(begin, whence):
    with pytest.raises(ValueError, match=f"whence is {whence}"):
        begin().seek(0, whence)


def test_it_is_not_pickled(begin):
    for file in (begin(), io.BufferedReader(begin())):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(file)
