"""Tests of where a call is carried out, and of what is left behind when it fails."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import boto3
import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3NotFound

from metaflow_extensions.fasts3.face import writing
from metaflow_extensions.fasts3.pool import worker_pool
from metaflow_extensions.fasts3.pool.planning import PART_SIZE


@pytest.fixture
def client(seaweedfs, prefix, tmp_path):
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path)) as client:
        yield client


@pytest.fixture
def used_workers(monkeypatch):
    """Count the leases of workers."""
    leases = []
    lease = worker_pool.WorkerPool.lease
    monkeypatch.setattr(worker_pool.WorkerPool, "lease", lambda self, wait=True: leases.append(1) or lease(self, wait))
    return leases


def test_single_small_calls_need_no_worker(client, used_workers):
    client.put("k", "value")
    client.get("k")
    client.info("k")
    client.list_paths()
    client.list_recursive()
    assert used_workers == []


def test_many_calls_and_large_objects_go_to_workers(client, used_workers):
    client.put_many([("a", "1")])
    assert len(used_workers) == 1
    client.put("large", os.urandom(8 * PART_SIZE))
    assert len(used_workers) == 1
    assert client.get("large").size == 8 * PART_SIZE
    assert len(used_workers) >= 2


def test_a_client_that_workers_can_not_make_is_used_here(seaweedfs, prefix, tmp_path, used_workers, caplog):
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
    assert "has hooked into its events" in caplog.text


MOCKED = """
import boto3, sys
from moto import mock_aws
from metaflow import S3
from metaflow_extensions.fasts3.control import presence
presence.why_absent = lambda *_: None  # nobody is asked for a connection: there is no network in this test
with mock_aws():
    params = dict(region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    boto3.client("s3", **params).create_bucket(Bucket="mocked")
    with S3(s3root="s3://mocked/x", client_params=params, tmproot=sys.argv[1]) as client:
        client.put_many([("a", "1"), ("b", "2")])
        print(*[obj.text for obj in client.get_all()])
"""


def test_flows_can_be_tested_with_moto_s_mock(tmp_path):
    # In a process of its own, because moto hooks into every client from the moment it is imported.
    done = subprocess.run([sys.executable, "-c", MOCKED, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "1 2\n"


def test_a_failed_upload_leaves_no_multipart_open(client, seaweedfs, prefix, monkeypatch):
    # A file of 40 MB that has shrunk to 16 when its last parts are read.
    path = client._tempdir.file("shrinking")
    with open(path, "wb") as file:
        file.truncate(5 * PART_SIZE)
    real_size = os.stat(path).st_size
    os.truncate(path, 2 * PART_SIZE)
    monkeypatch.setattr(writing, "path_size", lambda key, given: (given, real_size))
    with pytest.raises(MetaflowS3Exception):
        client.put_files([("k", path)])
    listed = seaweedfs.boto3_client().list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=prefix)
    assert listed.get("Uploads", []) == []
    assert not client.info("k", return_missing=True).exists


def test_an_interrupted_call_ends_soon_and_the_client_goes_on(client):
    client.put_many([(str(n), "x" * 1000) for n in range(300)])

    def interrupt():
        while not worker_pool.shared._lent:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        [client.get_many(str(n) for n in range(300)) for _ in range(100)]
    thread.join()
    assert worker_pool.shared._lent == set()
    assert len(client.get_many(str(n) for n in range(300))) == 300


def test_nothing_is_left_open_after_many_clients(seaweedfs, prefix, tmp_path):
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
    assert (len(os.listdir("/proc/self/fd")), threading.active_count(), len(worker_pool.shared._idle)) == before
    assert os.listdir(tmp_path) == []
