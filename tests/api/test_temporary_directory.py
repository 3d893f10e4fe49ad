"""Tests of the temporary directory."""

import errno
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, MetaflowS3InsufficientDiskSpace
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory


@given(key=st.text(max_size=2000))
def test_no_key_leads_anywhere_else(tmp_path_factory, key):
    directory = TemporaryDirectory(str(tmp_path_factory.getbasetemp()))
    file = directory.file(key)
    assert os.path.dirname(os.path.normpath(file)) == directory.path()
    directory.remove()
    assert len(os.path.basename(file)) < 100
    assert os.path.basename(file).isascii()


def test_names_differ_and_keep_the_extension(tmp_path):
    directory = TemporaryDirectory(str(tmp_path))
    files = [directory.file("a/data.parquet") for _ in range(100)]
    assert len(set(files)) == 100
    assert all(file.endswith("data.parquet") for file in files)


def test_it_is_made_late_for_its_owner_only_and_made_again(tmp_path):
    directory = TemporaryDirectory(str(tmp_path))
    assert os.listdir(tmp_path) == []
    first = directory.path()
    assert stat.S_IMODE(os.stat(first).st_mode) == 0o700
    directory.remove()
    directory.remove()
    assert os.listdir(tmp_path) == []
    assert directory.path() != first


def test_a_removed_directory_is_created_again(tmp_path):
    directory = TemporaryDirectory(str(tmp_path))
    first = directory.path()
    os.rmdir(first)
    os.symlink(tmp_path, first)  # what a neighbour would put in its place
    assert directory.path() != first
    assert os.path.isdir(directory.path())


def test_a_root_that_is_not_there_is_named():
    with pytest.raises(MetaflowS3Exception, match=r"/no/such/directory.*tmproot"):
        TemporaryDirectory("/no/such/directory").path()


@pytest.mark.parametrize(
    ("number", "error", "remedy"),
    [
        (errno.ENOSPC, MetaflowS3InsufficientDiskSpace, "Free disk space"),
        (errno.EDQUOT, MetaflowS3InsufficientDiskSpace, "Free disk space"),
        (errno.EMFILE, MetaflowS3Exception, "ulimit -n"),
        (errno.EROFS, MetaflowS3Exception, "Set `tmproot`"),
    ],
)
def test_the_error_names_what_prevents_a_new_file(tmp_path, monkeypatch, number, error, remedy):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    directory = TemporaryDirectory(str(tmp_path))
    path = directory.file("k")
    monkeypatch.setattr(temporary_directory.os, "open", refuse)
    monkeypatch.setattr(temporary_directory.tempfile, "mkdtemp", refuse)
    for refused in (lambda: temporary_directory.make_empty(path), TemporaryDirectory(str(tmp_path)).path):
        with pytest.raises(error, match=f"{tmp_path}.*{os.strerror(number)}.*{remedy}"):
            refused()


def test_an_empty_file_is_made_where_there_is_none(tmp_path):
    (tmp_path / "there").write_text("x")
    temporary_directory.make_empty(str(tmp_path / "there"))
    temporary_directory.make_empty(str(tmp_path / "new"))
    assert [(tmp_path / name).read_text() for name in ("there", "new")] == ["x", ""]
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.parametrize("configured", [".", "/somewhere"])
def test_the_default_working_directory_may_be_read_only(configured, tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_directory.tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir("/proc")  # takes no directories
    directory = TemporaryDirectory(*temporary_directory.roots(configured))
    if configured == ".":
        assert os.path.dirname(directory.path()) == str(tmp_path)
        directory.remove()
    else:  # a mistake is not covered up
        with pytest.raises(MetaflowS3Exception, match="in '/somewhere'"):
            directory.path()
    assert os.listdir(tmp_path) == []


def test_a_machine_without_any_directory_that_can_be_written(monkeypatch):
    def refuse():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(temporary_directory.tempfile, "gettempdir", refuse)
    assert temporary_directory.roots(".") == (".",)


def test_the_error_names_all_unusable_roots():
    with pytest.raises(MetaflowS3Exception, match="in '/proc' or '/no/such/directory'"):
        TemporaryDirectory("/proc", "/no/such/directory").path()


def test_a_full_disk_is_not_left_for_another(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(temporary_directory.tempfile, "mkdtemp", refuse)
    with pytest.raises(MetaflowS3InsufficientDiskSpace, match=f"in '{tmp_path}' "):
        TemporaryDirectory(str(tmp_path), "/tmp").path()


def test_file_browsers_do_not_show_it(tmp_path):
    directory = TemporaryDirectory(str(tmp_path))
    assert os.path.basename(directory.path()).startswith(".metaflow.s3.locked.")
    directory.remove()


def test_the_directory_is_removed_while_others_still_write(tmp_path, monkeypatch):
    """As workers do, and threads, when one thread closes a client that another one uses."""
    directory = TemporaryDirectory(str(tmp_path))
    name = directory.namer()
    rmdir = os.rmdir

    def rmdir_after_one_more_file(path, **more):
        for make in (lambda: open(name("late"), "w").close(), lambda: temporary_directory.make_empty(name("late"))):
            with pytest.raises((FileNotFoundError, MetaflowS3Exception)):
                make()
        rmdir(path, **more)

    open(name("k"), "w").close()
    monkeypatch.setattr(os, "rmdir", rmdir_after_one_more_file)
    directory.remove()
    assert os.listdir(tmp_path) == []


LEFT_OPEN = """
import os, sys
import metaflow
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory
directory = TemporaryDirectory(sys.argv[1])
open(directory.file("k"), "w").close()
if os.fork() == 0:
    sys.exit(0)  # runs the child's exit handlers, which must leave the parent's files alone
os.wait()
print(len(os.listdir(directory.path())))
"""
GOES_ON = """
import atexit, contextlib, sys, threading
import metaflow
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory
started = threading.Event()
def work():
    while True:
        with contextlib.suppress(FileNotFoundError):  # removed in between
            open(TemporaryDirectory(sys.argv[1]).file("k"), "w").close()
        started.set()
def go_on():  # an exit handler that runs after those of this package
    thread.join(30)
    print(thread.is_alive())
atexit._clear()
atexit.register(go_on)
from metaflow_extensions.fasts3.api import temporary_directory
atexit.register(temporary_directory._end)
thread = threading.Thread(target=work, daemon=True)
threading.excepthook = lambda told: print(told.exc_type.__name__)
thread.start()
started.wait()
"""
IN_A_CHILD = """
import multiprocessing, sys
import metaflow
from metaflow_extensions.fasts3.api.temporary_directory import TemporaryDirectory
def work():
    open(TemporaryDirectory(sys.argv[1]).file("k"), "w").close()
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
print(child.exitcode)
"""
ENDS = {
    "a forked child": (LEFT_OPEN, "1\n"),
    "a thread goes on": (GOES_ON, "SystemExit\nFalse\n"),
    "multiprocessing": (IN_A_CHILD, "0\n"),
}


@pytest.mark.parametrize(("script", "output"), ENDS.values(), ids=ENDS)
def test_the_end_of_the_process_removes_what_was_left_open(tmp_path, script, output):
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == output
    assert os.listdir(tmp_path) == []
