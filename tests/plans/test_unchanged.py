"""Tests of whether an object has the contents of a file, with ETags that are MD5s and others."""

import hashlib
import os
import time
from types import SimpleNamespace

import pytest

from metaflow_extensions.fasts3.plans import unchanged
from metaflow_extensions.fasts3.plans.unchanged import FILE, is_unchanged, marked
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo, PutHeaders

STEP = 10
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


def test_without_md5_the_mark_tells(path, kind):
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
def test_an_md5_tells_where_there_is_no_mark_or_another(path, data):
    with open(path, "wb") as file:
        file.write(data)
    parts = [hashlib.md5(data[first : first + STEP]).digest() for first in range(0, len(data), STEP)]
    whole = hashlib.md5(b"".join(parts)).hexdigest() + f"-{len(parts)}"
    etag = hashlib.md5(data).hexdigest() if len(parts) == 1 else whole
    for metadata in ({}, {FILE: "1 1"}, {FILE: "0" * 64}):
        info = ObjectInfo(len(data), f'"{etag}"', None, metadata, 0, None)
        assert same(info, path)
        assert not same(info._replace(etag=f'"{"0" * 32}"'), path)


def test_a_file_that_is_gone_has_no_mark_and_is_not_the_same(path):
    info, size = stored(path), os.stat(path).st_size
    os.remove(path)
    assert marked(PutHeaders(), path) == PutHeaders()
    assert not is_unchanged(info, path, size, STEP)
