"""Tests of which files are downloaded again, according to the times in listings and headers."""

import os

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception
from plans.carrying_out import carry_out

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.api.file_download import FileDownload, WantedFile
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

THEN = 1_700_000_000  # seconds; when the files were delivered


class Executor:
    """Executes plans on objects of 3 bytes with the same Last-Modified, and records the requests."""

    part_size = 100

    def __init__(self, modified):
        self.modified = modified
        self.requests = []

    def run(self, plan, place):
        self.requests += [job.operation for job in carry_out(plan, self._answer)]

    def _answer(self, job):
        info = ObjectInfo(3, '"e"', None, {}, self.modified, None)
        if job.operation == "head":
            return info
        with open(job.arguments["path"], "wb") as file:
            file.write(b"new")
        return GetResponse(info, 0, 3, 3)


@pytest.mark.parametrize(
    ("file", "listed", "headers", "heads", "gets"),
    [
        (THEN, THEN, THEN, 0, 0),
        (THEN, THEN + 0.999, THEN, 0, 0),  # the headers have it without the fraction
        (THEN, THEN - 0.4, THEN, 10, 0),  # or rounded up
        (THEN, THEN + 1, THEN, 10, 0),
        (THEN, THEN + 1, THEN + 1, 10, 10),
        (THEN, None, THEN, 10, 0),  # nothing that can be read
        (THEN, THEN + 60, THEN + 60, 4, 10),  # changed since
        (THEN, THEN - 60, THEN - 60, 4, 10),  # also to an older one
        (THEN, THEN + 3600, THEN, 10, 0),  # a server whose listings have another clock
        (THEN + 0.5, THEN, THEN, 0, 10),  # somebody has written to the file
    ],
)
def test_a_listing_shows_which_files_are_up_to_date(tmp_path, file, listed, headers, heads, gets):
    names = [f"d/{number}" for number in range(10)]
    (tmp_path / "d").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"old")
        os.utime(tmp_path / name, (file, file))
    executor = Executor(headers)
    download = FileDownload(str(tmp_path), executor)
    got = download.fetch([WantedFile(f"s3://b/m/{name}", name, 3, listed) for name in names], True)
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


def test_a_directory_without_permission_to_write(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(temporary_directory.tempfile, "mkdtemp", refuse)
    with pytest.raises(MetaflowS3Exception, match=r"Permission denied\). Downloads need a directory"):
        FileDownload(str(tmp_path), Executor(THEN)).fetch([WantedFile("s3://b/m/a", "a", 3)], True)
