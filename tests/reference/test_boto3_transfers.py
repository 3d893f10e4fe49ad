"""Tests of what the contract suite does not see: files on disk, lengths, connections that are used again."""

import os
import stat

import boto3
import pytest

from metaflow_extensions.fasts3.reference.boto3_transfers import (
    Boto3Transfers,
    _check_range,
    _content_range,
)
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


@pytest.fixture
def transfers(server):
    return Boto3Transfers(boto3.client("s3", **server.client_params()))


@pytest.fixture
def stored(server, transfers, prefix):
    key = f"{prefix}/object"
    transfers.put(server.bucket, key, body=bytes(range(100)), headers=PutHeaders("text/x-test", {"a": "b"}))
    return server.bucket, key


def test_a_get_says_what_the_head_says(transfers, stored, tmp_path):
    reply = transfers.get(*stored, path=str(tmp_path / "f"))
    assert reply.info == transfers.head(*stored)
    assert (reply.info.size, reply.info.content_type) == (100, "text/x-test")
    assert {name.lower(): value for name, value in reply.info.metadata.items()} == {"a": "b"}
    assert reply[1:] == (0, 100, 100)
    assert (tmp_path / "f").read_bytes() == bytes(range(100))


def test_a_limit_brings_the_beginning_and_the_length(transfers, stored, tmp_path):
    assert transfers.get(*stored, path=str(tmp_path / "f"), limit=30)[1:] == (0, 100, 30)
    assert (tmp_path / "f").read_bytes() == bytes(range(30))


def test_ranges_go_where_they_belong(transfers, stored, tmp_path):
    path = str(tmp_path / "f")
    reply = transfers.get(*stored, path=path, position=5, byte_range="bytes=40-49")
    assert (reply.info.size, *reply[1:]) == (100, 40, 10, 10)
    transfers.get(*stored, path=path, position=0, byte_range="bytes=0-4")
    assert os.path.getsize(path) == 5  # position 0 begins the file anew
    transfers.get(*stored, path=path, position=5, byte_range="bytes=5-9")
    assert (tmp_path / "f").read_bytes() == bytes(range(10))


def test_files_are_their_owner_s_and_links_are_not_followed(transfers, stored, tmp_path):
    transfers.get(*stored, path=str(tmp_path / "f"))
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(TransferError) as failed:
        transfers.get(*stored, path=str(tmp_path / "link"))
    assert failed.value.failure.code is Code.LOCAL_FILE
    assert (tmp_path / "target").read_text() == "untouched"


@pytest.mark.parametrize(
    ("header", "length", "expected"),
    [(None, 5, (0, 5)), ("", 5, (0, 5)), ("bytes 0-4/5", 5, (0, 5)), ("bytes 10-19/100", 10, (10, 100))],
)
def test_content_ranges(header, length, expected):
    assert _content_range(header, length) == expected


@pytest.mark.parametrize(
    "header", ["bytes 0-4/6x", "bytes 0-5/100", "bytes */100", "items 0-4/5", "bytes 0-4/4", "0-4"]
)
def test_content_ranges_that_make_no_sense(header):
    with pytest.raises(TransferError) as failed:
        _content_range(header, 5)
    assert failed.value.failure.code is Code.BROKEN


@pytest.mark.parametrize(
    ("asked", "first", "length", "total"),
    [
        (None, 0, 100, 100),
        ("bytes=0-9", 0, 10, 100),
        ("bytes=90-200", 90, 10, 100),
        ("bytes=90-", 90, 10, 100),
        ("bytes=-10", 90, 10, 100),
        ("bytes=-200", 0, 100, 100),
    ],
)
def test_a_range_that_was_answered_as_asked(asked, first, length, total):
    assert _check_range(asked, first, length, total) is None


@pytest.mark.parametrize(
    ("asked", "first", "length", "total"),
    [
        ("bytes=10-19", 0, 100, 100),  # Range was ignored
        ("bytes=10-19", 10, 5, 100),  # less than there is
        ("bytes=10-19", 11, 10, 100),
        ("bytes=90-", 0, 100, 100),
        ("bytes=-10", 0, 10, 100),
    ],
)
def test_another_range_than_was_asked_for_is_an_error(asked, first, length, total):
    with pytest.raises(TransferError) as failed:
        _check_range(asked, first, length, total)
    assert failed.value.failure.code is Code.REJECTED


def test_a_file_that_became_shorter_is_not_stored_in_part(seaweedfs, prefix, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    transfers = Boto3Transfers(boto3.client("s3", **seaweedfs.client_params()))
    with pytest.raises(TransferError) as failed:
        transfers.upload_part(seaweedfs.bucket, prefix, "any", 1, path=str(tmp_path / "f"), position=50, length=100)
    assert failed.value.failure.code is Code.LOCAL_FILE


class Answering:
    """A client that answers one call with what it was given."""

    def __init__(self, **reply):
        self.meta = type("Meta", (), {"config": None})()
        self.list_objects_v2 = self.head_object = lambda **_: reply


@pytest.mark.parametrize("token", [None, "", "the same"])
def test_a_listing_that_is_cut_short_is_an_error(token):
    transfers = Boto3Transfers(Answering(IsTruncated=True, NextContinuationToken=token))
    with pytest.raises(TransferError) as failed:
        transfers.list_page("b", "k", token="the same")
    assert failed.value.failure.code is Code.BROKEN


def test_a_reply_without_a_length_is_told_as_such():
    with pytest.raises(TransferError) as failed:
        Boto3Transfers(Answering(ETag="x")).head("b", "k")
    assert "Content-Length" in failed.value.failure.message


def test_connections_are_used_again(seaweedfs, prefix, tmp_path, monkeypatch):
    import urllib3.connection

    made = []
    connect = urllib3.connection.HTTPConnection.connect
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", lambda self: made.append(self) or connect(self))
    transfers = Boto3Transfers(boto3.client("s3", **seaweedfs.client_params()))
    for size in (0, 1, 100_000):
        transfers.put(seaweedfs.bucket, f"{prefix}/k", body=b"x" * size)
        transfers.get(seaweedfs.bucket, f"{prefix}/k", path=str(tmp_path / "f"))
        transfers.head(seaweedfs.bucket, f"{prefix}/k")
    assert len(made) == 1


def test_aborting_what_is_gone_is_no_error(seaweedfs, prefix):
    transfers = Boto3Transfers(boto3.client("s3", **seaweedfs.client_params()))
    upload = transfers.create_upload(seaweedfs.bucket, f"{prefix}/k")
    transfers.abort_upload(seaweedfs.bucket, f"{prefix}/k", upload)
    transfers.abort_upload(seaweedfs.bucket, f"{prefix}/k", upload)


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
