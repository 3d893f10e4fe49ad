"""A process without free descriptors continues with those it has, or raises immediately."""

import contextlib
import json
import resource
import threading

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception
from workers.calls import call_on

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobQueue, Requests
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.workers.inline_runner import InlineRunner

BLOB = b"x" * 10_000
BLOBS = {str(number): BLOB + bytes([number]) for number in range(40)}

# With no descriptor left, with one, and so on. The first time, the process has not made its client yet.
IN_THE_PARENT = """
from metaflow_extensions.fasts3.api import placement
from metaflow_extensions.fasts3.workers import worker_pool
placement.MANY_REQUESTS = 1
keys = [str(number) for number in range(40)]
calls = {
    "get": lambda: s3.get("0").size == 10_001,
    "get_many": lambda: [got.size for got in s3.get_many(keys)] == [10_001] * 40,
    "large get": lambda: s3.get("large").size == options["large"],
    "info_many": lambda: [got.size for got in s3.info_many(keys)] == [10_001] * 40,
    "list_recursive": lambda: len(s3.list_recursive()) >= 41,
    "put_many": lambda: len(s3.put_many((f"new/{key}", "x") for key in keys)) == 40,
    "put_files": lambda: len(s3.put_files((f"new/{key}", options["file"]) for key in keys)) == 40,
}
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

def outcome(call):
    try:
        assert call()
    except MetaflowS3Exception as error:
        return str(error)
    finally:
        s3.close()

results = []
for left in range(12):
    worker_pool.shared.close()
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    for descriptor in taken[:left]:
        os.close(descriptor)
    outcomes = {name: outcome(call) for name, call in calls.items()}
    for descriptor in taken[left:]:
        os.close(descriptor)
    results.append(outcomes)
assert all(call() for call in calls.values())
print(json.dumps(results))
"""


def test_the_user_s_process_has_few_left_or_none(run, stored, tmp_path):
    stored.put_all({**BLOBS, "large": bytes(3 * PART_SIZE)})
    (tmp_path / "file").write_bytes(BLOB)
    done = run(IN_THE_PARENT, large=3 * PART_SIZE, file=str(tmp_path / "file"))
    none_left, *some = json.loads(done.stdout)
    refused = [message for message in (*none_left.values(), *(one for row in some for one in row.values())) if message]
    assert all("Too many open files" in message and "ulimit -n" in message for message in refused)
    assert all(none_left.values())
    assert not any(some[-1].values())
    assert "could not start a worker process" in done.stderr  # there is a number with which just these can't


# With 3, a worker has what it was started with and nothing else.
@pytest.mark.parametrize("limits", [range(3, 22, 2), pytest.param(range(4, 22, 2), marks=pytest.mark.release)], ids=str)
@pytest.mark.parametrize("call", ["get_many", "put_files"])
def test_workers_have_few_left(call, limits, s3, stored, fresh_workers, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(BLOB)
    pairs = [(f"new/{key}", str(path)) for key in BLOBS]
    calls = {
        "get_many": lambda: {got.key: got.blob for got in s3.get_many(BLOBS)} == BLOBS,
        "put_files": lambda: len(s3.put_files(pairs)) == len(pairs),
    }
    stored.put_all(BLOBS)
    assert calls[call]()
    refused = []
    for limit in limits:
        for worker in fresh_workers._idle:
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (limit, 1000))
        try:
            assert calls[call]()
        except MetaflowS3Exception as error:
            refused.append(str(error))
        else:
            refused.append("")
    assert refused[0]
    assert not any(message for limit, message in zip(limits, refused) if limit > 16)
    assert all("Too many open files" in message and "ulimit -n" in message for message in refused if message)


def test_jobs_that_took_the_last_ones_from_one_another_are_done_one_by_one():
    """All fail at the same moment; a job fails for lack of descriptors only after it has run alone."""

    class Crowded:
        def __init__(self):
            self.together = threading.Barrier(4)
            self.crowd = 4

        def head(self, bucket, key):
            with contextlib.suppress(threading.BrokenBarrierError):
                if self.crowd:
                    self.crowd -= 1
                    self.together.wait(10)
                    raise TransferError(Failure(Code.NO_DESCRIPTORS, "Too many open files"))
            return key

    plan = Requests(Job(number, "head", "bucket", str(number)) for number in range(10))
    InlineRunner(call_on(Crowded(), Interruption()), 4).run(JobQueue(plan))
    assert plan.results == {number: str(number) for number in range(10)}
