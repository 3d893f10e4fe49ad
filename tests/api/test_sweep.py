"""Tests of abandoned temporary directories: those of killed processes are removed, and no others."""

import os
import select
import signal
import subprocess
import sys

import pytest

from metaflow_extensions.fasts3.api import temporary_directory

HOLDER = """
import os, sys
import metaflow
from metaflow_extensions.fasts3.api import temporary_directory
path = temporary_directory.make_directory(sys.argv[1])
open(os.path.join(path, "1-0-file"), "w").close()
child = os.fork() if "fork" in sys.argv else None
if child != 0:
    print(path, child, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def a_new_start(monkeypatch):
    """Sweep as in a new process."""
    monkeypatch.setattr(temporary_directory, "_swept", set())


@pytest.fixture
def holder(tmp_path):
    """A process that has a temporary directory, and how to kill it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_the_directory_of_a_killed_process_is_removed_by_the_next(tmp_path, holder):
    path = holder.stdout.readline().split()[0]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert os.listdir(path) == ["1-0-file"]
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_directories_in_use_stay(tmp_path, holder):
    path = holder.stdout.readline().split()[0]
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(path) == ["1-0-file"]


def test_a_child_keeps_the_files_of_its_killed_parent(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path, "fork"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline().split()[1])
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        temporary_directory.sweep(str(tmp_path))
        assert len(os.listdir(tmp_path)) == 1
        gone = os.pidfd_open(child)
        os.kill(child, signal.SIGKILL)
        select.select([gone], [], [], 10)
        os.close(gone)
    temporary_directory._swept.clear()
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_only_directories_with_a_lock_are_touched(tmp_path):
    kept = ["metaflow.s3.abc", ".metaflow.s3.new.abc", "locked", "metaflow.s3.locked.a_file"]
    for name in kept[:3]:
        (tmp_path / name).mkdir()
    (tmp_path / kept[3]).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (tmp_path / ".metaflow.s3.locked.link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".metaflow.s3.locked.left").mkdir()
    temporary_directory.sweep(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "elsewhere", ".metaflow.s3.locked.link"])
    assert os.listdir(tmp_path / "elsewhere") == ["precious"]


def test_a_link_inside_is_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    left = tmp_path / "root" / ".metaflow.s3.locked.left"
    left.mkdir(parents=True)
    (left / "1-0-link").symlink_to(tmp_path / "precious")
    temporary_directory.sweep(str(tmp_path / "root"))
    assert os.listdir(tmp_path / "root") == []
    assert os.listdir(tmp_path / "precious") == ["file"]


def test_directories_of_other_users_stay(tmp_path, monkeypatch):
    (tmp_path / ".metaflow.s3.locked.theirs").mkdir()
    monkeypatch.setattr(temporary_directory.os, "geteuid", lambda: 12345)
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == [".metaflow.s3.locked.theirs"]


def test_without_locks_nothing_is_claimed(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(temporary_directory.fcntl, "flock", unsupported)
    path = temporary_directory.make_directory(str(tmp_path))
    assert not os.path.basename(path).startswith(temporary_directory.LOCKED)
    monkeypatch.undo()
    temporary_directory._swept.clear()
    temporary_directory.sweep(str(tmp_path))
    assert os.path.isdir(path)


def test_descriptors_are_given_back_and_not_spent_without_end(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    paths = [temporary_directory.make_directory(str(tmp_path)) for _ in range(temporary_directory.MOST_LOCKS + 20)]
    assert len(os.listdir("/proc/self/fd")) <= before + temporary_directory.MOST_LOCKS
    for path in paths:
        temporary_directory.remove_directory(path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("other", ["thesis.tex", "1-0-directory/", ".git/", "1-a", "-1-0-x"])
def test_directories_with_other_names_stay(tmp_path, other):
    """Without a sticky bit, another user can rename any directory of this user to one of our names."""
    theirs = tmp_path / ".metaflow.s3.locked.renamed"
    theirs.mkdir()
    (theirs / other).mkdir() if other.endswith("/") else (theirs / other).touch()
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(theirs) == [other.rstrip("/")]


def test_a_directory_that_changes_places_while_it_is_swept(tmp_path, monkeypatch):
    left, precious = tmp_path / ".metaflow.s3.locked.left", tmp_path / "precious"
    for folder in (left, precious):
        folder.mkdir()
        (folder / "1-0-file").touch()
    locked = temporary_directory.fcntl.flock

    def flock_and_swap(*args):
        locked(*args)
        left.rename(tmp_path / "aside")
        precious.rename(left)

    monkeypatch.setattr(temporary_directory.fcntl, "flock", flock_and_swap)
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(left) == ["1-0-file"]
    assert os.listdir(tmp_path / "aside") == []


def test_a_pipe_does_not_stop_the_sweep(tmp_path):
    os.mkfifo(tmp_path / ".metaflow.s3.locked.pipe")
    left = tmp_path / ".metaflow.s3.locked.left"
    left.mkdir()
    os.mkfifo(left / "1-0-pipe")
    temporary_directory.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == [".metaflow.s3.locked.pipe"]


def test_another_name_for_a_file_does_not_take_the_file_away(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("data")
    left = tmp_path / ".metaflow.s3.locked.left"
    left.mkdir()
    os.link(precious, left / "1-0-file")
    temporary_directory.sweep(str(tmp_path))
    assert precious.read_text() == "data"
    assert os.listdir(tmp_path) == ["precious"]


@pytest.mark.parametrize("taken_by", ["a file", "a link", "a full directory"])
def test_another_process_takes_the_name_first(tmp_path, monkeypatch, taken_by):
    """Another user who watches the root can read the name of a new directory and be faster."""
    made = temporary_directory.tempfile.mkdtemp

    def mkdtemp_before_a_neighbour(**given):
        path = made(**given)
        name = path.replace(temporary_directory._NOT_YET, temporary_directory.LOCKED)
        if taken_by == "a file":
            open(name, "w").close()
        elif taken_by == "a link":
            os.symlink("/nowhere", name)
        else:
            os.makedirs(f"{name}/full")
        return path

    monkeypatch.setattr(temporary_directory.tempfile, "mkdtemp", mkdtemp_before_a_neighbour)
    path = temporary_directory.make_directory(str(tmp_path))
    assert os.path.isdir(path)
    assert not os.path.islink(path)
    assert os.listdir(path) == []
    assert os.stat(path).st_mode & 0o777 == 0o700
    temporary_directory.remove_directory(path)


def test_an_open_umask_opens_nothing(tmp_path):
    before = os.umask(0)
    try:
        path = temporary_directory.make_directory(str(tmp_path))
    finally:
        os.umask(before)
    assert os.stat(path).st_mode & 0o777 == 0o700
    temporary_directory.remove_directory(path)
