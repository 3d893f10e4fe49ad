"""`if_match` replaces an object only if it is still the version that was read."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from contract.content import digest, noise
from metaflow.datatools import MetaflowS3PreconditionFailed
from metaflow.datatools.s3 import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    S3PutObject,
)

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

pytestmark = pytest.mark.semantics

LARGE = PART_SIZE + 1


def put(s3, path, key, blob, etag):
    s3.put(key, blob, if_match=etag)


def put_many(s3, path, key, blob, etag):
    assert [stored for stored, _ in s3.put_many([S3PutObject(key, blob, if_match=etag)])] == [key]


def put_files(s3, path, key, blob, etag):
    path.write_bytes(blob)
    assert [stored for stored, _ in s3.put_files([S3PutObject(key, path=str(path), if_match=etag)])] == [key]


each_write = pytest.mark.parametrize("write", [put, put_many, put_files], ids=lambda verb: verb.__name__)
each_size = pytest.mark.parametrize("size", [5, pytest.param(LARGE, id="in parts")])


@pytest.fixture
def local(tmp_path):
    return tmp_path / "local"


@pytest.mark.needs("uploads-with-if-match")
@each_size
@each_write
def test_an_unchanged_object_is_replaced(s3, stored, local, write, size):
    stored.put("k", b"old")
    write(s3, local, "k", noise(size), s3.get("k").etag)
    assert digest(stored.blob("k")) == digest(noise(size))


@pytest.mark.needs("uploads-with-if-match")
@each_write
def test_one_after_the_other(s3, stored, local, write):
    stored.put("k", b"0")
    for number in range(1, 4):
        write(s3, local, "k", b"%d" % number, s3.info("k").etag)
    assert stored.blob("k") == b"3"


@pytest.mark.needs("uploads-with-if-match")
def test_without_its_quotes(s3, stored):
    stored.put("k", b"old")
    s3.put("k", b"new", if_match=s3.get("k").etag.strip('"'))
    assert stored.blob("k") == b"new"


@each_size
@each_write
def test_changed_objects_are_kept(s3, root, stored, local, write, size):
    stored.put("k", b"old")
    etag = s3.get("k").etag
    stored.put("k", b"changed", ContentType="text/x-changed")

    with pytest.raises(MetaflowS3PreconditionFailed) as raised:
        write(s3, local, "k", noise(size), etag)

    assert stored.blob("k") == b"changed"
    assert stored.head("k")["ContentType"] == "text/x-changed"
    assert stored.list() == {"k"}
    message = str(raised.value)
    for part in (f"{root}/k", "has been changed since", etag, stored.head("k")["ETag"], "Get the object again"):
        assert part in message
    assert (raised.value.url, raised.value.s3_code) == (f"{root}/k", "PreconditionFailed")
    assert isinstance(raised.value, MetaflowS3Exception)


@each_size
@each_write
def test_deleted_objects_are_not_created_again(s3, root, stored, local, write, size):
    stored.put("k", b"old")
    etag = s3.get("k").etag
    stored.delete("k")
    with pytest.raises(MetaflowS3NotFound, match=r"/k failed.*object to replace"):
        write(s3, local, "k", noise(size), etag)
    assert stored.list() == set()


@pytest.mark.needs("uploads-with-if-match")
def test_headers_of_a_replaced_object(s3, stored):
    stored.put("k", b"old", ContentType="text/x-old")
    s3.put("k", b"new", content_type="text/x-new", metadata={"a": 1}, if_match=s3.get("k").etag)
    info = s3.info("k")
    assert (info.content_type, info.metadata) == ("text/x-new", {"a": 1})


@pytest.mark.needs("uploads-with-if-match")
def test_it_is_no_metadata(s3, stored):
    stored.put("k", b"old")
    s3.put("k", b"new", if_match=s3.get("k").etag)
    assert s3.get("k").metadata is None


@pytest.mark.needs("uploads-with-if-match")
def test_an_object_with_its_own_in_put(s3, stored):
    stored.put("k", b"old")
    etag = s3.get("k").etag
    s3.put(S3PutObject("k", if_match=etag), b"new")
    assert stored.blob("k") == b"new"
    with pytest.raises(MetaflowS3PreconditionFailed):
        s3.put(S3PutObject("k", if_match=etag), b"newer")


@pytest.mark.needs("uploads-with-if-match")
def test_many_each_with_its_own(s3, root, stored):
    stored.put_all({"a": b"1", "b": b"2", "c": b"3"})
    infos = {one.key: one.etag for one in s3.info_many(["a", "b", "c"])}
    items = [S3PutObject("c", b"33", if_match=infos["c"]), ("new", b"4"), S3PutObject("a", b"11", if_match=infos["a"])]
    assert s3.put_many(items) == [(key, f"{root}/{key}") for key in ("c", "new", "a")]
    assert stored.blobs() == {"a": b"11", "b": b"2", "c": b"33", "new": b"4"}


@pytest.mark.needs("uploads-with-if-match")
def test_one_of_many_that_has_been_changed(s3, stored):
    keys = [str(number) for number in range(30)]
    stored.put_all(dict.fromkeys(keys, b"old"))
    infos = {one.key: one.etag for one in s3.info_many(keys)}
    stored.put("17", b"changed")
    with pytest.raises(MetaflowS3PreconditionFailed, match="/17 "):
        s3.put_many([S3PutObject(key, b"new", if_match=infos[key]) for key in keys])
    assert stored.blob("17") == b"changed"


@pytest.mark.needs("conditional-replacements")
@pytest.mark.parametrize("same", [False, True], ids=["different bytes", "the same bytes"])
def test_one_of_many_concurrent_uploads_wins(make_s3, root, stored, same):
    """Also if all store equal bytes: a counter must not take the 6 of another client for its own."""
    stored.put("k", b"old")
    clients = [make_s3(s3root=root) for _ in range(8)]
    etag = clients[0].get("k").etag
    blobs = [b"new" if same else b"%d" % number for number in range(len(clients))]

    with ThreadPoolExecutor(len(clients)) as pool:
        wins = list(pool.map(lambda number: _replaces(clients[number], blobs[number], etag), range(len(clients))))

    assert wins.count(True) == 1
    assert stored.blob("k") == blobs[wins.index(True)]


def _replaces(s3, blob, etag):
    try:
        s3.put("k", blob, if_match=etag)
    except MetaflowS3PreconditionFailed:
        return False
    return True


@pytest.mark.needs("conditional-replacements")
def test_no_change_is_lost(make_s3, root, stored):
    """The loop of docs/conditional_writes.md, in several threads at the same time."""
    stored.put("count", b"0")
    clients = [make_s3(s3root=root) for _ in range(4)]

    def count(s3):
        for _ in range(5):
            while True:
                old = s3.get("count")
                if _counts(s3, old):
                    break

    def _counts(s3, old):
        try:
            s3.put("count", str(int(old.text) + 1), if_match=old.etag)
        except MetaflowS3PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(count, clients))
    assert stored.blob("count") == b"20"


@each_write
def test_overwriting_nothing_and_replacing_exclude_one_another(s3, stored, local, write):
    stored.put("k", b"old")
    etag = s3.get("k").etag
    local.write_bytes(b"new")
    calls = {
        put: lambda: s3.put("k", b"new", overwrite=False, if_match=etag),
        put_many: lambda: s3.put_many([S3PutObject("k", b"new", if_match=etag)], overwrite=False),
        put_files: lambda: s3.put_files([S3PutObject("k", path=str(local), if_match=etag)], overwrite=False),
    }
    with pytest.raises(MetaflowS3InvalidObject, match="one of them"):
        calls[write]()
    assert stored.blob("k") == b"old"


def test_a_key_that_is_given_twice_is_refused_before_anything_is_stored(s3, stored):
    stored.put("k", b"old")
    etag = s3.get("k").etag
    for other in (("k", b"2"), S3PutObject("k", b"2", if_match=etag)):
        with pytest.raises(MetaflowS3InvalidObject, match=r"'k' has an if_match and is given 2 times"):
            s3.put_many([("other", b"1"), S3PutObject("k", b"1", if_match=etag), other])
    assert stored.blobs() == {"k": b"old"}


@pytest.mark.needs("signatures")
@each_write
def test_a_denied_head_is_an_error(make_s3, server, root, stored, local, write):
    stored.put("k", b"old")
    denied = make_s3(s3root=root, client_params={**server.client_params(), "aws_secret_access_key": "wrong"})
    with pytest.raises(MetaflowS3AccessDenied):
        write(denied, local, "k", b"new", stored.head("k")["ETag"])
    assert stored.blob("k") == b"old"


@each_write
def test_a_missing_bucket_is_an_error(make_s3, local, write):
    nowhere = make_s3(s3root="s3://no-such-bucket-of-the-contract/x")
    with pytest.raises(MetaflowS3NotFound, match="no-such-bucket-of-the-contract"):
        write(nowhere, local, "k", b"new", '"etag"')
