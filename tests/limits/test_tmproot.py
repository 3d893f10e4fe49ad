"""An unusable temporary directory raises an error that names it; the client works again once it is usable."""

import os
import shutil
import tempfile

import pytest
from limits.small_disk import can_be_made
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, S3GetObject

BLOB = b"x" * 1000
KEYS = ["a", "b", "c"]

CALLS = {
    "get": lambda s3: [s3.get(key) for key in KEYS],
    "get_many": lambda s3: s3.get_many(KEYS),
    "a range of no bytes": lambda s3: [s3.get(S3GetObject("a", 0, 0))],
}


@pytest.fixture(params=CALLS)
def call(request, stored):
    stored.put_all(dict.fromkeys(KEYS, BLOB))
    return CALLS[request.param]


@pytest.mark.parametrize("why", ["not there", "a file", "not for us"])
def test_no_directory_can_be_created(why, call, make_s3, tmp_path):
    where = {"not there": tmp_path / "no" / "such", "a file": tmp_path / "file", "not for us": "/sys"}[why]
    (tmp_path / "file").touch()
    with pytest.raises(MetaflowS3Exception, match=f"in '{where}'.*Set `tmproot`"):
        call(make_s3(where))


def test_a_working_directory_that_takes_no_files(stored, root, seaweedfs, tmp_path, monkeypatch):
    stored.put_all(dict.fromkeys(KEYS, BLOB))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    monkeypatch.chdir("/proc")
    with S3(s3root=root, client_params=seaweedfs.client_params()) as s3:
        got = [s3.get("a"), *s3.get_many(KEYS)]
        assert all(one.path.startswith(f"{tmp_path}/system/.metaflow.s3.") for one in got)
    assert os.listdir(tmp_path / "system") == []


def test_a_root_that_is_removed_and_created_between_calls(call, make_s3, tmproot):
    s3 = make_s3(tmproot)
    call(s3)
    shutil.rmtree(tmproot)
    with pytest.raises(MetaflowS3Exception, match=f"in '{tmproot}'"):
        call(s3)
    tmproot.mkdir()
    assert all(os.path.exists(got.path) for got in call(s3))
    s3.close()
    assert os.listdir(tmproot) == []


def test_only_the_directory_is_created_again(call, make_s3, tmproot):
    s3 = make_s3(tmproot)
    first = call(s3)
    shutil.rmtree(os.path.dirname(first[0].path))
    assert all(os.path.exists(got.path) for got in call(s3))
    s3.close()
    assert os.listdir(tmproot) == []


@pytest.mark.parametrize("many", [False, True], ids=["get", "get_many"])
def test_a_directory_that_is_removed_during_a_call(many, make_s3, stored, tmproot, monkeypatch):
    stored.put_all(dict.fromkeys(KEYS, BLOB))
    s3 = make_s3(tmproot)
    path = s3._tempdir.path
    monkeypatch.setattr(s3._tempdir, "path", lambda: (path(), os.rmdir(path()))[0])
    with pytest.raises(MetaflowS3Exception, match=f"GetObject of s3://.*{tmproot}.*Set `tmproot`"):
        s3.get_many(KEYS) if many else s3.get("a")


def test_the_working_directory_is_gone(run, stored):
    stored.put_all(dict.fromkeys(KEYS, BLOB))
    done = run(
        """
        os.mkdir("here")
        os.chdir("here")
        here = S3(s3root=options["root"], client_params=options["params"], tmproot=".")
        print(here.get("a").size)
        here.close()
        os.rmdir(os.getcwd())
        for call in lambda: here.get("a"), lambda: here.get_many(["a", "b"]):
            try:
                call()
            except MetaflowS3Exception as error:
                print(error)
        print(sum(got.size for got in s3.get_many(["a", "b"])))
        """
    )
    first, *refused, last = done.stdout.splitlines()
    assert (first, last) == ("1000", "2000")
    assert len(refused) == 2
    assert all("in '.'" in message and "tmproot" in message for message in refused)


if can_be_made():

    def test_a_disk_that_can_only_be_read(call, make_s3, small_disk):
        disk = small_disk("size=1m")
        s3 = make_s3(disk.path)
        call(s3)
        disk.remount("ro")
        with pytest.raises(MetaflowS3Exception, match=r"Read-only file system.*Set `tmproot`"):
            call(s3)
        disk.remount("rw")
        assert all(os.path.exists(got.path) for got in call(s3))
        s3.close()
        assert os.listdir(disk.path) == []
