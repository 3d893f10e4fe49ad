"""Tests of files without a name."""

import errno
import io
import os
import subprocess
import sys
import threading

import pytest

from metaflow_extensions.fasts3.api import unnamed_files
from metaflow_extensions.fasts3.api.unnamed_files import MemoryFiles
from metaflow_extensions.fasts3.wire import local_files
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.sinks import Sink
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo


def no_memory_files(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)


def a_sandbox(monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)


def no_proc(monkeypatch):
    stat = os.stat

    def missing(path, **more):
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", missing)


def another_pid_namespace(monkeypatch):
    """/proc belongs to another PID namespace, where this process id is another process."""
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    monkeypatch.setattr(local_files.os, "getpid", lambda: other.pid)
    yield
    other.communicate(b"\n")


def not_dumpable(monkeypatch):
    """After setuid, for one, /proc has a process's descriptors for the process itself only."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)


ON_DISK = [no_memory_files, a_sandbox, no_proc, another_pid_namespace, not_dumpable]


@pytest.fixture(params=[None, *ON_DISK], ids=lambda why: why.__name__ if why else "in_memory")
def files(request, tmp_path, monkeypatch):
    if not request.param and not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")
    ready = request.param(monkeypatch) if request.param else None
    if ready:
        next(ready)
    with MemoryFiles(lambda key: str(tmp_path / "file")) as files:
        yield files
    assert list(tmp_path.iterdir()) == []
    if ready:
        assert next(ready, None) is None


def response(body, length):
    return GetResponse(ObjectInfo(length, "", None, {}, 0, None), 0, length, len(body), body=body)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_all_pieces_are_in_one_file(files):
    before = descriptors()
    path = files.make(response(b"01234", 12))
    for position, data in ((9, b"9ab"), (5, b"5678")):
        with Sink(path, position) as sink:
            sink.write(memoryview(data))
    assert os.path.exists(path) == (files._files[path] is None)  # on the disk only where it has to be
    assert files.take(path) == b"0123456789ab"
    assert descriptors() == before


def test_unused_files_are_closed(files):
    before = descriptors()
    files.drop(files.make(response(b"0", 100)))
    files.make(response(b"0", 100))
    files.__exit__()
    assert descriptors() == before


def test_threads_after_the_end_create_and_take_no_files(files):
    before = descriptors()
    path = files.make(response(b"0", 100))
    files.__exit__()
    with pytest.raises(Interrupted):
        files.make(response(b"0", 100))
    with pytest.raises(Interrupted):
        files.take(path)
    files.drop(path)
    assert descriptors() == before


def test_the_end_waits_for_threads_that_fill_files(files, monkeypatch):
    filling, go_on = threading.Event(), threading.Event()

    def fill(descriptor, _):
        filling.set()
        go_on.wait(10)
        assert os.pwrite(descriptor, b"still open", 0)
        written.append(descriptor)

    monkeypatch.setattr(unnamed_files, "_fill", fill)
    written = []
    maker = threading.Thread(target=files.make, args=(response(b"0", 100),))
    maker.start()
    assert filling.wait(10)
    ended = threading.Thread(target=files.__exit__)
    ended.start()
    go_on.set()
    for thread in (maker, ended):
        thread.join(10)
    assert len(written) == 1


def test_many_large_objects_leave_descriptors_to_others(files, monkeypatch, tmp_path):
    monkeypatch.setattr(unnamed_files, "MOST", 3)
    names = iter(range(100))
    files._name = lambda key: str(tmp_path / str(next(names)))
    before = descriptors()
    paths = [files.make(response(b"%d" % number, 5)) for number in range(10)]
    assert descriptors() <= before + 3
    assert [files.take(path)[:1] for path in paths] == [b"%d" % number for number in range(10)]
    assert descriptors() == before


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 2500])
def test_bytes_are_taken_without_taking_their_memory_twice(tmp_path, monkeypatch, size):
    taken = []  # bytes in memory and in the file, after each read

    class Watched(io.FileIO):
        read = 0

        def readinto(self, view):
            count = super().readinto(view[:700])  # as the system may: fewer bytes than requested
            self.read += count
            taken.append(self.read + os.fstat(self.fileno()).st_size)
            return count

    monkeypatch.setattr(unnamed_files, "STEP", 1000)
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    with Watched(str(tmp_path / "file"), "r+") as file:
        assert unnamed_files._moved(file) == content
    assert max(taken, default=0) <= size + 1000
