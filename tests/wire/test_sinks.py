"""Tests of the destinations of downloads."""

import os
from contextlib import nullcontext

import pytest

from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.local_files import path_in_memory
from metaflow_extensions.fasts3.wire.sinks import Sink


def test_a_file_from_a_position_on(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    with Sink(str(path), 3) as sink:
        sink.write(memoryview(b"ab"))
        sink.write(memoryview(b"c"))
    assert sink.body is None
    assert path.read_bytes() == b"012abc6789"


def test_memory_keeps_a_copy():
    with Sink(None) as sink:
        scratch = bytearray(b"one")
        sink.write(memoryview(scratch))
        scratch[:] = b"two"
        sink.write(memoryview(scratch))
    assert sink.body == b"onetwo"


def test_memory_of_the_caller():
    memory, scratch = bytearray(b"0123456789"), memoryview(bytearray(b"abc"))
    with Sink(None, into=memoryview(memory)[2:8]) as sink:
        assert len(sink.room(scratch)) == 6
        sink.write(scratch[:2])
        sink.room(scratch)[:3] = b"ABC"
        sink.write(sink.room(scratch)[:3])  # in its place already
        sink.write(b"d")
    assert memory == b"01abABCd89"
    assert sink.body is None
    with Sink(None) as sink:
        assert sink.room(scratch) is scratch


def test_no_body_is_empty():
    with Sink(None) as sink:
        pass
    assert sink.body == b""


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_no_descriptor_is_left(tmp_path, error):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(error) if error else nullcontext(), Sink(str(tmp_path / "f")) as sink:
        sink.write(memoryview(b"x"))
        if error:
            raise error
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_file_is_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransferError) as failed:
        Sink(str(tmp_path / "link"), 0)
    assert failed.value.failure.code is Code.LOCAL_FILE
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_a_descriptor_that_is_another_file_s_by_now_is_not_opened(tmp_path, monkeypatch):
    (tmp_path / "mine").write_bytes(b"precious")
    descriptor = os.memfd_create("test")
    path = path_in_memory(descriptor)
    os.dup2(os.open(tmp_path / "mine", os.O_RDWR), descriptor)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: pytest.fail("a device, or a pipe, may do anything when it is opened"))
        with pytest.raises(TransferError, match="local-file"):
            Sink(path, 2)
        os.close(descriptor)
        with pytest.raises(TransferError, match="local-file"):
            Sink(path, 2)
    assert (tmp_path / "mine").read_bytes() == b"precious"
