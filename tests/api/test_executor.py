"""Tests of where a call runs, and of the state after a failure."""

import io
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from metaflow import S3, metaflow_config
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3InvalidObject, MetaflowS3NotFound

from metaflow_extensions.fasts3.api import executor, placement, put
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.boto import endpoints
from metaflow_extensions.fasts3.plans.jobs import Job
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE
from metaflow_extensions.fasts3.plans.plan import JobFailed, JobQueue, Requests
from metaflow_extensions.fasts3.plans.uploads import Uploads
from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError
from metaflow_extensions.fasts3.wire.local_files import version_of
from metaflow_extensions.fasts3.workers import process_runner, worker_pool, worker_process
from metaflow_extensions.fasts3.workers.performer import Performer


@pytest.fixture
def client(seaweedfs, prefix, tmp_path):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path)) as client:
        yield client


@pytest.fixture
def used_workers(monkeypatch):
    """Count the leases of workers by calls."""
    leases = []
    lease = process_runner.ProcessRunner._lease

    def counted(self):
        leased = lease(self)
        leases.extend([1] * leased)
        return leased

    monkeypatch.setattr(process_runner.ProcessRunner, "_lease", counted)
    return leases


def pairs_of(count):
    return [(str(number), "x") for number in range(count)]


def test_small_calls_need_no_worker(client, used_workers, tmp_path):
    client.put("k", "value")
    client.get("k")
    client.info("k")
    client.list_paths()
    client.list_recursive()
    few = dict(pairs_of(placement.FEW_REQUESTS - 1))
    client.put_many(few.items())
    assert [one.text for one in client.get_many(few)] == list(few.values())
    assert [one.size for one in client.info_many(few)] == [1] * len(few)
    assert [one.text for one in client.iter_many(few)] == list(few.values())
    assert len(client.download([None], str(tmp_path / "there"))) == len(few) + 1
    assert used_workers == []


def warm():
    """Start workers, as an earlier call would."""
    worker_pool.shared.start(2)
    while not worker_pool.shared.is_ready():
        select.select([one for one in worker_pool.shared._idle if not one.greeted], [], [], 30)


def test_the_first_call_moves_bytes_while_workers_start(client, used_workers, monkeypatch):
    """No call waits for workers; if all jobs end before they are ready, they execute none."""
    monkeypatch.setattr(worker_pool.WorkerPool, "is_ready", lambda _: False)
    many = dict(pairs_of(50))
    client.put_many(many.items())
    assert [one.text for one in client.get_many(many)] == list(many.values())
    assert used_workers == []


def test_workers_begin_after_the_first_response(client, used_workers, monkeypatch):
    warm()
    monkeypatch.setattr(endpoints, "_responded", set())
    done = []
    perform = Performer.perform
    monkeypatch.setattr(Performer, "perform", lambda self, job, *args: done.append(job) or perform(self, job, *args))
    client.put_many(pairs_of(200))
    assert 1 <= len(done) <= executor.INLINE_THREADS
    assert used_workers
    done.clear()
    client.put_many(pairs_of(200))
    assert done == []


def test_many_go_to_workers(client, used_workers):
    warm()
    client.put("k", "the endpoint responds")
    many = dict(pairs_of(placement.FEW_REQUESTS + 1))
    client.put_many(many.items())
    assert len(used_workers) == 1
    assert [one.text for one in client.get_many(many)] == list(many.values())
    assert len(used_workers) == 2


@pytest.mark.few_here
def test_large_objects_go_to_workers(client, used_workers, monkeypatch):
    monkeypatch.setattr(executor, "INLINE_THREADS", 2)  # which leave something to do when the first response has ended
    warm()
    large = os.urandom(8 * PART_SIZE)
    client.put("large", large)
    assert used_workers == []
    assert client.get("large").size == len(large)
    once = len(used_workers)
    assert once >= 1
    client.put("small", "x")
    assert [one.size for one in client.get_many(["small", "large"])] == [1, len(large)]
    assert len(used_workers) > once
    twice = len(used_workers)
    client.put_many([("again", large)])
    assert len(used_workers) > twice
    assert client.get("again").blob == large


@pytest.mark.few_here
@pytest.mark.parametrize(
    ("processors", "jobs", "starts"), [(2, 10, False), (2, 64, True), (3, 10, True), (3, 4, False)]
)
def test_workers_start_for_large_objects_where_processors_would_be_idle(monkeypatch, processors, jobs, starts):
    started = []
    monkeypatch.setattr(placement, "processors", lambda: processors)
    monkeypatch.setattr(placement, "start_workers", started.append)
    monkeypatch.setattr(worker_pool.WorkerPool, "is_warm", lambda _: False)
    queue = JobQueue(Requests(Job(number, "get", "bucket") for number in range(jobs)))
    placement.may_leave(SimpleNamespace(moves_much=True, responded=False), queue, placement.FEW_REQUESTS)()
    assert bool(started) == starts


@pytest.mark.workers
@pytest.mark.parametrize(
    ("limits", "processors", "expected"),
    [
        ({}, 2, (128, None)),
        ({"max_connections": 30}, 2, (15, None)),
        ({"max_bandwidth": 20e6}, 4, (20, 20e6)),
        ({"max_bandwidth": 400e6, "max_connections": 50}, 4, (25, 200e6)),
    ],
)
def test_each_worker_has_its_part_of_the_limits(seaweedfs, prefix, tmp_path, monkeypatch, limits, processors, expected):
    setups = []
    send_setup = worker_process.WorkerProcess.send_setup
    monkeypatch.setattr(
        worker_process.WorkerProcess, "send_setup", lambda self, setup: setups.append(setup) or send_setup(self, setup)
    )
    monkeypatch.setattr(executor, "processors", lambda: processors)
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path), **limits) as client:
        client.put_many(pairs_of(20))
    assert {(connections, terms.bandwidth) for _, _, terms, connections in setups} == {expected}


def test_a_client_that_workers_can_not_create_is_used_here(seaweedfs, prefix, tmp_path, used_workers, caplog):
    hooked = boto3.client("s3", **seaweedfs.client_params())
    calls = []
    hooked.meta.events.register("before-send.s3", lambda request, **_: calls.append(request.method))
    with (
        caplog.at_level(logging.DEBUG, "metaflow_fasts3"),
        S3(s3root=f"s3://{seaweedfs.bucket}/{prefix}", external_client=hooked, tmproot=str(tmp_path)) as client,
    ):
        client.put_many([(str(n), str(n)) for n in range(30)])
        assert [obj.text for obj in client.get_many(str(n) for n in range(30))] == [str(n) for n in range(30)]
    assert sorted(calls) == ["GET"] * 30 + ["PUT"] * 30
    assert used_workers == []
    assert "it has an event handler from" in caplog.text


def test_a_stubbed_client_gets_all_requests(tmp_path):
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush", "region_name": "eu-west-1"}
    stubbed = boto3.client("s3", endpoint_url="http://s3.example", **keys)
    body = StreamingBody(io.BytesIO(b"stub"), 4)
    with (
        Stubber(stubbed) as stubber,
        S3(s3root="s3://bucket/x", external_client=stubbed, tmproot=str(tmp_path)) as client,
    ):
        stubber.add_response("put_object", {"ETag": '"e"'})
        stubber.add_response("get_object", {"ETag": '"e"', "ContentLength": 4, "Body": body})
        client.put("a", "value")
        assert client.get("a").text == "stub"
        stubber.assert_no_pending_responses()
        stubber.add_response("list_objects_v2", {})
        with pytest.raises(MetaflowS3Exception, match=r"no document.* Use moto"):
            client.list_recursive()


MOCKED = """
import boto3, sys
from moto import mock_aws
from metaflow import S3
with mock_aws():
    params = dict(region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    boto3.client("s3", **params).create_bucket(Bucket="mocked")
    with S3(s3root="s3://mocked/x", client_params=params, tmproot=sys.argv[1]) as client:
        client.put_many([("a", "1"), ("b", "2")])
        print(*[obj.text for obj in client.get_all()])
"""


def test_flows_can_be_tested_with_moto_s_mock(tmp_path):
    # In a separate process, because moto patches all clients as soon as it is imported.
    done = subprocess.run([sys.executable, "-c", MOCKED, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "1 2\n"


def test_a_failed_upload_leaves_no_multipart_open(client, seaweedfs, prefix, monkeypatch):
    # A file of 40 MB that has shrunk to 16 when its last parts are read.
    path = client._tempdir.file("shrinking")
    with open(path, "wb") as file:
        file.truncate(5 * PART_SIZE)
    real = version_of(os.stat(path))
    os.truncate(path, 2 * PART_SIZE)
    monkeypatch.setattr(put, "path_source", lambda key, given: (given, real))
    with pytest.raises(MetaflowS3InvalidObject, match="became shorter"):
        client.put_files([("k", path)])
    listed = seaweedfs.boto3_client().list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=prefix)
    assert listed.get("Uploads", []) == []
    assert not client.info("k", return_missing=True).exists


def test_a_call_that_fails_leaves_no_multipart_open(client, seaweedfs, prefix, tmp_path):
    for name in "abcdefgh":
        with open(tmp_path / name, "wb") as file:
            file.truncate(3 * PART_SIZE)
    vanishing = tmp_path / "vanishing"
    vanishing.write_text("x")
    sized = put.path_source(None, str(vanishing))
    vanishing.unlink()
    pairs = [("vanishing", str(vanishing)), *((name, str(tmp_path / name)) for name in "abcdefgh")]
    real = put.path_source
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(put, "path_source", lambda key, path: sized if key == "vanishing" else real(key, path))
        with pytest.raises(MetaflowS3NotFound, match="No such file"):
            client.put_files(pairs)
    listed = seaweedfs.boto3_client().list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=prefix)
    assert listed.get("Uploads", []) == []


def test_a_listing_may_have_more_requests_under_way_than_other_calls_in_this_process(seaweedfs, prefix, monkeypatch):
    widths = []
    runner = executor.InlineRunner
    monkeypatch.setattr(executor, "InlineRunner", lambda *given: widths.append(given[-1]) or runner(*given))
    for allowed in (64, 3):
        root, parameters = f"s3://{seaweedfs.bucket}/{prefix}", seaweedfs.client_params()
        with S3(s3root=root, client_params=parameters, max_connections=allowed) as s3:
            s3.put("k", b"1")
            s3.list_recursive()
    assert widths == [executor.INLINE_THREADS, executor.INLINE_PAGES, 3, 3]


@pytest.mark.workers
@pytest.mark.parametrize("transfers", ["wire", "boto3"])
@pytest.mark.parametrize("place", [Place.HERE, Place.WORKERS])
@pytest.mark.parametrize("count", [1, 3])
def test_a_bug_of_this_package_has_its_traceback(client, seaweedfs, monkeypatch, transfers, place, count):
    """It is not an error of S3, which a flow may handle."""
    monkeypatch.setattr(metaflow_config, "S3_TRANSFERS", transfers)
    jobs = [Job(number, "delete", seaweedfs.bucket, f"k{number}") for number in range(count)]
    jobs[-1] = jobs[-1]._replace(arguments={"surprise": 1})
    with pytest.raises((TypeError, RuntimeError)) as raised:
        client._executor.run(Requests(jobs), place)
    if place is Place.HERE:
        assert raised.type is TypeError
        assert raised.traceback[-1].path.name in ("performer.py", "fallback.py")
    else:
        assert "failed in a worker by a defect of metaflow-fasts3: TypeError: " in str(raised.value)
        assert "Traceback (most recent call last)" in str(raised.value.__cause__)
    assert client.list_paths() == []


REFUSED = TransferError(Failure(Code.ACCESS_DENIED, "Access Denied", "AccessDenied", 403))


@pytest.mark.parametrize("transfers", ["wire", "boto3"])
@pytest.mark.parametrize("ending", ["failure", "Ctrl-C"])
def test_uploads_that_can_not_be_aborted_are_reported(
    client, seaweedfs, prefix, monkeypatch, caplog, transfers, ending
):
    """The message is in the exception of a failed call, and in the log of an interrupted one."""
    monkeypatch.setattr(metaflow_config, "S3_TRANSFERS", transfers)
    attempt = Performer._call_transfers

    def refuse_aborts(performer, job, *given):
        if job.operation == "abort_upload":
            raise REFUSED
        return attempt(performer, job, *given)

    path = client._tempdir.file("large")
    with open(path, "wb") as file:
        file.truncate(3 * PART_SIZE)
    version = version_of(os.stat(path))

    def give_up(plan, job, result):
        assert plan._open
        raise JobFailed(job, Failure(Code.REJECTED, "no more")) if ending == "failure" else KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Performer, "_call_transfers", refuse_aborts)
        patched.setattr(Uploads, "_part_done", lambda plan, index, job, result: give_up(plan, job, result))
        patched.setattr(put, "path_source", lambda key, given: (given, version))
        with pytest.raises(BaseException) as raised:  # noqa: PT011
            client.put_files([("k", path)])
    [upload] = seaweedfs.boto3_client().list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=prefix)["Uploads"]
    output = str(raised.value) if ending == "failure" else caplog.text
    assert f"1 multipart upload could not be aborted (AccessDenied: Access Denied): {client._location.root}/k" in output
    assert f"(upload id {upload['UploadId']})" in output
    assert f"`metaflow fasts3 uploads {client._location.root}/k`" in output
    named = {"Bucket": seaweedfs.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
    seaweedfs.boto3_client().abort_multipart_upload(**named)


@pytest.mark.parametrize("pairs", [("key", "data"), {"ab": b"x"}, ["hello"], [("a",)], [None]])
def test_invalid_pairs_raise_before_anything_is_stored(client, pairs):
    for verb in (client.put_many, client.put_files):
        with pytest.raises(MetaflowS3InvalidObject, match="not a pair"):
            verb(pairs)
    assert client.list_recursive() == []


def test_keys_that_are_the_same_but_for_leading_slashes_are_one(client, seaweedfs, prefix, tmp_path):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    params = seaweedfs.client_params()
    with S3(s3root=root, client_params=params, tmproot=str(tmp_path)) as doubled:
        doubled.put_many([("k", "first"), ("/k", "second")])
        assert [(obj.key, obj.text) for obj in doubled.get_all()] == [("k", "second")]
        assert [obj.key for obj in doubled.list_paths()] == ["k"]
    with S3(client_params=params, tmproot=str(tmp_path)) as bare:
        assert [obj.key for obj in bare.list_recursive([root])] == ["k"]


def test_warm_workers_follow_the_user_s_identity(seaweedfs, prefix, tmp_path):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    where = {"endpoint_url": seaweedfs.endpoint_url, "region_name": "us-east-1"}
    for params, may in ((where, False), (seaweedfs.client_params(), True), (where, False)):
        with S3(s3root=root, client_params=params, tmproot=str(tmp_path)) as client:
            if may:
                assert client.put_many([("k", "v")]) == [("k", f"{root}/k")]
            else:
                with pytest.raises(MetaflowS3Exception, match="credentials"):
                    client.put_many([("k", "v")])


def test_an_interrupted_call_ends_soon_and_the_client_stays_usable(client):
    client.put_many([(str(n), "x" * 1000) for n in range(300)])

    def interrupt():
        while not worker_pool.shared._leased:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        [client.get_many(str(n) for n in range(300)) for _ in range(100)]
    thread.join()
    assert list(worker_pool.shared._leased) == []
    assert len(client.get_many(str(n) for n in range(300))) == 300


def test_many_clients_leave_nothing_open(seaweedfs, prefix, tmp_path):
    def once():
        root = f"s3://{seaweedfs.bucket}/{prefix}"
        with S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path)) as client:
            client.put_many([("a", "1"), ("b", "2")])
            client.get_many(["a", "b"])
            client.put("c", os.urandom(3 * PART_SIZE))
            with pytest.raises(MetaflowS3NotFound):
                client.get("no")

    once()
    before = len(os.listdir("/proc/self/fd")), threading.active_count(), len(worker_pool.shared._idle)
    for _ in range(5):
        once()
    after = len(os.listdir("/proc/self/fd")), threading.active_count(), len(worker_pool.shared._idle)
    # Fewer is fine: threads of failed calls in other tests may just have ended.
    assert all(now <= then for now, then in zip(after, before)), (before, after)
    assert os.listdir(tmp_path) == []
