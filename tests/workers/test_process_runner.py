"""Tests of real workers: reused, replaced after death or invalid frames, ended with their parent, without secrets."""

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from workers.odd_workers import BEGINNING, DEAD, GARBAGE, POISONED, SLOW, SUSPECTING, TELLING

from metaflow_extensions.fasts3.boto.recipe import ClientRecipe, CredentialSet
from metaflow_extensions.fasts3.boto.request_templates import RequestTemplates
from metaflow_extensions.fasts3.boto.settings import Settings
from metaflow_extensions.fasts3.plans.download import Download
from metaflow_extensions.fasts3.plans.downloads import Downloads
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Requests
from metaflow_extensions.fasts3.wire.blocking import Interruption
from metaflow_extensions.fasts3.wire.failures import Code
from metaflow_extensions.fasts3.workers import process_runner, worker_process
from metaflow_extensions.fasts3.workers.call import Call
from metaflow_extensions.fasts3.workers.concurrency import LEAST_BODY_BYTES, Share
from metaflow_extensions.fasts3.workers.process_runner import ProcessRunner
from metaflow_extensions.fasts3.workers.relocation import Relocation
from metaflow_extensions.fasts3.workers.renewal import Renewal
from metaflow_extensions.fasts3.workers.retries import Terms
from metaflow_extensions.fasts3.workers.worker import IDLE_LIMIT
from metaflow_extensions.fasts3.workers.worker_pool import WorkerPool


@pytest.fixture
def pool():
    pool = WorkerPool(limit=8, warm=4)
    yield pool
    pool.close()
    assert not pool._leased


@pytest.fixture
def templates(seaweedfs):
    """How the wire reaches the server."""
    client = boto3.client("s3", **seaweedfs.client_params())
    yield RequestTemplates(client)
    client.close()


@pytest.fixture
def run(pool, seaweedfs, templates):
    recipe = ClientRecipe(seaweedfs.region, seaweedfs.endpoint_url, False, None, False, {})
    credentials = CredentialSet(seaweedfs.access_key, seaweedfs.secret_key)

    def run(plan, workers=2, threads=4, signs_as=lambda: credentials, bandwidth=None, templates=templates, pool=pool):
        signing = SimpleNamespace(current=signs_as)
        client = SimpleNamespace(recipe=recipe, credentials=signing, template=lambda _, *name: templates(*name))
        call = Call(client, Settings(), Terms(), Renewal(lambda _: False), Relocation(lambda *_: False), Interruption())
        ProcessRunner(pool, call, JobQueue(plan), Share(workers, threads, bandwidth), LEAST_BODY_BYTES).run()
        return plan

    return run


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Have workers run another script."""
    real = str(worker_process.SCRIPT)

    def use(text):
        path = tmp_path / "other_s3op.py"
        path.write_text(textwrap.dedent(text).replace("{script!r}", repr(real)))
        monkeypatch.setattr(worker_process, "SCRIPT", path)

    return use


def puts(seaweedfs, prefix, count):
    return [Job(n, "put", seaweedfs.bucket, f"{prefix}/{n}", {}, b"x" * n) for n in range(count)]


def heads(seaweedfs, prefix, count):
    return [Job(n, "head", seaweedfs.bucket, f"{prefix}/{n}") for n in range(count)]


def test_jobs_are_done_and_workers_stay_warm(run, pool, seaweedfs, prefix):
    run(Requests(puts(seaweedfs, prefix, 100)))
    first = {worker.pid for worker in pool._idle}
    plan = run(Requests(heads(seaweedfs, prefix, 100)))
    assert [plan.results[n].size for n in range(100)] == list(range(100))
    assert 1 <= len(first) <= 2
    assert {worker.pid for worker in pool._idle} == first


def test_a_worker_that_has_worked_for_long_stays_for_the_next_call(run, pool, script):
    script(SLOW)
    run(Requests([Job(0, "head", "bucket", "any")]))
    (first,) = pool._idle
    run(Requests([Job(0, "head", "bucket", "any")]))
    assert pool._idle == [first]


def test_a_handful_of_jobs_takes_one_worker(run, pool, seaweedfs, prefix):
    run(Requests(puts(seaweedfs, prefix, 8)))
    assert len(pool._idle) == 1


def test_limited_workers_get_equal_numbers_of_jobs(run, seaweedfs, prefix, monkeypatch):
    given = Counter()
    send_jobs = worker_process.WorkerProcess.send_jobs

    def count(self, jobs):
        given[self.pid] += len(jobs)
        send_jobs(self, jobs)

    monkeypatch.setattr(worker_process.WorkerProcess, "send_jobs", count)
    run(Requests(puts(seaweedfs, prefix, 9)), workers=3, bandwidth=1e9)
    assert list(given.values()) == [3, 3, 3]


def test_bodies_larger_than_a_pipe(run, seaweedfs, prefix, tmp_path):
    data = os.urandom(6 * 2**20)
    run(Requests([Job(n, "put", seaweedfs.bucket, f"{prefix}/{n}", {}, data) for n in range(12)]))
    paths = [str(tmp_path / str(n)) for n in range(12)]
    run(Requests([Job(n, "get", seaweedfs.bucket, f"{prefix}/{n}", {"path": path}) for n, path in enumerate(paths)]))
    assert all((tmp_path / str(n)).read_bytes() == data for n in range(12))


@pytest.mark.parametrize("workers", [1, 2])
def test_other_workers_repeat_the_jobs_of_a_dead_one(run, seaweedfs, prefix, script, tmp_path, workers):
    data, path = os.urandom(2**20), tmp_path / "object"
    run(Requests([Job(0, "put", seaweedfs.bucket, prefix, {}, data)]))
    script(BEGINNING)
    plan = Downloads([Download(seaweedfs.bucket, prefix)], [str(path)], step=2**14)
    run(plan, workers=workers)
    assert path.read_bytes() == data
    assert plan.results[0].response.verified == "crc32"


def test_an_outcome_tells_that_another_worker_died_during_the_job(run, script):
    died = "__file__ + '.died'"
    script(POISONED.replace("{end}", f"os.path.exists({died}) or (open({died}, 'w'), os._exit(9))"))

    class Retried(Requests):
        def receive(self, job, outcome):
            self.results[job.number] = outcome.retried and outcome.retried.code
            return ()

    assert run(Retried([Job(0, "head", "bucket", "poison")])).results == {0: Code.CRASHED}


def test_workers_killed_at_any_time_lose_nothing(run, pool, seaweedfs, prefix):
    run(Requests(puts(seaweedfs, prefix, 200)))

    class Killing(Requests):
        kills = 0

        def receive(self, job, outcome):
            if len(self.results) // 30 > self.kills:
                # One that has jobs, if one has: what came in one read may have been the last.
                victim = max(pool._leased, key=lambda worker: len(worker.jobs))
                os.kill(victim.pid, signal.SIGKILL)
                self.kills += 1
            return super().receive(job, outcome)

    plan = run(Killing(heads(seaweedfs, prefix, 200)))
    assert plan.kills >= 5
    assert [plan.results[n].size for n in range(200)] == list(range(200))


@pytest.mark.parametrize("size", [100, 2**20], ids=["that fit into a pipe", "that do not"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "stopped"])
def test_a_silent_worker_is_detected(run, pool, seaweedfs, prefix, monkeypatch, how, size):
    """Its pipe may stay open, because another forked process may also have the other end."""
    for module in (worker_process, process_runner):
        monkeypatch.setattr(module, "LIVENESS_CHECK_INTERVAL", 0.02)
    popen, lease, kept, ended = subprocess.Popen, WorkerPool.lease, [], []

    def keeping(*args, pass_fds, **kwargs):
        kept.extend(map(os.dup, pass_fds))
        return popen(*args, pass_fds=pass_fds, **kwargs)

    def leased(self, *args):
        worker = lease(self, *args)
        if worker and not ended:
            send_jobs = worker.send_jobs
            ended.append(worker.pid)
            worker.send_jobs = lambda jobs: (os.kill(worker.pid, how), send_jobs(jobs))
        return worker

    monkeypatch.setattr(worker_process.subprocess, "Popen", keeping)
    monkeypatch.setattr(WorkerPool, "lease", leased)
    try:
        jobs = [Job(n, "put", seaweedfs.bucket, f"{prefix}/{n}", {}, b"x" * size) for n in range(12)]
        assert len(run(Requests(jobs)).results) == 12
        assert ended
    finally:
        for descriptor in kept:
            os.close(descriptor)


def test_boto3_is_imported_from_the_current_location_of_this_process(run, seaweedfs, prefix, monkeypatch, tmp_path):
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").write_text("raise ImportError('this one was found')")
    run(Requests(puts(seaweedfs, prefix, 1)))  # on the path of before
    monkeypatch.setattr(sys, "path", [".", str(tmp_path), *sys.path])
    with pytest.raises(JobFailed) as failed:
        run(Requests(heads(seaweedfs, prefix, 1)), templates=lambda *_: "for boto3 to do")
    assert "this one was found" in failed.value.failure.message


def test_idle_workers_that_died_are_not_lent(run, pool, seaweedfs, prefix):
    run(Requests(puts(seaweedfs, prefix, 50)))
    for worker in pool._idle:
        os.kill(worker.pid, signal.SIGKILL)
        worker._process.wait()
    assert len(run(Requests(heads(seaweedfs, prefix, 50))).results) == 50


@pytest.mark.parametrize(("text", "why"), [(GARBAGE, "an invalid frame"), (DEAD, "status 3")], ids=["nonsense", "dead"])
def test_the_error_for_workers_that_never_work_has_the_reason(run, script, seaweedfs, prefix, text, why):
    script(text)
    with pytest.raises(JobFailed) as failed:
        run(Requests(heads(seaweedfs, prefix, 5)))
    assert failed.value.failure.code is Code.CRASHED
    assert why in failed.value.failure.message


def test_one_worker_of_nonsense_is_replaced(run, script, seaweedfs, prefix, monkeypatch):
    run(Requests(puts(seaweedfs, prefix, 20)))
    real = worker_process.SCRIPT
    script(GARBAGE)
    lease = WorkerPool.lease

    def first_bad_then_good(self, *args):
        worker = lease(self, *args)
        monkeypatch.setattr(worker_process, "SCRIPT", real)
        return worker

    monkeypatch.setattr(WorkerPool, "lease", first_bad_then_good)
    assert len(run(Requests(heads(seaweedfs, prefix, 20)), pool=WorkerPool(limit=4, warm=0)).results) == 20


def test_a_worker_that_was_alone_when_a_call_failed_works_for_the_next(run, pool, script):
    """The suspected worker gets no other jobs. The next call must not take it for a busy one, or no job would run."""
    script(SUSPECTING)
    pool._warm = 1  # the one that is alone comes back first
    with pytest.raises(JobFailed) as failed:
        run(Requests([Job(0, "head", "bucket", "suspect"), Job(1, "head", "bucket", "failing")]))
    assert failed.value.job.key == "failing"
    assert len(run(Requests([Job(0, "head", "bucket", "any")]), workers=1).results) == 1


@pytest.mark.parametrize(("end", "deaths"), [("os._exit(9)", 3), ("os.abort()", 3), ("os.kill(os.getpid(), 9)", 12)])
def test_a_job_that_kills_its_workers_is_named(run, script, end, deaths):
    script(POISONED.replace("{end}", end))
    jobs = [Job(n, "head", "bucket", "poison" if n == 13 else str(n)) for n in range(40)]
    with pytest.raises(JobFailed) as failed:
        run(Requests(jobs))
    assert failed.value.job.key == "poison"
    assert failed.value.failure.code is Code.CRASHED
    assert failed.value.failure.message.startswith(f"{deaths} workers died during this job")


def test_a_failure_ends_the_call_and_leaves_workers_usable(run, pool, seaweedfs, prefix):
    run(Requests(puts(seaweedfs, prefix, 10)))
    with pytest.raises(JobFailed):
        run(Requests([*heads(seaweedfs, prefix, 10), Job(99, "head", seaweedfs.bucket, f"{prefix}/no")]))
    assert len(run(Requests(heads(seaweedfs, prefix, 10))).results) == 10


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_in_the_caller_ends_its_workers(run, pool, seaweedfs, prefix, stop):
    pids = []

    class Stopping(Requests):
        def receive(self, job, outcome):
            pids.extend(worker.pid for worker in pool._leased)
            raise stop

    with pytest.raises(stop):
        run(Stopping(heads(seaweedfs, prefix, 50)))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    run(Requests(puts(seaweedfs, prefix, 3)))


def test_threads_have_workers_of_their_own(run, seaweedfs, prefix):
    run(Requests(puts(seaweedfs, prefix, 60)))
    plans = [Requests(heads(seaweedfs, prefix, 60)) for _ in range(12)]  # more calls than workers
    threads = [threading.Thread(target=run, args=(plan, 1)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all([plan.results[n].size for n in range(60)] == list(range(60)) for plan in plans)


def test_new_credentials_reach_workers_in_the_middle_of_a_call(run, seaweedfs, prefix, monkeypatch):
    monkeypatch.setattr("metaflow_extensions.fasts3.workers.renewal.CHECK_INTERVAL", 0.0)
    good = CredentialSet(seaweedfs.access_key, seaweedfs.secret_key)
    bad = CredentialSet(seaweedfs.access_key, "expired")
    sets = [bad]

    class Renewing(Requests):
        denied = 0

        def receive(self, job, outcome):
            if outcome.failure:
                assert outcome.failure.code is Code.ACCESS_DENIED
                self.denied += 1
                sets[0] = good
                return [job]
            return super().receive(job, outcome)

    plan = run(Renewing(puts(seaweedfs, prefix, 100)), signs_as=lambda: sets[0])
    assert len(plan.results) == 100
    assert plan.denied >= 1


def test_no_secret_in_argv_or_environment(run, pool, seaweedfs, prefix):
    class Looking(Requests):
        seen = b""

        def receive(self, job, outcome):
            for worker in pool._leased:
                for name in ("cmdline", "environ"):
                    self.seen += Path(f"/proc/{worker.pid}/{name}").read_bytes()
            return super().receive(job, outcome)

    plan = run(Looking(puts(seaweedfs, prefix, 20)))
    assert b"s3op.py" in plan.seen
    assert seaweedfs.secret_key.encode() not in plan.seen
    assert seaweedfs.secret_key not in repr(CredentialSet(seaweedfs.access_key, seaweedfs.secret_key))


PARENT = """
import os, select, sys, time
from metaflow_extensions.fasts3.workers.worker_pool import shared
worker = shared.lease()
if "fork" in sys.argv and os.fork() == 0:
    os.close(1)
    time.sleep(60)  # a child that holds copies of the pipes
os.write(1, str(worker.pid).encode() + b"\\n")
while not select.select([0], [], [], 0.1)[0]:
    pass  # with a timeout: a signal that arrives just before a thread blocks does not wake it
"""


@pytest.mark.parametrize("fork", [[], ["fork"]], ids=["alone", "a forked child lives on"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None], ids=str)
def test_workers_go_with_their_parent_and_not_for_want_of_work(how, fork):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *fork],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as parent:
        try:
            worker = int(parent.stdout.readline())
            gone = os.pidfd_open(worker)
            if how is None:
                parent.stdin.close()
            else:
                parent.send_signal(how)
            parent.wait()
            readable, _, _ = select.select([gone], [], [], 0.8 * IDLE_LIMIT)
            os.close(gone)
            assert readable, f"worker {worker} outlived its parent"
        finally:
            os.killpg(parent.pid, signal.SIGKILL) if fork else None


def test_a_worker_on_the_wire_never_loads_metaflow_or_boto3(run, script, seaweedfs, prefix, tmp_path):
    script(TELLING)
    run(Requests(puts(seaweedfs, prefix, 20)))
    run(Requests(heads(seaweedfs, prefix, 20)))
    loaded = set((tmp_path / "other_s3op.py.modules").read_text().split())
    assert "metaflow_extensions.fasts3.wire.wire_transfers" in loaded
    assert not loaded & {"metaflow", "boto3", "botocore", "urllib3", "s3transfer"}


def test_started_by_hand_the_script_explains_itself():
    done = subprocess.run([sys.executable, worker_process.SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "from metaflow import S3" in done.stdout
    assert done.stderr == ""


def test_a_worker_starts_with_the_standard_library_only():
    code = """
import sys
sys.path.insert(0, sys.argv[1]); import s3op; s3op.create_packages()
import metaflow_extensions.fasts3.workers.worker
names = ("metaflow", "boto3", "botocore", "urllib3", "metaflow_extensions")
print(*[name for name in names if name in sys.modules])
"""
    folder = str(worker_process.SCRIPT.parent)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["metaflow_extensions"]
