"""Tests of loops over objects, on an in-process store: the order of results, and the state after the loop."""

import os
import threading
from pathlib import Path

import pytest
from plans.carrying_out import missing
from workers.instructions import stopped_before

from metaflow_extensions.fasts3.api import prefetch as module
from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception
from metaflow_extensions.fasts3.api.prefetch import Prefetch, Requested
from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.jobs import Outcome
from metaflow_extensions.fasts3.plans.plan import JobQueue
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

STEP = 10


class Store:
    """Objects in memory; carries out plans as an executor does, one job at a time."""

    def __init__(self, **objects):
        self.objects = objects
        self.etag = '"1"'
        self.before = lambda job: None

    def run(self, plan, interruption):
        queue = JobQueue(plan)
        while True:
            interruption.check()
            job = queue.take()
            if job is not None:
                response = self.perform(job)
                failed = isinstance(response, Failure)
                outcome = Outcome(job.number, None if failed else response, response if failed else None)
                queue.receive(job, outcome)
            elif not queue.is_held:
                return
            else:
                interruption.wait(0.001)

    def perform(self, job):
        self.before(job)
        body = self.objects.get(job.key)
        if body is None:
            return missing()
        if job.arguments.get("if_match") not in (None, self.etag):
            return Failure(Code.PRECONDITION, "changed", "PreconditionFailed", 412)
        position = job.arguments.get("position", 0)
        data = body[position : position + STEP]
        with open(job.arguments["path"], "r+b" if position else "wb") as file:
            file.seek(position)
            file.write(data)
        length = len(data) if position else len(body)
        return GetResponse(ObjectInfo(len(body), self.etag, None, {}, 0, None), position, length, len(data))


@pytest.fixture
def begin(tmp_path):
    """Begin a loop over keys; closed at the end."""
    begun = []

    def do(run, keys, ordered=True, look_ahead_objects=100):
        names = iter(range(1000))
        requests = (key and Requested(None, f"s3://b/{key}", Download("b", key)) for key in keys)
        begun.append(
            Prefetch(
                run,
                requests,
                lambda key: str(tmp_path / str(next(names))),
                lambda key: str(tmp_path / "spare"),
                ordered,
                1000,
                look_ahead_objects,
                False,
                STEP,
            )
        )
        return begun[-1]

    yield do
    for one in begun:
        one.close()


def test_an_object_that_was_begun_again_leaves_one_file(begin, tmp_path):
    store = Store(a=b"old" * STEP)

    def before(job):
        if job.arguments.get("position"):
            store.objects["a"], store.etag = b"new" * STEP, '"2"'

    store.before = before
    received = next(begin(store.run, ["a"]))
    assert Path(received.result.path).read_bytes() == b"new" * STEP
    assert [path.name for path in tmp_path.iterdir()] == [Path(received.result.path).name]


def test_files_that_were_not_taken_are_removed(begin, tmp_path):
    loop = begin(Store(a=b"1", b=b"2" * 3 * STEP, c=b"3").run, ["a", "b", "c"])
    first = next(loop)
    loop.close()
    assert list(tmp_path.iterdir()) == [Path(first.result.path)]


@pytest.mark.parametrize("ordered", [True, False])
def test_a_slow_iterator_of_keys_is_read_after_the_pending_results(begin, ordered):
    read = []

    def keys():
        yield None
        yield "a"
        yield None
        read.append("b")
        yield "b"
        yield None

    loop = begin(Store(a=b"1", b=b"2").run, keys(), ordered)
    assert (next(loop).requested.url, read) == ("s3://b/a", [])
    assert [received.requested.url for received in loop] == ["s3://b/b"]


def test_results_before_an_error_of_the_keys_are_returned_first(begin):
    def keys():
        yield from "ab"
        raise ZeroDivisionError

    loop = begin(Store(a=b"1", b=b"2").run, keys())
    assert [next(loop).requested.url, next(loop).requested.url] == ["s3://b/a", "s3://b/b"]
    with pytest.raises(ZeroDivisionError):
        next(loop)


def test_the_loop_may_add_keys(begin):
    found = ["a"]
    loop = begin(Store(a=b"1", b=b"2", c=b"3").run, iter(lambda: found.pop() if found else None, None), True, 1)
    seen = []
    for received in loop:
        key = received.requested.download.key
        seen.append(key)
        found.extend({"a": "b", "b": "c"}.get(key, ""))
    assert seen == ["a", "b", "c"]


def test_results_are_returned_while_keys_are_slow(begin):
    """Each key takes as long as the object before it: none of them has to wait for all of the look-ahead."""
    store, read, result_taken = Store(a=b"1"), [], threading.Semaphore(1)

    def keys():
        while True:
            assert result_taken.acquire(timeout=30)
            read.append("a")
            yield "a"

    def perform(job):
        try:
            return Store.perform(store, job)
        finally:
            result_taken.release()

    store.perform = perform
    loop = begin(store.run, keys(), look_ahead_objects=1000)
    next(loop)
    assert len(read) < 100


def test_a_failure_of_the_thread_is_raised(begin):
    def run(plan, interruption):
        raise MetaflowS3Exception("why")

    with pytest.raises(MetaflowS3Exception, match="why"):
        next(begin(run, ["a"]))


def test_a_thread_that_ends_too_early_is_no_end(begin):
    with pytest.raises(RuntimeError, match="before all objects arrived"):
        next(begin(lambda *_: None, ["a"]))


def test_no_thread_can_be_started(begin, monkeypatch):
    loop = begin(Store(a=b"1").run, ["a"])
    monkeypatch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start")))
    with pytest.raises(MetaflowS3Exception, match="Could not start a thread"):
        next(loop)
    loop.close()


def test_a_loop_whose_client_was_closed_raises(begin):
    loop = begin(Store(a=b"1", b=b"2").run, ["a", "b"])
    next(loop)
    loop.close()
    with pytest.raises(MetaflowS3Exception, match="closed during a loop"):
        next(loop)


def test_a_loop_may_be_closed_by_its_own_thread(begin):
    def run(plan, interruption):
        loops[0].close()
        raise Interrupted

    loops = []
    loops.append(begin(run, ["a"]))
    with pytest.raises(MetaflowS3Exception, match="closed during a loop"):
        next(loops[0])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_nothing_and_removes_nothing(begin, tmp_path):
    loop = begin(Store(a=b"1", b=b"2").run, ["a", "b"])
    first = next(loop)
    child = os.fork()
    if not child:
        try:
            next(loop)
        except RuntimeError as error:
            loop.close()
            os._exit(0 if "fork" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Path(first.result.path).read_bytes() == b"1"
    assert next(loop).requested.url == "s3://b/b"


@pytest.mark.release
def test_an_exception_at_any_point_leaves_no_thread_or_descriptor(begin):
    descriptors = len(os.listdir("/dev/fd"))
    store = Store(a=b"1", b=b"2" * STEP, c=b"3" * (STEP + 1))
    instruction = 1
    while True:
        stream = begin(store.run, "abc")
        came_to_that = stopped_before(instruction, [module], lambda stream=stream: list(stream))
        stream.close()
        for thread in threading.enumerate():
            if thread.name == "fasts3-stream":
                thread.join(10)
                assert not thread.is_alive()
        assert len(os.listdir("/dev/fd")) <= descriptors
        if not came_to_that:
            break
        instruction += 1
    assert instruction > 200


@pytest.mark.parametrize("ordered", [True, False])
def test_each_of_many_that_wait_is_found_at_once(begin, ordered):
    """A search through all previous results would take minutes."""
    count = 400_000
    loop = begin(lambda *_: None, [], ordered, count)
    loop._outstanding = dict.fromkeys(range(count))
    loop._all_taken = True
    for number in range(count):
        loop._put(number, None)
    assert sum(1 for _ in loop) == count
