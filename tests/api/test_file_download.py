"""Tests of which files are downloaded again, according to the times in listings and headers."""

import errno
import os

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception
from plans.carrying_out import carry_out

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.api.file_download import FileDownload, WantedFile
from metaflow_extensions.fasts3.api.file_times import SECOND, fraction_of
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

THEN = 1_700_000_000  # seconds; the time of the object when its file was delivered
WHOLE = THEN * SECOND  # nanoseconds; the file's time, from another program or on a file system without fractions
OURS = WHOLE + fraction_of("e")


class Executor:
    """Executes plans on objects of 3 bytes with the same Last-Modified and ETag, and records the requests."""

    part_size = 100

    def __init__(self, modified, etag='"e"'):
        self.modified, self.etag = modified, etag
        self.requests = []

    def run(self, plan, place):
        self.requests += [job.operation for job in carry_out(plan, self._answer)]

    def _answer(self, job):
        info = ObjectInfo(3, self.etag, None, {}, self.modified, None)
        if job.operation == "head":
            return info
        with open(job.arguments["path"], "wb") as file:
            file.write(b"new")
        return GetResponse(info, 0, 3, 3)


@pytest.mark.parametrize(
    ("file", "listed", "headers", "heads", "gets"),
    [
        (OURS, (THEN, "e"), (THEN, '"e"'), 0, 0),
        (WHOLE, (THEN, "e"), (THEN, '"e"'), 0, 0),
        (OURS, (THEN + 0.999, '"e"'), (THEN, '"e"'), 0, 0),  # the headers have it without the fraction
        (OURS, (THEN - 0.4, "e"), (THEN, '"e"'), 10, 0),  # or rounded up
        (OURS, (THEN + 1, "e"), (THEN, '"e"'), 10, 0),
        (OURS, (THEN + 1, "e"), (THEN + 1, '"e"'), 10, 10),
        (OURS, (None, "e"), (THEN, '"e"'), 10, 0),  # nothing that can be read
        (OURS, (THEN, ""), (THEN, '"e"'), 10, 0),
        (OURS, (THEN, "of listings"), (THEN, '"e"'), 10, 0),
        (OURS, (THEN, "f"), (THEN, '"f"'), 4, 10),  # changed within the second, or another object of it
        (WHOLE, (THEN + 60, "e"), (THEN + 60, '"e"'), 4, 10),  # changed since
        (OURS, (THEN + 60, "e"), (THEN + 60, '"e"'), 4, 10),
        (OURS, (THEN - 60, "e"), (THEN - 60, '"e"'), 4, 10),  # also to an older one
        (OURS, (THEN + 3600, "e"), (THEN, '"e"'), 10, 0),  # a server whose listings have another clock
        (WHOLE + SECOND // 2, (THEN, "e"), (THEN, '"e"'), 4, 10),  # somebody has written to the file
    ],
)
def test_a_listing_shows_which_files_are_up_to_date(tmp_path, file, listed, headers, heads, gets):
    names = [f"d/{number}" for number in range(10)]
    (tmp_path / "d").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"old")
        os.utime(tmp_path / name, ns=(file, file))
    executor = Executor(*headers)
    download = FileDownload(str(tmp_path), executor)
    got = download.fetch([WantedFile(f"s3://b/m/{name}", name, 3, *listed) for name in names], True)
    assert [one.is_new for one in got] == [bool(gets)] * 10
    assert (executor.requests.count("head"), executor.requests.count("get")) == (heads, gets)
    assert {(tmp_path / name).read_bytes() for name in names} == {b"new" if gets else b"old"}


def test_times_are_wanted_only_where_there_are_files_to_compare(tmp_path):
    download = FileDownload(str(tmp_path / "d"), Executor(THEN))
    assert not download.wants_times(True)
    (tmp_path / "d").mkdir()
    assert not download.wants_times(True)
    (tmp_path / "d" / "file").write_bytes(b"")
    assert download.wants_times(True)
    assert not download.wants_times(False)


@pytest.mark.parametrize("function", ["chmod", "utime"])
def test_a_file_system_without_permissions_or_times(tmp_path, monkeypatch, function):
    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(f"os.{function}", refuse)
    download = FileDownload(str(tmp_path), Executor(THEN))
    [got] = download.fetch([WantedFile("s3://b/m/a", "a", 3)], True)
    assert got.is_new
    assert (tmp_path / "a").read_bytes() == b"new"
    assert not download.left_out.reasons


def test_a_directory_without_permission_to_write(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(temporary_directory.tempfile, "mkdtemp", refuse)
    with pytest.raises(MetaflowS3Exception, match=r"Permission denied\). Downloads need a directory"):
        FileDownload(str(tmp_path), Executor(THEN)).fetch([WantedFile("s3://b/m/a", "a", 3)], True)
