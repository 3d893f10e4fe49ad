"""Versioned buckets: what was read is read again, whatever has been stored since."""

import pickle

import pytest
from contract.content import digest, noise
from metaflow.datatools.s3 import (
    MetaflowS3Exception,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    S3GetObject,
)

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

pytestmark = [pytest.mark.needs("versions"), pytest.mark.semantics]
LARGE = PART_SIZE * 3


@pytest.fixture
def s3(make_s3, versioned):
    return make_s3(s3root=f"s3://{versioned.bucket}/dir")


@pytest.fixture
def put(versioned):
    """Store a version of an object below dir/, and give its id."""
    return lambda key, body: versioned.client.put_object(Bucket=versioned.bucket, Key=f"dir/{key}", Body=body)[
        "VersionId"
    ]


def test_every_reader_returns_the_version_id(s3, put):
    put("a", b"old")
    now = put("a", b"new")
    read = [s3.get("a"), s3.info("a"), *s3.get_many(["a"]), *s3.info_many(["a"]), *s3.iter_many(["a"])]
    read += [s3.get("a", in_memory=True), *s3.get_all(return_info=True), s3.get(S3GetObject("a", 1, 1))]
    assert {one.version_id for one in read} == {now}
    assert s3.get("a", return_info=False).version_id is None
    assert s3.list_recursive()[0].version_id is None


def test_every_reader_reads_the_given_version(s3, put):
    old = put("a", b"old")
    put("a", b"newer")
    requested = S3GetObject("a", version_id=old)
    for got in (
        s3.get(requested),
        s3.get(requested, in_memory=True),
        *s3.get_many([requested]),
        *s3.iter_many([requested], keep=True),
    ):
        assert (got.blob, got.version_id, got.key) == (b"old", old, "a")
    for info in (s3.info(requested), *s3.info_many([requested])):
        assert (info.size, info.version_id) == (3, old)
    assert s3.get(S3GetObject("a", 1, 1, old)).blob == b"l"
    assert s3.get(S3GetObject("a", 3, 0, old)).blob == b""
    assert [one.blob for one in s3.get_many(["a", requested, "a"])] == [b"newer", b"old", b"newer"]
    assert [one.size for one in s3.info_many([requested, "a"])] == [3, 5]


def test_a_large_version_is_read_in_pieces(s3, put):
    old = put("a", noise(LARGE))
    put("a", b"new")
    requested = S3GetObject("a", version_id=old)
    got = s3.get(requested)
    assert digest(got.blob) == digest(noise(LARGE))
    assert got.version_id == old
    with s3.open(requested) as file:
        assert digest(file.read()) == digest(noise(LARGE))


def test_a_file_has_the_given_version(s3, put):
    empty, old = put("a", b""), put("a", b"old")
    put("a", b"newer")
    with s3.open(S3GetObject("a", version_id=old), "r") as file:
        assert file.read() == "old"
    with s3.open(S3GetObject("a", version_id=empty)) as file:
        assert file.read() == b""
    with pytest.raises(MetaflowS3Exception, match="Omit version_id"):
        s3.open(S3GetObject("a", version_id=old), "w")


def test_a_directory_gets_the_given_versions(s3, put, tmp_path):
    old, large = put("a", b"old"), put("large", noise(LARGE))
    read = s3.info("a")
    put("a", b"new")
    put("large", noise(LARGE, 1))
    [listed] = [one for one in s3.list_versions(["a"]) if not one.is_latest]
    requested = [listed, (read, "read"), (S3GetObject("a", version_id=old), "asked"), ("a", "now")]
    requested.append((S3GetObject("large", version_id=large), "large"))
    for _ in range(2):  # the second time, files are compared
        found = s3.download(requested, tmp_path)
        assert [one.version_id for one in found] == [old, old, old, None, large]
        assert [one.text for one in found[:4]] == ["old", "old", "old", "new"]
        assert digest(found[4].blob) == digest(noise(LARGE))


def test_the_first_of_two_versions_becomes_the_file(s3, put, tmp_path):
    old, new = put("a", b"old"), put("a", b"newer")
    with pytest.raises(MetaflowS3URLException, match="can't both be files") as failed:
        s3.download([(S3GetObject("a", version_id=one), "a") for one in (old, new)], tmp_path)
    [one] = failed.value.result
    assert (one.version_id, one.text) == (old, "old")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_artifact_keeps_the_version_that_was_read(s3, put):
    put("a", b"what was read")
    pinned = pickle.loads(pickle.dumps([(one.key, one.version_id) for one in s3.get_many(["a"])]))
    put("a", b"another")
    s3.delete("a")
    assert [one.text for one in s3.get_many(S3GetObject(key, version_id=it) for key, it in pinned)] == ["what was read"]
    restored = pickle.loads(pickle.dumps(s3.info(S3GetObject("a", version_id=pinned[0][1]))))
    assert restored.version_id == pinned[0][1]


def test_a_version_that_does_not_exist(s3, put):
    gone = put("a", b"gone")
    put("a", b"new")
    s3.delete("a", version_id=gone)
    requested = S3GetObject("a", version_id=gone)
    for call in (s3.get, s3.info):
        with pytest.raises(MetaflowS3NotFound):
            call(requested)
        assert not call(requested, return_missing=True).exists
    assert [one.exists for one in s3.get_many([requested, "a"], return_missing=True)] == [False, True]


@pytest.mark.parametrize("wrong", ["", 5, "line\nbreak", "spa ce", b"bytes", "ü"])
def test_invalid_version_ids(s3, put, wrong):
    put("a", b"1")
    for call in (
        lambda: s3.get(S3GetObject("a", version_id=wrong)),
        lambda: s3.info(S3GetObject("a", version_id=wrong)),
        lambda: list(s3.iter_many([S3GetObject("a", version_id=wrong)])),
        lambda: s3.delete("a", version_id=wrong),
        lambda: s3.open(S3GetObject("a", version_id=wrong)),
        lambda: s3.copy(S3GetObject("a", version_id=wrong), "b"),
    ):
        with pytest.raises(MetaflowS3URLException, match="version_id"):
            call()


# --- Lists.


@pytest.mark.needs("delete-markers")
def test_all_versions_of_an_object_with_its_delete_markers(s3, put, versioned):
    first, second = put("a", b"1"), put("a", b"22")
    for neighbour in ("a.", "ab", "a/b", "A"):
        put(neighbour, b"")
    s3.delete("a")
    marker, *others = s3.list_versions(["a"])
    assert (marker.is_delete_marker, marker.is_latest, marker.exists, marker.size) == (True, True, False, None)
    assert marker.version_id not in (None, first, second)
    assert "delete marker" in str(marker)
    assert [(one.version_id, one.size, one.is_latest, one.is_delete_marker) for one in others] == [
        (second, 2, False, False),
        (first, 1, False, False),
    ]
    assert {one.key for one in (marker, *others)} == {"a"}
    assert {one.url for one in others} == {f"s3://{versioned.bucket}/dir/a"}
    assert all(one.etag and one.last_modified and one.exists for one in others)
    assert s3.list_versions(["none"]) == s3.list_versions([]) == []


@pytest.mark.needs("delete-markers")
def test_all_versions_below_a_prefix(s3, put, make_s3, versioned):
    for key in ("a", "sub/x", "sub/x", "sub/y", "subway"):
        put(key, b"1")
    s3.delete("sub/y")
    assert [one.key for one in s3.list_versions(["sub/"])] == ["sub/x", "sub/x", "sub/y", "sub/y"]
    assert [one.key for one in s3.list_versions(["sub/y", "a"])] == ["sub/y", "sub/y", "a"]
    everything = sorted(["a", "sub/x", "sub/x", "sub/y", "sub/y", "subway"])
    assert sorted(one.key for one in s3.list_versions()) == everything
    bare = make_s3()
    assert len(bare.list_versions([f"s3://{versioned.bucket}/"])) == len(everything)
    assert len(bare.list_versions([f"s3://{versioned.bucket}/dir/a"])) == 1


def test_many_versions(s3, put):
    ids = [put("a", b"%d" % number) for number in range(5)]
    assert {one.version_id for one in s3.list_versions(["a"])} == set(ids)
    read = s3.get_many(S3GetObject(one.key, version_id=one.version_id) for one in s3.list_versions(["a"]))
    assert {one.blob for one in read} == {b"%d" % number for number in range(5)}


@pytest.mark.needs("newline-keys", "versions-of-percent-keys")
def test_ugly_keys(s3, put):
    for key in ("a b+c", "ü&<>", "100%25?", "two\nlines"):
        version = put(key, key.encode())
        assert [(one.key, one.version_id) for one in s3.list_versions([key])] == [(key, version)]


# --- Deleting.


def test_one_version_is_deleted(s3, put):
    old, new = put("a", b"old"), put("a", b"new")
    assert s3.delete("a", version_id=new) is None
    assert [one.version_id for one in s3.list_versions(["a"])] == [old]
    assert s3.get("a").blob == b"old"
    s3.delete("a", version_id=old, missing_ok=False)
    assert s3.list_versions(["a"]) == []


@pytest.mark.needs("delete-markers")
def test_an_object_is_restored_by_deleting_its_marker(s3, put):
    put("a", b"value")
    s3.delete("a")
    assert not s3.info("a", return_missing=True).exists
    [marker] = [one for one in s3.list_versions(["a"]) if one.is_delete_marker]
    s3.delete("a", version_id=marker.version_id)
    assert s3.get("a").blob == b"value"


@pytest.mark.needs("delete-markers", "head-of-a-delete-marker-is-405")
def test_a_delete_marker_has_no_data(s3, put):
    put("a", b"value")
    s3.delete("a")
    marker = s3.list_versions(["a"])[0]
    with pytest.raises(MetaflowS3Exception, match="delete marker"):
        s3.info(S3GetObject("a", version_id=marker.version_id))
    s3.delete("a", version_id=marker.version_id, missing_ok=False)
    assert s3.get("a").blob == b"value"


@pytest.mark.needs("missing-versions-are-no-errors")
def test_a_missing_version_raises_only_on_request(s3, put):
    gone = put("a", b"gone")
    put("a", b"stays")
    s3.delete("a", version_id=gone)
    s3.delete("a", version_id=gone)
    with pytest.raises(MetaflowS3NotFound):
        s3.delete("a", version_id=gone, missing_ok=False)
    assert s3.get("a").blob == b"stays"


# --- Copies.


@pytest.mark.needs("copies-of-versions")
def test_a_version_is_copied(s3, put, stored, make_s3, root):
    old = put("a", b"old")
    read = s3.get("a")
    put("a", b"new")
    s3.copy(S3GetObject("a", version_id=old), "named")
    s3.copy(read, "read")
    make_s3(s3root=root).copy(read, "elsewhere")
    assert [one.blob for one in s3.get_many(["named", "read"])] == [b"old", b"old"]
    assert stored.blob("elsewhere") == b"old"


@pytest.mark.needs("restoring-a-version")
def test_a_version_is_restored_by_a_copy_onto_itself(s3, put):
    old = put("a", b"old")
    put("a", b"new")
    s3.copy(S3GetObject("a", version_id=old), "a")
    assert s3.get("a").blob == b"old"
    assert len(s3.list_versions(["a"])) == 3


def test_a_bucket_without_versions(make_s3, root, stored):
    s3 = make_s3(s3root=root)
    stored.put("a", b"1")
    assert s3.get("a").version_id is None
    assert [(one.version_id, one.is_latest) for one in s3.list_versions(["a"])] == [("null", True)]
