"""Tests of files without a name."""

import os

import pytest

from metaflow_extensions.fasts3.face import memory_files
from metaflow_extensions.fasts3.face.memory_files import MemoryFiles
from metaflow_extensions.fasts3.wire.sinks import FileSink
from metaflow_extensions.fasts3.wire.transfers import GetReply, ObjectInfo


@pytest.fixture(params=["in memory", "on disk"])
def files(request, tmp_path, monkeypatch):
    if request.param == "on disk":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    with MemoryFiles(lambda key: str(tmp_path / "file")) as files:
        yield files
    assert list(tmp_path.iterdir()) == []


def reply(body, length):
    return GetReply(ObjectInfo(length, "", None, {}, 0, None), 0, length, len(body), body=body)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_bytes_come_together(files):
    before = descriptors()
    path = files.make(reply(b"01234", 12))
    for position, data in ((9, b"9ab"), (5, b"5678")):
        sink = FileSink(path, position)
        sink.write(memoryview(data))
        assert sink.finish() is None
    assert files.take(path) == b"0123456789ab"
    assert descriptors() == before


def test_what_nobody_takes_is_let_go(files):
    before = descriptors()
    files.drop(files.make(reply(b"0", 100)))
    files.make(reply(b"0", 100))
    files.__exit__()
    assert descriptors() == before


def test_many_large_objects_leave_descriptors_to_others(files, monkeypatch, tmp_path):
    monkeypatch.setattr(memory_files, "MOST", 3)
    names = iter(range(100))
    files._name = lambda key: str(tmp_path / str(next(names)))
    before = descriptors()
    paths = [files.make(reply(b"%d" % number, 5)) for number in range(10)]
    assert descriptors() <= before + 3
    assert [files.take(path)[:1] for path in paths] == [b"%d" % number for number in range(10)]
    assert descriptors() == before
