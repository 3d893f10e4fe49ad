"""Tests of files that are written, on a store in this process."""

import copy
import gc
import io
import os
import pickle
import threading

import pytest

from metaflow_extensions.fasts3.api import object_writer
from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, MetaflowS3InvalidObject, MetaflowS3ObjectExists
from metaflow_extensions.fasts3.api.object_writer import ObjectWriter, TextWriter
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue
from metaflow_extensions.fasts3.plans.upload import Upload
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.conditions import MARK
from metaflow_extensions.fasts3.wire.failures import Code, Failure

STEP = 10
LONG = 10.0  # seconds


class Store:
    """Executes plans as an executor does, one job at a time, and aborts uploads after an interruption."""

    def __init__(self):
        self.stored = None
        self.parts = {}
        self.open = set()
        self.metadata = None
        self.refuse = {}  # operation -> failure
        self.before = lambda job: None

    def run(self, plan, interruption):
        queue = JobQueue(plan)
        interruption = interruption or Interruption()
        more = threading.Event()
        queue.announce_to(more.set)
        try:
            while True:
                more.clear()
                interruption.check()
                job = queue.take()
                if job is not None:
                    self.before(job)
                    response = self.refuse.get(job.operation) or getattr(self, job.operation)(job)
                    failed = isinstance(response, Failure)
                    queue.receive(job, Outcome(job.number, None if failed else response, response if failed else None))
                elif not queue.is_held:
                    return
                else:
                    more.wait(LONG)
        except BaseException:
            for job in plan.cleanup():
                self.abort_upload(job)
            raise

    def put(self, job):
        self.stored, self.metadata = bytes(job.body), job.arguments["headers"].metadata
        return '"e"'

    def create_upload(self, job):
        self.open.add("id")
        self.metadata = job.arguments["headers"].metadata
        return "id"

    def upload_part(self, job):
        self.parts[job.arguments["number"]] = bytes(job.body)
        return {"ETag": "e"}

    def complete_upload(self, job):
        assert len(job.arguments["parts"]) == len(self.parts)
        self.stored = b"".join(self.parts[number] for number in sorted(self.parts))
        self.open.discard("id")
        return '"e"'

    def abort_upload(self, job):
        self.open.discard(job.arguments["upload_id"])


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def begin(store):
    made = []

    def begin(step=STEP, kind=None):
        writer = ObjectWriter(store.run, Upload("bucket", "key", 0), step)
        file = writer if kind is None else kind(writer, "utf-8", newline="")
        made.append(writer._stream)
        return file

    return begin


def ended():
    """Wait for the threads of files."""
    for thread in threading.enumerate():
        if thread.name == "fasts3-file":
            thread.join(LONG)
            assert not thread.is_alive()
    assert object_writer._uploads == {}


@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 5 * STEP, 5 * STEP + 3])
@pytest.mark.parametrize("amount", [1, 7, STEP, 1000])
def test_bytes_become_parts(begin, store, size, amount):
    data = bytes(range(100))[:size]
    with begin() as file:
        for start in range(0, size, amount):
            file.write(data[start : start + amount])
        assert file.tell() == size
    assert store.stored == data
    assert all(len(part) == STEP for number, part in store.parts.items() if number < len(store.parts))
    assert (MARK in (store.metadata or {})) == (size > STEP)  # by which a HEAD knows it
    ended()


def test_other_items_than_bytes(begin, store):
    with begin() as file:
        assert file.write(memoryview(b"abcdefgh").cast("H")) == 8
    assert store.stored == b"abcdefgh"


@pytest.mark.parametrize("data", [b"few", b"x" * 35], ids=["small", "large"])
def test_only_close_stores(begin, store, data):
    for leave in (lambda file: file.abort(), lambda file: file.abandon(), lambda file: None):
        file = begin()
        file.write(data)
        leave(file)
        del file
        gc.collect()
        ended()
        assert store.stored is None
        assert store.open == set()


def test_a_lost_text_file_stores_nothing(begin, store, caplog):
    file = begin(kind=TextWriter)
    file.write("x" * 100)
    del file
    gc.collect()
    ended()
    assert store.stored is None
    assert store.open == set()
    assert "s3://bucket/key was not closed, so it was not stored" in caplog.text


def test_a_text_file_that_is_detached_leaves_its_bytes(begin, store):
    text = begin(kind=TextWriter)
    text.write("zwölf")
    file = text.detach()
    del text
    gc.collect()
    file.close()
    assert store.stored == "zwölf".encode()


@pytest.mark.parametrize("kind", [None, TextWriter])
def test_a_file_in_a_reference_cycle_stores_nothing(begin, store, kind):
    file = begin(kind=kind)
    cycle = [file]
    cycle.append(cycle)
    file.write("x" * 35 if kind else b"x" * 35)
    del file, cycle
    gc.collect()
    ended()
    assert store.stored is None
    assert store.open == set()


@pytest.mark.parametrize("data", ["few", "x" * 35], ids=["small", "large"])
def test_a_text_file_whose_last_write_is_interrupted_stores_nothing(begin, store, monkeypatch, data):
    file = begin(kind=TextWriter)
    file.write(data)

    check = ObjectWriter._check_open

    def interrupt(_):
        monkeypatch.setattr(ObjectWriter, "_check_open", check)
        raise KeyboardInterrupt

    monkeypatch.setattr(ObjectWriter, "_check_open", interrupt)  # at the beginning of the write
    with pytest.raises(KeyboardInterrupt):
        file.close()
    file.close()
    assert file.closed
    ended()
    assert store.stored is None
    assert store.open == set()


def test_an_exception_in_a_write_breaks_the_file(begin, store):
    file = begin()
    file.write(b"x" * 15)
    with pytest.raises(TypeError):  # nothing was taken
        file.write("text")
    file.write(b"y")

    class Stopped(BaseException):
        pass

    def stop(*_):
        raise Stopped

    file._stream.give = stop  # as Ctrl-C while it waits
    with pytest.raises(Stopped):
        file.write(b"z" * 20)
    for use in (lambda: file.write(b"more"), file.close):
        with pytest.raises(MetaflowS3Exception, match="key is not stored: a write failed"):
            use()
    assert file.closed
    ended()
    assert store.stored is None
    assert store.open == set()


@pytest.mark.parametrize("operation", ["create_upload", "upload_part", "complete_upload"])
def test_a_failure_of_the_upload_is_raised_and_the_upload_aborted(begin, store, operation):
    store.refuse[operation] = Failure(Code.ACCESS_DENIED, "no")
    file = begin()

    def write():
        with file:
            for _ in range(100):
                file.write(b"x" * STEP)

    with pytest.raises(JobFailed):
        write()
    assert file.closed
    ended()
    assert store.stored is None
    assert store.open == set()


def test_writing_waits_for_the_upload(begin, store, monkeypatch):
    monkeypatch.setattr(object_writer, "MOST_HELD", 3 * STEP)
    go_on, waiting = threading.Event(), threading.Event()

    def before(job):
        waiting.set()
        assert go_on.wait(LONG)

    store.before = before
    file = begin()
    written = []

    def write():
        for _ in range(20):
            file.write(b"x" * STEP)
            written.append(STEP)

    thread = threading.Thread(target=write)
    thread.start()
    assert waiting.wait(LONG)
    assert not go_on.is_set()
    thread.join(0.3)
    assert len(written) <= 5  # one that fills, three that wait, one that is being sent
    go_on.set()
    thread.join(LONG)
    file.close()
    assert store.stored == b"x" * 200


def test_an_object_that_exists(begin, store):
    def exists(job):
        return Failure(Code.PRECONDITION, "it exists", "PreconditionFailed", 412)

    writer = ObjectWriter(store.run, Upload("bucket", "key", 0, condition="absent"), STEP)
    store.head = lambda job: Failure(Code.NOT_FOUND, "no")
    store.put = exists
    writer.write(b"x")

    def found(job):
        from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

        return ObjectInfo(1, '"other"', None, {}, None, None)

    heads = iter([Failure(Code.NOT_FOUND, "no"), found(None)])
    store.head = lambda job: next(heads)
    with pytest.raises(MetaflowS3ObjectExists, match="s3://bucket/key exists") as raised:
        writer.close()
    assert isinstance(raised.value, FileExistsError)
    assert raised.value.url == "s3://bucket/key"
    assert writer.closed


def test_too_many_parts(begin, store, monkeypatch):
    def size_of_part(number, step):
        if number > 3:
            raise OverflowError
        return step

    monkeypatch.setattr(object_writer, "size_of_part", size_of_part)
    file = begin()
    file.write(b"x" * 3 * STEP)
    with pytest.raises(MetaflowS3InvalidObject, match=r"more parts than S3 allows.*part_size"):
        file.write(b"y")
    file.abort()
    ended()
    assert store.open == set()


def test_a_forked_child_stores_and_aborts_nothing(begin, store, monkeypatch):
    file = begin()
    file.write(b"x" * 35)
    with monkeypatch.context() as child:
        pid = os.getpid()
        child.setattr(os, "getpid", lambda: pid + 1)
        with pytest.raises(MetaflowS3Exception, match="before a fork"):
            file.write(b"y")
        object_writer._abort_all()
    assert not file.closed
    file.close()
    assert store.stored == b"x" * 35


def test_the_end_of_the_process_aborts(begin, store):
    file = begin()
    file.write(b"x" * 35)
    object_writer._abort_all()
    ended()
    assert store.open == set()
    with pytest.raises(MetaflowS3Exception, match="key is not stored: its upload was stopped"):
        file.close()
    assert store.stored is None


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_has_no_duplicate(begin, duplicate):
    with begin() as file, pytest.raises(TypeError, match="two files would store the same object"):
        duplicate(file)


def test_it_is_a_file_of_io(begin):
    file = begin()
    assert isinstance(file, io.BufferedIOBase)
    for call in (file.read, lambda: file.seek(0), file.truncate, file.fileno):
        with pytest.raises(io.UnsupportedOperation):
            call()
    assert not file.isatty()
    file.abort()
    for call in (lambda: file.write(b""), file.tell, file.flush):
        with pytest.raises(ValueError, match="closed file"):
            call()
    file.close()
    file.abort()
