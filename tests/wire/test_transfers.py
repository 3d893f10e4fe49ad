"""Tests of details that the contract tests do not see, on every server and with both implementations."""

import os
import stat

import boto3
import pytest

from metaflow_extensions.fasts3.boto.request_templates import RequestTemplates
from metaflow_extensions.fasts3.boto.transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.bandwidth import Allowance, Bandwidth
from metaflow_extensions.fasts3.wire.blocking import complete
from metaflow_extensions.fasts3.wire.credentials import CredentialSet
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.local_files import version_of
from metaflow_extensions.fasts3.wire.transfers import PutHeaders
from metaflow_extensions.fasts3.wire.wire_transfers import WireTransfers


class Completed:
    """The wire's coroutines as calls that block."""

    def __init__(self, wire):
        self._wire = wire

    def __getattr__(self, name):
        return lambda *args, **kwargs: complete(getattr(self._wire, name)(*args, **kwargs))


@pytest.fixture(params=["wire", "boto3"])
def transfers(server, request):
    client = boto3.client("s3", **server.client_params())
    if request.param == "boto3":
        yield Boto3Transfers(client)
    else:
        credentials = CredentialSet(server.access_key, server.secret_key)
        wire = WireTransfers(RequestTemplates(client), lambda: credentials)
        yield Completed(wire)
        wire.close()
    client.close()


@pytest.fixture
def stored(server, transfers, prefix):
    key = f"{prefix}/object"
    transfers.put(server.bucket, key, body=bytes(range(100)), headers=PutHeaders("text/x-test", {"a": "b"}))
    return server.bucket, key


def test_get_and_head_return_the_same_fields(transfers, stored, tmp_path):
    response = transfers.get(*stored, path=str(tmp_path / "f"))
    assert response.info == transfers.head(*stored)
    assert (response.info.size, response.info.content_type) == (100, "text/x-test")
    assert {name.lower(): value for name, value in response.info.metadata.items()} == {"a": "b"}
    assert response[1:4] == (0, 100, 100)
    assert (tmp_path / "f").read_bytes() == bytes(range(100))


def test_a_limit_returns_the_beginning_and_the_length(transfers, stored, tmp_path):
    assert transfers.get(*stored, path=str(tmp_path / "f"), limit=30)[1:4] == (0, 100, 30)
    assert (tmp_path / "f").read_bytes() == bytes(range(30))


def test_ranges_go_where_they_belong(transfers, stored, tmp_path):
    path = str(tmp_path / "f")
    response = transfers.get(*stored, path=path, position=5, byte_range="bytes=40-49")
    assert (response.info.size, *response[1:4]) == (100, 40, 10, 10)
    transfers.get(*stored, path=path, position=0, byte_range="bytes=0-4")
    assert os.path.getsize(path) == 5  # position 0 begins the file anew
    transfers.get(*stored, path=path, position=5, byte_range="bytes=5-9")
    assert (tmp_path / "f").read_bytes() == bytes(range(10))


def test_a_range_is_received_into_memory_of_the_caller(transfers, stored):
    memory = bytearray(12)
    response = transfers.get(*stored, byte_range="bytes=40-49", into=memoryview(memory)[1:11])
    assert (response.info.size, *response[1:4], response.body) == (100, 40, 10, 10, None)
    assert memory == bytes([0, *range(40, 50), 0])


class Counting(Bandwidth):
    """Has nobody wait, and counts."""

    def __init__(self):
        super().__init__(1e5)
        self.taken = []

    def take(self, count, now):
        self.taken.append(count)
        return 0.0


def test_each_byte_of_a_body_is_requested_once(transfers, server, prefix, tmp_path):
    """boto3 reads a body several times before it sends it; only what is sent counts."""
    (tmp_path / "f").write_bytes(b"f" * 200_000)
    key, path = f"{prefix}/k", str(tmp_path / "f")
    counts = {}

    def count(name, method, *arguments, **named):
        bandwidth = Counting()
        response = method(server.bucket, key, *arguments, **named, allowance=Allowance(bandwidth))
        counts[name] = sum(bandwidth.taken)
        assert max(bandwidth.taken, default=0) <= bandwidth.step
        return response

    count("bytes", transfers.put, body=b"b" * 100_001)
    count("nothing", transfers.put, body=b"")
    upload_id = transfers.create_upload(server.bucket, key)
    parts = [
        count("part of bytes", transfers.upload_part, upload_id, 1, body=b"p" * 5 * 2**20),
        count("part of a file", transfers.upload_part, upload_id, 2, path=path, position=50_000, length=100_002),
    ]
    transfers.complete_upload(server.bucket, key, upload_id, parts)
    count("file", transfers.put, path=path)
    count("object", transfers.get, str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == b"f" * 200_000
    count("range", transfers.get, str(tmp_path / "got"), byte_range="bytes=10-70012")
    count("beginning", transfers.get, str(tmp_path / "got"), limit=60_000)
    assert counts == {
        "bytes": 100_001,
        "nothing": 0,
        "part of bytes": 5 * 2**20,
        "part of a file": 100_002,
        "file": 200_000,
        "object": 200_000,
        "range": 70_003,
        "beginning": 60_000,
    }


def test_unlimited_calls_are_not_slowed_down_by_limited_ones(transfers, server, prefix):
    bandwidth = Counting()
    transfers.put(server.bucket, prefix, body=b"x" * 1000, allowance=Allowance(bandwidth))
    transfers.put(server.bucket, prefix, body=b"x" * 1000)
    assert sum(bandwidth.taken) == 1000


def test_files_are_their_owner_s_and_links_are_not_followed(transfers, stored, tmp_path):
    transfers.get(*stored, path=str(tmp_path / "f"))
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(TransferError) as failed:
        transfers.get(*stored, path=str(tmp_path / "link"))
    assert failed.value.failure.code is Code.LOCAL_FILE
    assert (tmp_path / "target").read_text() == "untouched"


def test_a_truncated_file_is_not_stored(transfers, server, prefix, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    with pytest.raises(TransferError) as failed:
        transfers.upload_part(server.bucket, prefix, "any", 1, path=str(tmp_path / "f"), position=50, length=100)
    assert failed.value.failure.code is Code.CHANGED


def test_a_file_of_another_version_is_not_stored_in_part(transfers, server, prefix, tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    before = version_of(path.stat())
    os.utime(path, ns=(0, 0))
    with pytest.raises(TransferError) as failed:
        transfers.upload_part(server.bucket, prefix, "any", 1, path=str(path), length=100, version=list(before))
    assert failed.value.failure.code is Code.CHANGED
    upload_id = transfers.create_upload(server.bucket, prefix)
    now = list(version_of(path.stat()))
    assert transfers.upload_part(server.bucket, prefix, upload_id, 1, path=str(path), length=100, version=now)["ETag"]
    transfers.abort_upload(server.bucket, prefix, upload_id)


def test_a_file_that_is_not_there(transfers, server, prefix, tmp_path):
    for upload in (
        lambda path: transfers.put(server.bucket, prefix, path=path),
        lambda path: transfers.upload_part(server.bucket, prefix, "any", 1, path=path, length=1),
    ):
        with pytest.raises(TransferError) as failed:
            upload(str(tmp_path / "no"))
        assert failed.value.failure.code is Code.NO_FILE


def test_aborting_a_missing_upload_is_no_error(transfers, server, prefix):
    upload = transfers.create_upload(server.bucket, f"{prefix}/k")
    transfers.abort_upload(server.bucket, f"{prefix}/k", upload)
    transfers.abort_upload(server.bucket, f"{prefix}/k", upload)


def test_delete(transfers, stored):
    transfers.delete(*stored)
    with pytest.raises(TransferError) as failed:
        transfers.head(*stored)
    assert failed.value.failure.code is Code.NOT_FOUND


def test_a_bucket_that_is_not_there(transfers, server):
    transfers.head_bucket(server.bucket)
    with pytest.raises(TransferError) as failed:
        transfers.head_bucket("no-such-bucket-at-all")
    assert failed.value.failure.code is Code.NO_BUCKET
