"""`S3.info` and `S3.info_many`: HEAD requests, without downloads."""

import random

import pytest
from metaflow.datatools.s3 import MetaflowS3NotFound, S3GetObject


def info(s3, *key, **kwargs):
    return s3.info(*key, **kwargs)


def info_many(s3, key=None, **kwargs):
    (one,) = s3.info_many([key], **kwargs)
    return one


both_verbs = pytest.mark.parametrize("verb", [info, info_many], ids=["info", "info_many"])


@both_verbs
def test_every_field(s3, root, stored, verb):
    stored.put("a/b", b"12345", ContentType="text/x-test")

    got = verb(s3, "a/b")

    assert (got.url, got.prefix, got.key) == (f"{root}/a/b", root, "a/b")
    assert (got.exists, got.downloaded, got.has_info) == (True, False, True)
    assert (got.size, got.content_type, got.metadata) == (5, "text/x-test", None)
    assert got.encryption == stored.head("a/b").get("ServerSideEncryption")
    assert (got.path, got.blob, got.text, got.range_info) == (None, None, None, None)
    assert got.last_modified == int(stored.head("a/b")["LastModified"].timestamp())


@both_verbs
def test_a_full_url(bare, root, stored, verb):
    stored.put("a", b"12345")
    got = verb(bare, f"{root}/a")
    assert (got.url, got.prefix, got.key, got.size) == (f"{root}/a", None, f"{root}/a", 5)


@both_verbs
def test_no_key_is_the_object_at_the_root(make_s3, root, stored, verb):
    stored.put("single", b"12345")
    got = verb(make_s3(s3root=f"{root}/single"))
    assert (got.url, got.prefix, got.key, got.size) == (f"{root}/single", None, f"{root}/single", 5)


@both_verbs
def test_an_empty_object_exists(s3, stored, verb):
    stored.put("empty", b"")
    got = verb(s3, "empty")
    assert (got.exists, got.downloaded, got.size) == (True, False, 0)


@both_verbs
def test_a_missing_key_is_an_error_that_names_the_url(s3, root, verb):
    with pytest.raises(MetaflowS3NotFound) as error:
        verb(s3, "nowhere")
    assert f"{root}/nowhere" in str(error.value)


@both_verbs
def test_return_missing_returns_a_missing_key(s3, root, verb):
    got = verb(s3, "nowhere", return_missing=True)
    assert (got.url, got.prefix, got.key) == (f"{root}/nowhere", root, "nowhere")
    assert (got.exists, got.downloaded, got.has_info, got.size) == (False, False, False, None)
    assert (got.content_type, got.metadata, got.last_modified) == (None, None, None)


@pytest.mark.needs("prefixes-are-no-objects")
@both_verbs
def test_a_directory_is_no_object(s3, stored, verb):
    stored.put("dir/file", b"x")
    assert verb(s3, "dir", return_missing=True).exists is False


@both_verbs
def test_a_range_has_the_size_of_the_whole_object(s3, stored, verb):
    # Metaflow's own class takes the key of an S3GetObject here, and leaves the range alone.
    stored.put("k", b"0123456789")
    got = verb(s3, S3GetObject("k", 2, 3))
    assert (got.key, got.size, got.range_info) == ("k", 10, None)


def test_the_order_of_hundreds_of_keys(s3):
    sizes = {f"{number:03}": number for number in range(220)}
    s3.put_many((key, b"x" * size) for key, size in sizes.items())
    requested = random.Random(2).sample(sorted(sizes), len(sizes))

    got = s3.info_many(requested)

    assert [(o.key, o.size) for o in got] == [(key, sizes[key]) for key in requested]


def test_duplicates_and_missing_keys_in_place(s3, root, stored):
    stored.put_all({"a": b"1", "b": b"22"})

    got = s3.info_many(["b", "no", "a", "b", "no"], return_missing=True)

    assert [(o.key, o.exists, o.size) for o in got] == [
        ("b", True, 2),
        ("no", False, None),
        ("a", True, 1),
        ("b", True, 2),
        ("no", False, None),
    ]
    assert [o.url for o in got if not o.exists] == [f"{root}/no"] * 2


def test_one_missing_key_is_an_error_that_names_it(s3, root, stored):
    stored.put_all({"a": b"1", "b": b"2"})
    with pytest.raises(MetaflowS3NotFound) as error:
        s3.info_many(["a", "nowhere", "b"])
    assert f"{root}/nowhere" in str(error.value)


@pytest.mark.parametrize("shape", [tuple, iter], ids=["tuple", "iterator"])
def test_keys_may_be_anything_that_gives_keys(s3, stored, shape):
    stored.put_all({"a": b"1", "b": b"22"})
    assert [o.size for o in s3.info_many(shape(["b", "a"]))] == [2, 1]


@pytest.mark.parametrize("none", [[], iter([])], ids=["list", "iterator"])
def test_no_keys_no_objects(s3, none):
    assert s3.info_many(none) == []


@both_verbs
def test_no_files_are_left_on_disk(s3, stored, tmproot, verb):
    stored.put("a", b"12345")
    before = {path for path in tmproot.rglob("*") if path.is_file()}
    verb(s3, "a")
    s3.close()
    assert {path for path in tmproot.rglob("*") if path.is_file()} == before == set()
