"""Tests of the ETags of uploads, compared with moto's."""

import hashlib
import io
import os

import pytest

from metaflow_extensions.fasts3.plans import unchanged
from metaflow_extensions.fasts3.plans.unchanged import etag_of_bytes, etag_of_file, etag_of_parts

PART = b"x" * (5 * 2**20)


@pytest.mark.parametrize("body", [b"", b"body"])
def test_a_put(moto, prefix, tmp_path, body):
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


def test_parts(moto, prefix):
    client, there = moto.boto3_client(), {"Bucket": moto.bucket, "Key": prefix}
    upload = {**there, "UploadId": client.create_multipart_upload(**there)["UploadId"]}
    etags = [client.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in ((1, PART), (2, b"rest"))]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    told = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["ETag"]
    assert told == f'"{etag_of_parts(etags)}"'


def test_what_tells_nothing(tmp_path):
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
