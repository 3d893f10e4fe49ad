"""The parent and its workers never wait for each other, however full their pipes are."""

import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
from limits.conftest import PRELUDE

from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.workers import worker_pool, worker_process
from metaflow_extensions.fasts3.workers.worker_process import WorkerProcess

SENT = 64 * 2**20  # bytes of bodies
PIPE = 65536  # bytes that one holds, of which the last page may not be filled
# Answers each job at once, with 10 KB.
TALKATIVE = """
import sys
sys.path.insert(0, {folder!r})
import s3op
s3op.create_packages()
from metaflow_extensions.fasts3.workers import worker
class Performer:
    async def perform(self, job, on_begin):
        return worker.Outcome(job.number, "x" * 10_000, None, True)
worker.Worker._prepare = lambda self, setup: setattr(self, "_performer", Performer())
worker.serve(*map(int, sys.argv[1:]))
"""


def waiting_bytes(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


LONG = 100.0  # seconds after which a test or a thread of one gives up


def wait_until(true):
    until = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.005)


@pytest.fixture
def talkative(monkeypatch, tmp_path):
    script = tmp_path / "talkative.py"
    script.write_text(TALKATIVE.replace("{folder!r}", repr(str(worker_process.SCRIPT.parent))))
    monkeypatch.setattr(worker_process, "SCRIPT", script)
    worker = WorkerProcess()
    yield worker
    worker.kill()


def test_a_worker_reads_while_its_parent_does_not(talkative):
    talkative.send_setup([None, None, [[0, 0.0], True, 0.0], 4])
    talkative.send_jobs([Job(number, "put", "bucket", str(number)) for number in range(1000)])
    wait_until(lambda: waiting_bytes(talkative.fileno()) > PIPE - 4096)

    body = bytes(8 * 2**20)
    talkative.send_jobs([Job(1000 + number, "put", "bucket", "large", {}, body) for number in range(SENT // len(body))])

    done = set()
    while talkative.jobs:
        done.update(job.number for job, _ in talkative.outcomes())
    assert done == set(range(1008))


@pytest.fixture
def stopped(fresh_workers, monkeypatch):
    """Stop the next worker when it is leased; return a list to which it is added."""
    leased, lease = [], worker_pool.WorkerPool.lease

    def stop(self, *args):
        worker = lease(self, *args)
        if worker and not leased:
            os.kill(worker.pid, signal.SIGSTOP)
            leased.append(worker)
        return worker

    monkeypatch.setattr(worker_pool.WorkerPool, "lease", stop)
    return leased


@pytest.fixture
def when_full(stopped):
    """Call a function when the pipe to the stopped worker is full."""
    threads = []

    def when_full(then):
        def watch():
            wait_until(lambda: stopped)
            with contextlib.suppress(OSError):
                wait_until(lambda: waiting_bytes(stopped[0]._to) > PIPE - 4096)
                then(stopped[0])

        threads.append(threading.Thread(target=watch))
        threads[-1].start()

    yield when_full
    for thread in threads:
        thread.join()


BLOBS = {str(number): bytes([number]) * (7 * 2**20) for number in range(12)}  # more than one worker is given


def test_a_worker_that_is_stopped_while_it_receives_64_mb(s3, stored, when_full):
    when_full(lambda worker: os.kill(worker.pid, signal.SIGCONT))
    assert len(s3.put_many(BLOBS.items())) == len(BLOBS)
    assert {key: stored.head(key)["ContentLength"] for key in stored.list()} == {key: 7 * 2**20 for key in BLOBS}
    assert stored.blob("11") == BLOBS["11"]


def test_ctrl_c_while_a_worker_is_stopped(s3, stored, when_full, stopped):
    when_full(lambda worker: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        s3.put_many(BLOBS.items())
    with pytest.raises(ProcessLookupError):
        os.kill(stopped[0].pid, 0)
    assert len(s3.put_many([("after", "x")])) == 1


def test_other_workers_continue_while_one_is_stopped(s3, stored, stopped):
    blobs = {str(number): bytes([number % 251]) * 100 for number in range(400)}

    def let_it_go_on():
        wait_until(lambda: len(stored.list()) > 100)
        with contextlib.suppress(ProcessLookupError):  # on a busy machine it has been replaced by now
            os.kill(stopped[0].pid, signal.SIGCONT)

    watching = threading.Thread(target=let_it_go_on)
    watching.start()
    assert len(s3.put_many(blobs.items())) == len(blobs)
    watching.join()
    assert stored.list() == set(blobs)


PUTS = """
print("begun", flush=True)
print(len(s3.put_many((str(number), "x") for number in range(1500))))
"""


@pytest.mark.release
def test_a_stopped_parent_while_workers_send_outcomes(root, seaweedfs, stored, tmproot, implementation):
    options = {"root": root, "params": seaweedfs.client_params(), "tmproot": str(tmproot)}
    command = [sys.executable, "-c", PRELUDE + PUTS, json.dumps(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            wait_until(lambda: len(stored.list()) > 200)
            os.kill(parent.pid, signal.SIGSTOP)
            counts = [-1, 0]
            while counts[-1] != counts[-2]:  # until they have done all that they were given
                time.sleep(0.2)
                counts.append(len(stored.list()))
            os.kill(parent.pid, signal.SIGCONT)
            assert parent.communicate()[0] == "begun\n1500\n"
        finally:
            parent.kill()
    assert len(stored.list()) == 1500
