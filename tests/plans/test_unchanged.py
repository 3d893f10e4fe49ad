"""Tests of whether an object has the contents of a file, with ETags that are MD5s and others."""

import hashlib
import io
import os
import time
from types import SimpleNamespace

import pytest

from metaflow_extensions.fasts3.plans import unchanged
from metaflow_extensions.fasts3.plans.unchanged import (
    FILE,
    etag_of_bytes,
    etag_of_file,
    etag_of_parts,
    is_unchanged,
    marked,
)
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

STEP = 10
PART = b"x" * (5 * 2**20)
KINDS = ["settled", "young", "young and large"]


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    """How long ago the file was changed, and whether it is small enough to be read for its mark."""
    if request.param == "settled":
        now = time.time_ns()
        monkeypatch.setattr(unchanged.time, "time_ns", lambda: now + 10**12)
    if request.param == "young and large":
        monkeypatch.setattr(unchanged, "MOST_HASHED", 3)
    return request.param


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"contents")
    return str(tmp_path / "file")


def stored(path, etag='"of KMS"'):
    """The HEAD response for an object that was just stored from a file."""
    headers = marked(PutHeaders(metadata={"a": "b"}), path)
    assert headers.metadata["a"] == "b"
    return ObjectInfo(os.stat(path).st_size, etag, None, headers.metadata, 0, "aws:kms")


def same(info, path):
    return is_unchanged(info, path, os.stat(path).st_size, STEP)


def test_without_md5_the_mark_decides(path, kind):
    info = stored(path)
    assert (FILE in info.metadata) == (kind != "young and large")
    assert same(info, path) == (kind != "young and large")


@pytest.mark.parametrize("etag", ['"of KMS"', '"of KMS-1"', ""])
def test_a_change_is_never_missed(path, kind, etag):
    """Nor one that keeps the size and sets the time back, as extracting an archive does."""
    info, before = stored(path, etag), os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"CONTENTS")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not same(info, path)
    with open(path, "ab") as file:
        file.write(b".")
    assert not same(info, path)


def test_a_file_that_is_another_has_the_mark_of_another(path, tmp_path, kind):
    info, before = stored(path), os.stat(path)
    other = tmp_path / "other"
    other.write_bytes(b"CONTENTS")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    assert not same(info, path)


def test_files_that_were_written_together_have_marks_of_their_own(path, tmp_path, monkeypatch):
    """The timestamps of many file systems are those of the last tick, up to 10 ms ago."""
    other, stat, together = tmp_path / "other", os.stat, os.stat(path)
    other.write_bytes(b"CONTENTS")

    def coarse(path):
        fields = {name: getattr(together, name) for name in ("st_mtime_ns", "st_ctime_ns", "st_size")}
        return SimpleNamespace(**fields, st_ino=stat(path).st_ino)

    monkeypatch.setattr(unchanged.os, "stat", coarse)
    monkeypatch.setattr(unchanged, "YOUNG", float("-inf"))
    assert same(stored(path), path)
    assert not same(stored(path), str(other))


@pytest.mark.parametrize("data", [b"contents", b"contents of two parts"])
def test_an_md5_decides_if_the_mark_is_missing_or_differs(path, data):
    with open(path, "wb") as file:
        file.write(data)
    parts = [hashlib.md5(data[first : first + STEP]).digest() for first in range(0, len(data), STEP)]
    whole = hashlib.md5(b"".join(parts)).hexdigest() + f"-{len(parts)}"
    etag = hashlib.md5(data).hexdigest() if len(parts) == 1 else whole
    for metadata in ({}, {FILE: "1 1"}, {FILE: "0" * 64}):
        info = ObjectInfo(len(data), f'"{etag}"', None, metadata, 0, None)
        assert same(info, path)
        assert not same(info._replace(etag=f'"{"0" * 32}"'), path)


def test_a_deleted_file_has_no_mark_and_is_different(path):
    info, size = stored(path), os.stat(path).st_size
    os.remove(path)
    assert marked(PutHeaders(), path) == PutHeaders()
    assert not is_unchanged(info, path, size, STEP)


@pytest.mark.parametrize("body", [b"", b"body"])
def test_the_etag_of_a_put(moto, prefix, tmp_path, body):
    path = tmp_path / "file"
    path.write_bytes(body)
    etag = moto.boto3_client().put_object(Bucket=moto.bucket, Key=prefix, Body=body)["ETag"]
    assert f'"{etag_of_bytes(body)}"' == f'"{etag_of_file(str(path))}"' == etag


@pytest.mark.parametrize("expected", [0, 1, 99, 100, 101, 2**20, 2**21])
def test_a_file_is_read_to_its_end_whatever_its_expected_size(tmp_path, expected):
    path, body = tmp_path / "file", bytes(range(100))
    path.write_bytes(body)
    assert etag_of_file(str(path), size=expected) == etag_of_bytes(body)


def test_a_small_file_of_the_expected_size_is_read_once(tmp_path, monkeypatch):
    path, reads = tmp_path / "file", []
    path.write_bytes(bytes(100))
    read = os.read
    monkeypatch.setattr(os, "read", lambda file, count: reads.append(count) or read(file, count))
    assert etag_of_file(str(path), size=100) == etag_of_bytes(bytes(100))
    assert len(reads) == 1


def test_the_etag_of_parts(moto, prefix):
    client, there = moto.boto3_client(), {"Bucket": moto.bucket, "Key": prefix}
    upload = {**there, "UploadId": client.create_multipart_upload(**there)["UploadId"]}
    etags = [client.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in ((1, PART), (2, b"rest"))]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    etag = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["ETag"]
    assert etag == f'"{etag_of_parts(etags)}"'


def test_etags_that_tell_nothing(tmp_path):
    assert etag_of_parts(['"not an MD5"']) == ""
    assert etag_of_file(str(tmp_path / "gone")) == ""


@pytest.mark.parametrize("size", [0, 1, 5, 8, 9, 16, 17])
def test_parts_are_read_in_small_steps(tmp_path, monkeypatch, size):
    """A part may be 5 GiB."""
    path, data = tmp_path / "f", bytes(range(size))
    path.write_bytes(data)
    asked = []

    class Watched(io.FileIO):
        def __init__(self, path, mode, buffering):
            assert buffering == 0
            super().__init__(path, mode)

        def read(self, count):
            asked.append(count)
            return super().read(count)

    monkeypatch.setattr(unchanged, "open", Watched, raising=False)
    monkeypatch.setattr(unchanged, "_READ", 3)
    parts = [hashlib.md5(data[first : first + 8]).digest() for first in range(0, size, 8)]
    whole = hashlib.md5(b"".join(parts)).hexdigest()
    assert unchanged.etag_of_file_in_parts(str(path), 8) == f"{whole}-{len(parts)}"
    assert max(asked) <= 3
