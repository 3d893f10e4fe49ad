"""`S3.copy`, `S3.copy_many` and `S3.copy_recursive`: S3 copies, and what is copied is what was meant."""

import re

import pytest
from contract.content import digest, noise
from contract.test_keys import body_of, directories_for, keys_for
from metaflow.datatools import MetaflowS3PreconditionFailed
from metaflow.datatools.s3 import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    S3GetObject,
)

from metaflow_extensions.fasts3.plans import copies
from metaflow_extensions.fasts3.plans.pieces import LEAST_PART

LARGE = 2 * LEAST_PART + 12_345


@pytest.fixture(params=[5, pytest.param(LARGE, marks=pytest.mark.needs("part-copies"), id="in parts")])
def size(request, monkeypatch):
    monkeypatch.setattr(copies, "COPY_STEP", LEAST_PART)
    return request.param


@pytest.fixture
def s3(make_s3, root):
    return make_s3(s3root=root, part_size=LEAST_PART)


# --- One.


@pytest.mark.needs("copies-keep-headers")
def test_one_object_with_all_that_is_stored_with_it(s3, root, stored, size):
    headers = {"ContentType": "text/x-a", "CacheControl": "max-age=3", "ContentDisposition": "inline"}
    stored.put("a", noise(size), Metadata={"theirs": "1"}, **headers)

    assert s3.copy("a", "b") == f"{root}/b"

    head = stored.head("b")
    assert digest(stored.blob("b")) == digest(noise(size))
    assert {name: head.get(name) for name in headers} == headers
    assert head["Metadata"] == {"theirs": "1"}
    assert stored.open_uploads() == []


def test_an_empty_object(s3, stored):
    stored.put("a", b"")
    s3.copy("a", "b")
    assert stored.blobs() == {"a": b"", "b": b""}


@pytest.mark.needs("copies-keep-headers", "copies-replace-headers")
def test_given_headers_replace_those_of_the_source(s3, stored, size):
    s3.put("a", noise(size), content_type="text/x-a", metadata={"n": 1})
    s3.copy("a", "type", content_type="text/x-b")
    s3.copy("a", "metadata", metadata={"m": [2]})
    s3.copy("a", "none", metadata={})
    infos = {one.key: (one.content_type, one.metadata) for one in s3.info_many(["type", "metadata", "none"])}
    assert infos == {
        "type": ("text/x-b", {"n": 1}),
        "metadata": ("text/x-a", {"m": [2]}),
        "none": ("text/x-a", None),
    }
    assert digest(stored.blob("metadata")) == digest(noise(size))


@pytest.mark.needs("sse")
def test_encryption(make_s3, s3, root, stored, size):
    stored.put("plain", noise(size))
    stored.put("kept", noise(size), ServerSideEncryption="AES256")
    s3.copy("plain", "given", encryption="AES256")
    make_s3(s3root=root, encryption="AES256", part_size=LEAST_PART).copy("plain", "of the client")
    s3.copy("kept", "of the source")
    for key in ("given", "of the client", "of the source"):
        assert stored.head(key)["ServerSideEncryption"] == "AES256"
        assert digest(stored.blob(key)) == digest(noise(size))


@pytest.mark.needs("copies-onto-themselves")
def test_headers_of_an_object_are_changed_in_place(s3, stored):
    s3.put("a", b"value", content_type="text/x-a", metadata={"n": 1})
    s3.copy("a", "a", content_type="text/x-b")
    got = s3.get("a")
    assert (got.blob, got.content_type, got.metadata) == (b"value", "text/x-b", {"n": 1})


def test_a_copy_onto_itself_that_changes_nothing(s3, bare, root, stored):
    stored.put("a", b"value")
    for call in (lambda: s3.copy("a", "a"), lambda: bare.copy(f"{root}/a", f"{root}/a")):
        with pytest.raises(MetaflowS3InvalidObject, match="both the source and the copy"):
            call()
    with pytest.raises(MetaflowS3InvalidObject, match="both the source and the copy"):
        s3.copy_recursive(root)


def test_a_missing_source(s3, root, stored):
    with pytest.raises(MetaflowS3NotFound, match=re.escape(f"{root}/none")):
        s3.copy("none", "b")
    assert stored.list() == set()


@pytest.mark.needs("copy-to-a-missing-bucket-is-404")
def test_a_missing_bucket_of_the_copy(bare, root, stored):
    stored.put("a", b"x")
    with pytest.raises(MetaflowS3NotFound, match="no-such-bucket-of-the-contract"):
        bare.copy(f"{root}/a", "s3://no-such-bucket-of-the-contract/a")


def test_a_missing_bucket_of_the_source(bare, root):
    with pytest.raises(MetaflowS3NotFound, match="no-such-bucket-of-the-contract"):
        bare.copy("s3://no-such-bucket-of-the-contract/a", f"{root}/b")


@pytest.mark.needs("signatures")
def test_no_permission(make_s3, server, root, stored):
    stored.put("a", b"x")
    denied = make_s3(s3root=root, client_params={**server.client_params(), "aws_secret_access_key": "wrong"})
    with pytest.raises(MetaflowS3AccessDenied):
        denied.copy("a", "b")
    assert stored.list() == {"a"}


# --- Where a source may be.


def test_a_source_may_be_a_url_also_for_a_client_with_a_root(s3, bare, root, stored, own_bucket):
    own_bucket.put("theirs", b"theirs")
    assert s3.copy(f"s3://{own_bucket.bucket}/theirs", "mine") == f"{root}/mine"
    bare.copy(f"{root}/mine", f"s3://{own_bucket.bucket}/back")
    assert stored.blobs() == {"mine": b"theirs"}
    assert own_bucket.blobs() == {"theirs": b"theirs", "back": b"theirs"}


def test_in_parts_to_another_bucket(s3, bare, root, stored, own_bucket, size):
    stored.put("a", noise(size))
    bare.copy(f"{root}/a", f"s3://{own_bucket.bucket}/a")
    assert digest(own_bucket.blob("a")) == digest(noise(size))


def test_a_source_may_be_an_s3object_of_another_client(make_s3, s3, root, stored):
    other = make_s3(s3root=f"{root}/other")
    stored.put_all({"other/a": b"1", "other/dir/b": b"2", "c": b"3"})
    s3.copy(other.get("a"), "got")
    s3.copy(other.info("a"), "seen")
    copied = s3.copy_many((obj, f"new/{obj.key}") for obj in other.list_recursive())
    assert copied == [(f"new/{key}", f"{root}/new/{key}") for key in ("a", "dir/b")]
    assert {key: stored.blob(key) for key in ("got", "seen", "new/a", "new/dir/b")} == {
        "got": b"1",
        "seen": b"1",
        "new/a": b"1",
        "new/dir/b": b"2",
    }


@pytest.mark.parametrize("source", [lambda s3: S3GetObject("a", 1, 2), lambda s3: s3.get(S3GetObject("a", 1, 2))])
def test_a_range_is_no_source(s3, stored, source):
    stored.put("a", b"value")
    with pytest.raises(MetaflowS3InvalidObject, match="range"):
        s3.copy(source(s3), "b")


def test_wrong_keys(s3, bare, root, stored):
    stored.put("a", b"x")
    for call in (
        lambda: s3.copy("a", f"{root}/b"),
        lambda: bare.copy("a", f"{root}/b"),
        lambda: bare.copy(f"{root}/a", "b"),
        lambda: s3.copy(5, "b"),
        lambda: bare.copy(f"{root}/a", None),
        lambda: s3.copy(f"{root}/a", "b" * 2000),
    ):
        with pytest.raises(MetaflowS3URLException):
            call()
    for pairs in (["ab"], [("a",)], [5], [("a", "b", "c")]):
        with pytest.raises(MetaflowS3InvalidObject, match="pair"):
            s3.copy_many(pairs)
    with pytest.raises(MetaflowS3URLException):
        s3.copy_many("ab")
    with pytest.raises(MetaflowS3Exception, match="overwrite"):
        s3.copy("a", "b", overwrite="no")
    assert stored.list() == {"a"}


def test_ugly_keys(s3, stored, server):
    for number, key in enumerate(keys_for(server)):
        stored.put(key, body_of(key))
        s3.copy(key, f"copies/{number}")
        s3.copy(f"copies/{number}", f"{number}/{key}")
        assert stored.blob(f"copies/{number}") == stored.blob(f"{number}/{key}") == body_of(key)
        stored.delete(key)


# --- Conditions.


@pytest.mark.needs("copy-source-conditions")
def test_the_source_must_be_the_one_that_was_read(s3, root, stored, size):
    stored.put("a", noise(size))
    read = s3.info("a")
    s3.copy("a", "same", if_match=read.etag)
    stored.put("a", b"changed")
    for call in (lambda: s3.copy("a", "other", if_match=read.etag), lambda: s3.copy(read, "other")):
        with pytest.raises(MetaflowS3PreconditionFailed, match="source has been changed") as raised:
            call()
        assert raised.value.url == f"{root}/a"
    s3.copy(read.url, "current")
    assert stored.list() == {"a", "same", "current"}
    assert stored.blob("current") == b"changed"


def test_existing_objects_are_not_overwritten(s3, root, stored, size):
    stored.put_all({"a": noise(size), "old": b"old"})
    assert s3.copy("a", "old", overwrite=False) == f"{root}/old"
    pairs = [("a", "old"), ("a", "new"), ("old", "new")]
    assert s3.copy_many(pairs, overwrite=False) == [("new", f"{root}/new")]
    assert stored.blob("old") == b"old"
    assert digest(stored.blob("new")) == digest(noise(size))
    assert stored.open_uploads() == []


@pytest.mark.needs("copies-keep-headers")
def test_a_copy_that_does_not_overwrite_keeps_everything(s3, stored, size):
    s3.put("a", noise(size), content_type="text/x-a", metadata={"n": 1})
    s3.copy("a", "b", overwrite=False)
    info = s3.info("b")
    assert (info.size, info.content_type, info.metadata) == (size, "text/x-a", {"n": 1})


# --- Many.


def test_many_objects(s3, root, stored):
    stored.put_all({str(number): b"%d" % number for number in range(30)})
    copied = s3.copy_many((str(number), f"copy/{number}") for number in range(30))
    assert copied == [(f"copy/{number}", f"{root}/copy/{number}") for number in range(30)]
    assert {key: stored.blob(f"copy/{key}") for key in map(str, range(30))} == {
        str(number): b"%d" % number for number in range(30)
    }
    assert s3.copy_many([]) == []


def test_a_key_that_is_given_twice(s3, root, stored):
    stored.put_all({"1": b"1", "2": b"2"})
    assert s3.copy_many([("1", "k"), ("2", "k")]) == [("k", f"{root}/k")] * 2
    assert stored.blob("k") == b"2"
    s3.copy_many([("1", "first"), ("2", "first")], overwrite=False)
    assert stored.blob("first") == b"1"


def test_those_that_fail_are_named_and_the_others_copied(s3, root, stored):
    stored.put_all({"a": b"a", "c": b"c"})
    with pytest.raises(MetaflowS3NotFound) as raised:
        s3.copy_many([("a", "1"), ("none", "2"), ("c", "3"), ("nor this", "4")])
    assert set(raised.value.failed) == {f"{root}/none", f"{root}/nor this"}
    assert "2 of 4 objects were not copied" in str(raised.value)
    assert stored.list() == {"a", "c", "1", "3"}


# --- All below a prefix.

TREE = {"log/0": b"zero", "log/deep/1": b"one", "log_other/x": b"other", "lo": b"shorter"}


def test_all_below_a_prefix(s3, bare, root, stored, own_bucket):
    stored.put_all(TREE)
    to = f"s3://{own_bucket.bucket}/to"
    assert s3.copy_recursive("log", "copy") == [(f"copy/{key}", f"{root}/copy/{key}") for key in ("0", "deep/1")]
    assert bare.copy_recursive(f"{root}/log/", to) == [(f"{to}/{key}",) * 2 for key in ("0", "deep/1")]
    assert s3.copy_recursive(f"s3://{own_bucket.bucket}/to") == [(key, f"{root}/{key}") for key in ("0", "deep/1")]
    copied = {"0": b"zero", "deep/1": b"one"}
    assert own_bucket.blobs() == {f"to/{key}": blob for key, blob in copied.items()}
    assert stored.blobs() == {**TREE, **copied, **{f"copy/{key}": blob for key, blob in copied.items()}}


def test_into_itself(s3, stored):
    stored.put_all(TREE)
    s3.copy_recursive("log", "log/copy")
    assert stored.list() == {*TREE, "log/copy/0", "log/copy/deep/1"}


def test_a_directory_of_a_listing(s3, stored):
    stored.put_all(TREE)
    [directory] = [one for one in s3.list_paths() if one.key == "log"]
    s3.copy_recursive(directory, "copy")
    assert stored.list() == {*TREE, "copy/0", "copy/deep/1"}


def test_nothing_below_a_prefix(s3, stored):
    stored.put_all(TREE)
    with pytest.raises(MetaflowS3NotFound, match="No objects under"):
        s3.copy_recursive("lo", "copy")
    assert stored.list() == set(TREE)


def test_keys_that_become_too_long_do_not_stop_the_others(s3, root, stored):
    deep = "/".join(["d" * 200] * 3)
    stored.put_all({f"a/{deep}": b"deep", "a/b": b"b"})
    long = "/".join(["l" * 200] * 2)
    with pytest.raises(MetaflowS3URLException, match="1024") as raised:
        s3.copy_recursive("a", long)
    assert set(raised.value.failed) == {f"{root}/a/{deep}"}
    assert stored.blob(f"{long}/b") == b"b"


def test_ugly_prefixes(s3, stored, server):
    for number, name in enumerate(directories_for(server)):
        stored.put(f"{name}/leaf", name.encode())
        assert len(s3.copy_recursive(name, f"copies/{number}")) == 1
        assert stored.blob(f"copies/{number}/leaf") == name.encode()
        stored.delete(f"{name}/leaf")


def test_existing_objects_below_a_prefix_are_not_overwritten(s3, root, stored):
    stored.put_all({"a/1": b"new", "a/2": b"new", "b/1": b"old"})
    assert s3.copy_recursive("a", "b", overwrite=False) == [("b/2", f"{root}/b/2")]
    assert stored.blob("b/1") == b"old"


# --- Headers.


@pytest.mark.needs("copies-keep-headers", "copies-replace-headers", "storage-classes", "tags")
def test_extra_args_replace_those_of_the_source(s3, stored, size):
    stored.put("a", noise(size), CacheControl="max-age=3", ContentDisposition="inline", ContentType="text/x-a")
    given = {"CacheControl": "no-store", "StorageClass": "STANDARD_IA", "Tagging": {"team": "data"}}
    s3.copy("a", "one", extra_args=given)
    s3.copy_many([("a", "many")], extra_args=given)
    s3.copy_recursive("", "below", extra_args=given)
    for key in ("one", "many", "below/a"):
        head = stored.head(key)
        assert (head["CacheControl"], head["StorageClass"]) == ("no-store", "STANDARD_IA")
        assert (head["ContentDisposition"], head["ContentType"]) == ("inline", "text/x-a")
        tags = stored.client.get_object_tagging(Bucket=stored.bucket, Key=stored.prefix + key)["TagSet"]
        assert tags == [{"Key": "team", "Value": "data"}]
        assert digest(stored.blob(key)) == digest(noise(size))


@pytest.mark.needs("tags", "tag-count")
def test_tags_are_kept(s3, stored, size):
    tags = {"team": "data/more=1", "level": "a b"}
    s3.put("a", noise(size), extra_args={"Tagging": tags})
    s3.copy("a", "b")
    s3.copy("a", "c", overwrite=False, metadata={"n": 1})
    for key in ("b", "c"):
        tag_set = stored.client.get_object_tagging(Bucket=stored.bucket, Key=stored.prefix + key)["TagSet"]
        assert {one["Key"]: one["Value"] for one in tag_set} == tags
        assert digest(stored.blob(key)) == digest(noise(size))
