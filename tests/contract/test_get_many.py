"""`S3.get_many`: many objects, in the order requested."""

import random

import pytest
from metaflow.datatools.s3 import MetaflowS3NotFound, RangeInfo, S3GetObject


def test_every_field_of_each_object(s3, root, stored):
    stored.put("a/x", b"one", ContentType="text/x-one")
    stored.put("b/x", b"three", ContentType="text/x-two")

    a, b = s3.get_many(["a/x", "b/x"])

    assert (a.url, a.prefix, a.key) == (f"{root}/a/x", root, "a/x")
    assert (b.url, b.prefix, b.key) == (f"{root}/b/x", root, "b/x")
    assert (a.blob, a.size, a.content_type) == (b"one", 3, "text/x-one")
    assert (b.blob, b.size, b.content_type) == (b"three", 5, "text/x-two")
    assert (a.range_info, b.range_info) == (RangeInfo(3, 0, 3), RangeInfo(5, 0, 5))
    assert a.exists
    assert a.downloaded
    assert a.has_info
    assert a.last_modified == int(stored.head("a/x")["LastModified"].timestamp())


def test_full_urls(bare, root, stored):
    stored.put_all({"a": b"1", "b": b"2"})

    got = bare.get_many([f"{root}/b", f"{root}/a"])

    assert [(o.url, o.prefix, o.key, o.blob) for o in got] == [
        (f"{root}/b", None, f"{root}/b", b"2"),
        (f"{root}/a", None, f"{root}/a", b"1"),
    ]


def test_the_order_of_hundreds_of_keys(s3):
    blobs = {f"{number:03}": b"%d" % number for number in range(230)}
    s3.put_many(blobs.items())
    requested = random.Random(1).sample(sorted(blobs), len(blobs))

    got = s3.get_many(requested)

    assert [o.key for o in got] == requested
    assert [o.blob for o in got] == [blobs[key] for key in requested]


@pytest.mark.parametrize("return_info", [True, False])
def test_each_duplicate_is_returned(s3, stored, return_info):
    stored.put_all({"a": b"1", "b": b"22"})

    got = s3.get_many(["a", "b", "a", "a", "b"], return_info=return_info)

    assert [(o.key, o.blob, o.has_info) for o in got] == [
        (key, {"a": b"1", "b": b"22"}[key], return_info) for key in "abaab"
    ]


def test_one_missing_key_is_an_error_that_names_it(s3, root, stored):
    stored.put_all({"a": b"1", "b": b"2"})
    with pytest.raises(MetaflowS3NotFound, match="nowhere") as error:
        s3.get_many(["a", "nowhere", "b"])
    assert f"{root}/nowhere" in str(error.value)


@pytest.mark.parametrize("return_info", [True, False])
def test_return_missing_keeps_the_order_of_keys(s3, root, stored, return_info):
    stored.put_all({"a": b"1", "b": b""})

    got = s3.get_many(["no", "a", "no/2", "b", "no"], return_missing=True, return_info=return_info)

    assert [(o.key, o.exists, o.downloaded, o.blob, o.size) for o in got] == [
        ("no", False, False, None, None),
        ("a", True, True, b"1", 1),
        ("no/2", False, False, None, None),
        ("b", True, True, b"", 0),
        ("no", False, False, None, None),
    ]
    assert [(o.url, o.prefix) for o in got if not o.exists] == [
        (f"{root}/no", root),
        (f"{root}/no/2", root),
        (f"{root}/no", root),
    ]


def test_only_missing_keys(s3):
    assert [o.exists for o in s3.get_many(["no", "never"], return_missing=True)] == [False, False]


def test_without_info_there_is_only_the_data(s3, stored):
    stored.put("a", b"data", ContentType="text/x-test")

    (got,) = s3.get_many(["a"], return_info=False)

    assert (got.blob, got.size, got.exists, got.downloaded, got.has_info) == (b"data", 4, True, True, False)
    assert (got.content_type, got.metadata, got.range_info, got.last_modified) == (None, None, None, None)


@pytest.mark.parametrize("shape", [list, tuple, iter, dict.fromkeys], ids=["list", "tuple", "iterator", "dict"])
def test_keys_may_be_anything_that_gives_keys(s3, stored, shape):
    stored.put_all({"a": b"1", "b": b"2"})
    assert [o.blob for o in s3.get_many(shape(["b", "a"]))] == [b"2", b"1"]


@pytest.mark.parametrize("none", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_no_keys_no_objects(s3, none):
    assert s3.get_many(none) == []


def test_no_keys_at_all_even_without_a_root(bare):
    assert bare.get_many([]) == []


def test_empty_objects_among_others(s3, stored):
    stored.put_all({"empty": b"", "full": b"x"})

    got = s3.get_many(["empty", "full", "empty"])

    assert [(o.exists, o.size, o.blob, o.range_info) for o in got] == [
        (True, 0, b"", RangeInfo(0, 0, 0)),
        (True, 1, b"x", RangeInfo(1, 0, 1)),
        (True, 0, b"", RangeInfo(0, 0, 0)),
    ]


def test_strings_and_get_objects_in_one_call(s3, stored):
    stored.put("a", b"0123456789")

    got = s3.get_many(["a", S3GetObject("a", 2, 3), S3GetObject("a", None, None)])

    assert [o.blob for o in got] == [b"0123456789", b"234", b"0123456789"]


def test_none_is_the_object_at_the_root(make_s3, root, stored):
    stored.put("single", b"x")
    (got,) = make_s3(s3root=f"{root}/single").get_many([None])
    assert (got.blob, got.prefix, got.key) == (b"x", None, f"{root}/single")


def test_results_do_not_change_with_the_next_download(s3, stored):
    stored.put("a", b"first")
    (first,) = s3.get_many(["a"])
    stored.put("a", b"second time")
    (second,) = s3.get_many(["a"])

    assert (first.blob, second.blob) == (b"first", b"second time")


def test_equal_names_in_different_directories_are_different_files(s3, stored):
    blobs = {f"{folder}/part.bin": folder.encode() for folder in ("a", "b", "a/b", "b/a")}
    stored.put_all(blobs)

    got = s3.get_many(blobs)

    assert {o.key: o.blob for o in got} == blobs
    assert len({o.path for o in got}) == len(blobs)
