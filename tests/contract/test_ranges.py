"""Ranges: `S3GetObject(key, offset, length)` is `object[key][offset:offset + length]`."""

from collections import namedtuple
from types import SimpleNamespace

import pytest
from case import case
from metaflow.datatools.s3 import MetaflowS3InvalidRange, MetaflowS3NotFound, RangeInfo, S3GetObject
from metaflow.exception import MetaflowException

BODY = b"0123456789"

# offset, length, the bytes, range_info's request_offset
RANGES = {
    "offset only": (3, None, b"3456789", 3),
    "offset 0": (0, None, BODY, 0),
    "the last byte": (9, None, b"9", 9),
    "length only": (None, 4, b"0123", 0),
    "both": (2, 5, b"23456", 2),
    "one byte": (0, 1, b"0", 0),
    "all of it": (0, 10, BODY, 0),
    "more than there is": (0, 100, BODY, 0),
    "over the end": (8, 5, b"89", 8),
    "tail": (None, -3, b"789", 7),
    "tail, whatever the offset": (4, -3, b"789", 7),
    "tail of one byte": (None, -1, b"9", 9),
    "tail as long as the object": (None, -10, BODY, 0),
    "neither": (None, None, BODY, 0),
}
LONG_TAILS = {"tail longer than the object": (None, -25, BODY, 0)}  # needs suffix-ranges-of-short-objects


def get_one(s3, what):
    return s3.get(what)


def get_one_of_many(s3, what):
    return s3.get_many([what])[0]


both_verbs = pytest.mark.parametrize("get", [get_one, get_one_of_many], ids=["get", "get_many"])


@both_verbs
def test_a_range(s3, root, stored, server, get):
    stored.put("k", BODY)
    ranges = {**RANGES, **({} if "suffix-ranges-of-short-objects" in server.lacks else LONG_TAILS)}
    for name, (offset, length, expected, start) in ranges.items():
        with case(name):
            got = get(s3, S3GetObject("k", offset, length))
            assert (got.blob, got.size) == (expected, len(expected))
            assert got.range_info == RangeInfo(len(BODY), start, len(expected))
            assert (got.key, got.prefix, got.url) == ("k", root, f"{root}/k")
            assert (got.exists, got.downloaded, got.has_info) == (True, True, True)


def test_range_info_has_names(s3, stored):
    stored.put("k", BODY)
    info = s3.get(S3GetObject("k", 2, 3)).range_info
    assert (info.total_size, info.request_offset, info.request_length) == (10, 2, 3)


@both_verbs
def test_beyond_the_end_is_an_error_that_names_the_url(s3, root, stored, get):
    stored.put("k", BODY)
    for offset, length in ((10, None), (10, 1), (11, 5), (10**12, None)):
        with case(offset, length):
            with pytest.raises(MetaflowS3InvalidRange) as error:
                get(s3, S3GetObject("k", offset, length))
            assert f"{root}/k" in str(error.value)


@both_verbs
def test_an_empty_object_has_no_range(s3, stored, get):
    stored.put("empty", b"")
    for offset, length in ((0, 5), (3, None)):
        with case(offset, length), pytest.raises(MetaflowS3InvalidRange):
            get(s3, S3GetObject("empty", offset, length))


@both_verbs
def test_an_empty_object_without_a_range_is_just_empty(s3, stored, get):
    stored.put("empty", b"")
    for offset in (None, 0):
        with case(offset):
            got = get(s3, S3GetObject("empty", offset, None))
            assert (got.exists, got.blob, got.range_info) == (True, b"", RangeInfo(0, 0, 0))


@both_verbs
def test_length_zero_is_no_bytes(s3, stored, get):
    # HTTP has no empty ranges: Metaflow's own class requests `2-1`, which raises in the end.
    stored.put("k", BODY)
    for offset in (None, 0, 2):
        with case(offset):
            got = get(s3, S3GetObject("k", offset, 0))
            assert (got.exists, got.blob, got.size) == (True, b"", 0)
            assert got.range_info == RangeInfo(len(BODY), offset or 0, 0)


@both_verbs
def test_length_zero_beyond_the_end_is_an_error(s3, stored, get):
    stored.put("k", BODY)
    with pytest.raises(MetaflowS3InvalidRange):
        get(s3, S3GetObject("k", 11, 0))


@both_verbs
def test_a_negative_offset_never_gives_wrong_bytes(s3, stored, get):
    stored.put("k", BODY)
    with pytest.raises(MetaflowException):
        get(s3, S3GetObject("k", -3, None))


@both_verbs
def test_a_range_of_a_missing_key(s3, root, get):
    with pytest.raises(MetaflowS3NotFound) as error:
        get(s3, S3GetObject("nowhere", 1, 2))
    assert f"{root}/nowhere" in str(error.value)


def test_a_range_of_a_missing_key_with_return_missing(s3, stored):
    stored.put("k", BODY)

    got = s3.get_many([S3GetObject("nowhere", 1, 2), S3GetObject("k", 1, 2)], return_missing=True)

    assert [(o.key, o.exists, o.blob) for o in got] == [("nowhere", False, None), ("k", True, b"12")]
    assert s3.get(S3GetObject("nowhere", 1, 2), return_missing=True).exists is False


def test_beyond_the_end_is_an_error_with_return_missing_too(s3, stored):
    stored.put("k", BODY)
    with pytest.raises(MetaflowS3InvalidRange):
        s3.get(S3GetObject("k", 50, 1), return_missing=True)
    with pytest.raises(MetaflowS3InvalidRange):
        s3.get_many([S3GetObject("k", 50, 1)], return_missing=True)


def test_ranges_of_one_key_are_separate_files(s3, stored):
    stored.put("k", BODY)
    requested = [S3GetObject("k", start, 2) for start in range(0, 10, 2)]
    requested += ["k", S3GetObject("k", 0, 2), S3GetObject("k", None, -2)]

    got = s3.get_many(requested)

    assert [o.blob for o in got] == [b"01", b"23", b"45", b"67", b"89", BODY, b"01", b"89"]
    assert [o.range_info.request_offset for o in got] == [0, 2, 4, 6, 8, 0, 0, 8]
    assert len({o.path for o in got[:6]}) == 6


def test_without_info_a_range_is_only_data(s3, stored):
    stored.put("k", BODY)

    for got in (
        s3.get(S3GetObject("k", 2, 3), return_info=False),
        s3.get_many([S3GetObject("k", 2, 3)], return_info=False)[0],
    ):
        assert (got.blob, got.has_info, got.range_info, got.content_type) == (b"234", False, None, None)


def test_ranges_by_full_url(bare, root, stored):
    stored.put("k", BODY)
    for got in (get_one(bare, S3GetObject(f"{root}/k", 2, 3)), get_one_of_many(bare, S3GetObject(f"{root}/k", 2, 3))):
        assert (got.blob, got.key, got.prefix) == (b"234", f"{root}/k", None)


Chunk = namedtuple("Chunk", "name key offset length")

DUCKS = {
    "namespace": (SimpleNamespace(key="k", offset=2, length=3), b"234"),
    "other tuple": (Chunk("chunk", "k", 2, 3), b"234"),
    "only a key": (SimpleNamespace(key="k"), BODY),
    "no length": (SimpleNamespace(key="k", offset=8), b"89"),
    "no offset": (SimpleNamespace(key="k", length=-2), b"89"),
    "keywords": (S3GetObject(key="k", offset=2, length=3), b"234"),
}


@both_verbs
def test_any_object_with_key_offset_and_length(s3, stored, get):
    stored.put("k", BODY)
    for name, (duck, expected) in DUCKS.items():
        with case(name):
            got = get(s3, duck)
            assert (got.blob, got.key) == (expected, "k")


def test_fields_of_a_get_object_default_to_none():
    assert S3GetObject() == (None, None, None, None)
    assert S3GetObject("k") == S3GetObject(key="k", offset=None, length=None)
    assert S3GetObject(key="k", length=-2) == ("k", None, -2, None)
