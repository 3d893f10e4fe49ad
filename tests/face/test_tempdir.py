"""Tests of the temporary directory."""

import errno
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_extensions.fasts3.face import ownership, tempdir
from metaflow_extensions.fasts3.face.errors import MetaflowS3Exception, MetaflowS3InsufficientDiskSpace
from metaflow_extensions.fasts3.face.tempdir import TemporaryDirectory


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


def test_a_directory_that_somebody_removed_is_made_anew(tmp_path):
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
        (errno.ENOSPC, MetaflowS3InsufficientDiskSpace, "Make room"),
        (errno.EDQUOT, MetaflowS3InsufficientDiskSpace, "Make room"),
        (errno.EMFILE, MetaflowS3Exception, "ulimit -n"),
        (errno.EROFS, MetaflowS3Exception, "Set `tmproot`"),
    ],
)
def test_what_keeps_a_file_from_being_made_is_told(tmp_path, monkeypatch, number, error, remedy):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    directory = TemporaryDirectory(str(tmp_path))
    path = directory.file("k")
    monkeypatch.setattr(tempdir.os, "open", refuse)
    monkeypatch.setattr(ownership.tempfile, "mkdtemp", refuse)
    for refused in (lambda: tempdir.make_empty(path), TemporaryDirectory(str(tmp_path)).path):
        with pytest.raises(error, match=f"{tmp_path}.*{os.strerror(number)}.*{remedy}"):
            refused()


def test_an_empty_file_is_made_where_there_is_none(tmp_path):
    (tmp_path / "there").write_text("x")
    tempdir.make_empty(str(tmp_path / "there"))
    tempdir.make_empty(str(tmp_path / "new"))
    assert [(tmp_path / name).read_text() for name in ("there", "new")] == ["x", ""]
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


LEFT_OPEN = """
import os, sys
import metaflow
from metaflow_extensions.fasts3.face.tempdir import TemporaryDirectory
directory = TemporaryDirectory(sys.argv[1])
open(directory.file("k"), "w").close()
if os.fork() == 0:
    sys.exit(0)  # runs the child's exit handlers, which must leave the parent's files alone
os.wait()
print(len(os.listdir(directory.path())))
"""


def test_the_end_of_the_process_removes_what_was_left_and_that_of_a_child_does_not(tmp_path):
    done = subprocess.run([sys.executable, "-c", LEFT_OPEN, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert os.listdir(tmp_path) == []
