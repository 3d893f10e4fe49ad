"""Without processes, or memory for them, the existing workers or this process do the work."""

import errno
import logging
import os
import signal
import subprocess

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception

from metaflow_extensions.fasts3.api.placement import MANY_REQUESTS
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.workers import worker_process
from metaflow_extensions.fasts3.workers.worker_pool import WorkerPool

BLOBS = {str(number): bytes([number]) * 1000 for number in range(30)}
LARGE = 7 * PART_SIZE

NO_PROCESSES = """
import tempfile, threading
from metaflow_extensions.fasts3.boto import endpoints
from metaflow_extensions.fasts3.workers import worker_pool
keys = [str(number) for number in range(options["count"])]
assert len(s3.get_many(keys)) == len(keys)  # what has to be imported, is: another user may not read it
s3.close()
worker_pool.shared.close()
if os.geteuid() == 0:  # whom the limit does not hold
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
try:
    threading.Thread(target=print).start()
    raise AssertionError("there are threads")
except RuntimeError:
    pass
endpoints._responded.clear()
with tempfile.TemporaryDirectory() as folder:
    with open(f"{folder}/file", "w") as file:
        file.write("x")
    with S3(s3root=options["root"], client_params=options["params"], tmproot=folder) as s3:
        print(s3.get("large").size)
        print(sum(got.size for got in s3.get_many(keys)))
        print(len(s3.put_many((f"new/{key}", key) for key in keys)))
        print(len(s3.put_files((f"new/{key}", f"{folder}/file") for key in keys)))
        print(sum(got.size for got in s3.info_many(keys)))
"""


def test_a_user_at_the_process_limit(run, stored):
    count = MANY_REQUESTS + 1  # enough that workers would be started
    stored.put_all({**{str(number): bytes(1000) for number in range(count)}, "large": bytes(LARGE)})
    done = run(NO_PROCESSES, count=count)
    assert list(map(int, done.stdout.split())) == [LARGE, 1000 * count, count, count, 1000 * count]
    assert "could not start a worker process" in done.stderr
    assert os.strerror(errno.EAGAIN) in done.stderr


@pytest.fixture
def can_start(monkeypatch):
    """Let so many workers be started, and no more."""
    popen = subprocess.Popen

    def can_start(count, number=errno.EAGAIN):
        started = []

        def start(*args, **kwargs):
            if len(started) == count:
                raise OSError(number, os.strerror(number))
            started.append(popen(*args, **kwargs))
            return started[-1]

        monkeypatch.setattr(worker_process.subprocess, "Popen", start)

    return can_start


@pytest.fixture
def calls(stored, s3, tmp_path):
    """Every call that has work for many workers, and whether all of it was done."""
    stored.put_all(BLOBS)
    (tmp_path / "file").write_bytes(b"x" * 5)
    return {
        "get_many": lambda: {got.key: got.blob for got in s3.get_many(BLOBS)} == BLOBS,
        "info_many": lambda: [got.size for got in s3.info_many(BLOBS)] == [1000] * 30,
        "put_many": lambda: len(s3.put_many(BLOBS.items())) == 30 and stored.list() == set(BLOBS),
        "put_files": lambda: len(s3.put_files((key, str(tmp_path / "file")) for key in BLOBS)) == 30,
    }


CALLS = ["get_many", "info_many", "put_many", "put_files"]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("get_many", errno.EAGAIN),  # too many processes
        ("info_many", errno.ENOMEM),
        ("put_many", errno.EMFILE),
        ("put_files", errno.ENOENT),  # this Python is embedded, and there is no program of its name
    ],
)
def test_without_workers_this_process_executes_the_call_and_logs_it(
    call, number, calls, can_start, fresh_workers, caplog
):
    can_start(0, number)
    descriptors = len(os.listdir("/proc/self/fd"))
    assert calls[call]()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in warnings] == ["metaflow_fasts3"]
    assert os.strerror(number) in warnings[0].getMessage()
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 16  # connections that are kept, and nothing else
    can_start(4)
    assert calls[call]()


@pytest.mark.parametrize("call", CALLS)
def test_with_one_worker_instead_of_more(call, calls, can_start, fresh_workers, caplog):
    can_start(1, errno.ENOMEM)
    assert calls[call]()
    assert len(fresh_workers._idle) == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_only_worker_dies_and_there_is_no_other(s3, stored, can_start, fresh_workers, monkeypatch, caplog):
    stored.put_all(BLOBS)
    can_start(1)
    lease = WorkerPool.lease

    def leased(self, *args):
        worker = lease(self, *args)
        send_jobs = worker.send_jobs
        # It gets its jobs, and is gone before it has done them.
        worker.send_jobs = lambda jobs: (os.kill(worker.pid, signal.SIGSTOP), send_jobs(jobs), worker._process.kill())
        return worker

    monkeypatch.setattr(WorkerPool, "lease", leased)
    assert {got.key: got.blob for got in s3.get_many(BLOBS)} == BLOBS
    assert "could not start a worker process" in caplog.text


DIES = """
import os, struct, sys
sys.path.insert(0, {folder!r})
import s3op
s3op.create_packages()
from metaflow_extensions.fasts3.workers import worker
async def die(self, job, on_begin):
    os._exit(9)
worker.Performer.perform = die
worker.serve(*map(int, sys.argv[1:]))
"""


def test_jobs_that_end_workers_are_not_executed_in_this_process(
    s3, stored, can_start, fresh_workers, monkeypatch, tmp_path
):
    stored.put_all(BLOBS)
    script = tmp_path / "dies.py"
    script.write_text(DIES.replace("{folder!r}", repr(str(worker_process.SCRIPT.parent))))
    monkeypatch.setattr(worker_process, "SCRIPT", script)
    can_start(2)
    with pytest.raises(MetaflowS3Exception, match="a worker died during this or another job, and no other"):
        s3.get_many(["1"])


def test_pipes_that_can_t_be_made_leave_none_behind(monkeypatch):
    pipe, made = os.pipe, []

    def one():
        if made:
            raise OSError(errno.EMFILE, "Too many open files")
        made.append(pipe())
        return made[-1]

    monkeypatch.setattr(worker_process.os, "pipe", one)
    with pytest.raises(OSError, match="Too many open files"):
        worker_process.WorkerProcess()
    for end in made[0]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
