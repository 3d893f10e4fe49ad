"""`in_memory=True`: bytes without files."""

import copy
import os
import pickle
from pathlib import Path

import pytest
from contract.content import noise
from metaflow.datatools.s3 import MetaflowS3InvalidRange, MetaflowS3NotFound, RangeInfo, S3GetObject

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

LARGE = noise(2 * PART_SIZE + 12345)


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_one_object(s3, root, stored, tmproot):
    stored.put("a", "één".encode(), ContentType="text/x-one")
    got = s3.get("a", in_memory=True)
    assert (got.url, got.key, got.blob, got.text, got.size) == (f"{root}/a", "a", "één".encode(), "één", 5)
    assert (got.exists, got.downloaded, got.has_info) == (True, True, True)
    assert (got.content_type, got.range_info) == ("text/x-one", RangeInfo(5, 0, 5))
    assert "in memory" in repr(got)
    assert files_below(tmproot) == []


def test_many_objects_in_their_order(s3, tmproot):
    blobs = {f"{number:03}": os.urandom(number * 37) for number in range(150)}
    s3.put_many(blobs.items())
    requested = [*reversed(sorted(blobs)), "007", "007"]
    assert [(one.key, one.blob) for one in s3.get_many(requested, in_memory=True)] == [
        (key, blobs[key]) for key in requested
    ]
    assert files_below(tmproot) == []


@pytest.mark.parametrize("call", ["get", "get_many", "get_recursive", "get_all", "iter_many", "iter_recursive"])
def test_an_object_in_pieces(s3, stored, tmproot, call):
    stored.put("d/large", LARGE)
    requested = {"get": ["d/large"], "get_all": [], "get_recursive": [["d"]], "iter_recursive": [["d"]]}
    got = getattr(s3, call)(*requested.get(call, [["d/large"]]), in_memory=True)
    (one,) = [got] if call == "get" else got
    assert one.blob == LARGE
    assert files_below(tmproot) == []


def test_a_file_is_created_on_first_use_of_its_path(s3, stored, tmproot):
    stored.put("a.csv", b"1,2")
    got = s3.get("a.csv", in_memory=True)
    path = got.path
    assert path.endswith("a.csv")
    assert got.path == path
    assert files_below(tmproot)[0].read_bytes() == b"1,2"
    assert (got.blob, got.downloaded) == (b"1,2", True)
    s3.close()
    assert not os.path.exists(path)
    assert got.blob == b"1,2"


def test_empty_objects(s3, stored):
    stored.put_all({"empty": b"", "full": b"x"})
    got = s3.get_many(["empty", "full", S3GetObject("full", 1, 0)], in_memory=True)
    assert [(one.blob, one.size, one.downloaded) for one in got] == [(b"", 0, True), (b"x", 1, True), (b"", 0, True)]
    assert os.path.getsize(got[0].path) == 0


def test_ranges(s3, stored):
    stored.put("a", LARGE)
    requested = [S3GetObject("a", 5, 10), S3GetObject("a", 100, 2 * PART_SIZE), S3GetObject("a", None, -7)]
    got = s3.get_many(requested, in_memory=True)
    assert [one.blob for one in got] == [LARGE[5:15], LARGE[100 : 100 + 2 * PART_SIZE], LARGE[-7:]]
    with pytest.raises(MetaflowS3InvalidRange):
        s3.get(S3GetObject("a", len(LARGE) + 1, 1), in_memory=True)


def test_missing_keys(s3, stored):
    stored.put("a", b"1")
    with pytest.raises(MetaflowS3NotFound):
        s3.get("no", in_memory=True)
    got = s3.get_many(["no", "a"], return_missing=True, in_memory=True)
    assert [(one.exists, one.downloaded, one.blob, one.path is None) for one in got] == [
        (False, False, None, True),
        (True, True, b"1", False),
    ]


@pytest.mark.parametrize("made_before", [False, True])
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_gets_its_own_file_on_first_use_of_its_path(s3, stored, tmp_path, monkeypatch, copied, made_before):
    monkeypatch.setattr(temporary_directory, "_spare", temporary_directory.TemporaryDirectory(str(tmp_path)))
    stored.put("a.csv", b"1")
    one = s3.get("a.csv", in_memory=True)
    before = one.path if made_before else None
    other = copied(one)
    s3.close()
    assert (other.blob, other.key, other.downloaded, other.exists) == (b"1", "a.csv", True, True)
    assert other.path != before
    assert other.path.endswith("a.csv")
    assert Path(other.path).read_bytes() == b"1"
    temporary_directory._spare.remove()
