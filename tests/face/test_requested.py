"""Tests of reading what users hand in."""

import pickle
from types import SimpleNamespace

import pytest

from metaflow_extensions.fasts3.face.errors import (
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3URLException,
)
from metaflow_extensions.fasts3.face.requested import (
    RangeInfo,
    S3GetObject,
    S3PutObject,
    headers_of,
    key_of,
    range_of,
    several,
)


def test_helper_objects_have_the_defaults_of_the_reference():
    assert S3GetObject() == (None, None, None)
    assert S3GetObject("k", 1, 2) == ("k", 1, 2)
    assert S3PutObject() == (None,) * 6
    assert RangeInfo(5) == (5, 0, -1)


def test_metadata_in_the_old_place_is_metadata():
    old = S3PutObject("k", "v", None, "text/plain", {"a": 1})
    assert (old.encryption, old.metadata) == (None, {"a": 1})
    new = S3PutObject("k", "v", None, "text/plain", "AES256", {"a": 1})
    assert (new.encryption, new.metadata) == ("AES256", {"a": 1})
    assert S3PutObject(*new) == new


@pytest.mark.parametrize("helper", [S3GetObject("k", 1, 2), S3PutObject("k", "v", metadata={}), RangeInfo(1)])
def test_helper_objects_can_be_artifacts(helper):
    assert pickle.loads(pickle.dumps(helper)) == helper


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (None, None, (None, None)),
        (0, None, ("bytes=0-", None)),
        (500, None, ("bytes=500-", None)),
        (None, 100, ("bytes=0-99", None)),
        (500, 100, ("bytes=500-599", None)),
        (None, -5, ("bytes=-5", None)),
        (3, -5, ("bytes=-5", None)),
        (None, 0, (None, 0)),
        (7, 0, (None, 7)),
    ],
)
@pytest.mark.parametrize("kind", [S3GetObject, SimpleNamespace])
def test_ranges(kind, offset, length, expected):
    assert range_of(kind(key="k", offset=offset, length=length)) == expected


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, None), (-1, 5), (0.5, None), ("0", 5), (0, "5"), (0, 2.0), (True, None)]
)
def test_ranges_that_are_none(offset, length):
    with pytest.raises(MetaflowS3InvalidRange, match="'k'"):
        range_of(S3GetObject("k", offset, length))


@pytest.mark.parametrize("requests", ["key", b"key", S3GetObject("key"), SimpleNamespace(key="key"), None, 5])
def test_one_request_is_not_many(requests):
    with pytest.raises(MetaflowS3URLException, match="list"):
        several(requests)


def test_any_iterable_is_many():
    assert several(key for key in "ab") == ["a", "b"]
    assert several({"a": 1, "b": 2}) == ["a", "b"]
    assert several(()) == []


def test_keys_in_any_form():
    assert [key_of(key) for key in ("k", "é".encode(), S3GetObject("k"), None)] == ["k", "é", "k", None]


def test_headers():
    assert headers_of("k", None, None, None, None) == (None, None, None)
    assert headers_of("k", "", {}, "", "") == (None, None, None)
    assert headers_of("k", "a/b", {"ü": [1]}, None, "AES256") == (
        "a/b",
        {"metaflow-user-attributes": '{"\\u00fc": [1]}'},
        "AES256",
    )
    assert headers_of("k", None, None, "aws:kms", "AES256").encryption == "aws:kms"


@pytest.mark.parametrize(
    ("content_type", "metadata"),
    [("text/plain\r\nx-evil: 1", None), (5, None), (None, {"a": object()}), (None, {"a": {1, 2}}), (None, {(1, 2): 3})],
)
def test_what_can_not_be_a_header_is_refused(content_type, metadata):
    with pytest.raises(MetaflowS3InvalidObject, match="'k'"):
        headers_of("k", content_type, metadata, None, None)
