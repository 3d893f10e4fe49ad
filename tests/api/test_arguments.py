"""Tests of parsing and validating the arguments of methods."""

import pickle
from types import SimpleNamespace

import pytest
from metaflow import S3

from metaflow_extensions.fasts3.api.arguments import (
    RangeInfo,
    S3GetObject,
    S3PutObject,
    condition_of,
    headers_of,
    key_of,
    range_of,
    several,
)
from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3URLException,
)
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


def test_helper_objects_have_the_defaults_of_the_reference():
    assert S3GetObject() == (None, None, None, None)
    assert S3GetObject("k", 1, 2) == ("k", 1, 2, None)
    assert S3PutObject() == (None,) * 8
    assert RangeInfo(5) == (5, 0, -1)


def test_metadata_in_the_old_place_is_metadata():
    old = S3PutObject("k", "v", None, "text/plain", {"a": 1})
    assert (old.encryption, old.metadata) == (None, {"a": 1})
    new = S3PutObject("k", "v", None, "text/plain", "AES256", {"a": 1})
    assert (new.encryption, new.metadata) == ("AES256", {"a": 1})
    assert S3PutObject(*new) == new


def test_the_condition_is_the_last_field():
    assert S3PutObject("k", "v", "p", "text/plain", "AES256", {"a": 1}, "e").if_match == "e"
    assert S3PutObject("k", extra_args={"ACL": "private"})[-1] == {"ACL": "private"}
    assert S3PutObject("k", if_match="e") == ("k", None, None, None, None, None, "e", None)


@pytest.mark.parametrize("helper", [S3GetObject("k", 1, 2), S3PutObject("k", "v", metadata={}), RangeInfo(1)])
def test_helper_objects_can_be_artifacts(helper):
    assert pickle.loads(pickle.dumps(helper)) == helper


def test_ranges_of_numpy_do_not_overflow():
    numpy = pytest.importorskip("numpy")
    given = S3GetObject("k", numpy.int32(2_000_000_000), numpy.int32(500_000_000))
    assert range_of(given) == ("bytes=2000000000-2499999999", None)
    assert range_of(S3GetObject("k", 250, numpy.uint8(10))) == ("bytes=250-259", None)


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (None, None, (None, None)),
        (0, None, (None, None)),  # a range of an empty object would be refused
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
    with pytest.raises(MetaflowS3InvalidRange, match=r"'k'"):
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


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"role": "arn:aws:iam::1:role/r"}, "role"),
        ({"external_client": object()}, "external_client"),
        ({"requester_pays": True}, "requester_pays=True"),
    ],
)
def test_anonymous_clients_have_no_account(given, name):
    with pytest.raises(MetaflowS3Exception, match=f"^anonymous=True can't be combined with {name}, which "):
        S3(anonymous=True, **given)


@pytest.mark.parametrize("name", ["anonymous", "requester_pays"])
def test_access_is_a_bool(name):
    for given in ("no", 1, None):
        with pytest.raises(MetaflowS3Exception, match=rf"^{name} is .*\. Give True or False\.$"):
            S3(**{name: given})


def test_headers():
    assert headers_of("k", None, None, None, None) == PutHeaders()
    assert headers_of("k", "", {}, "", "") == PutHeaders()
    assert headers_of("k", "a/b", {"ü": [1]}, None, "AES256") == (
        "a/b",
        {"metaflow-user-attributes": '{"\\u00fc": [1]}'},
        "AES256",
        None,
    )
    assert headers_of("k", None, None, "aws:kms", "AES256").encryption == "aws:kms"


@pytest.mark.parametrize(
    ("content_type", "metadata"),
    [("text/plain\r\nx-evil: 1", None), (5, None), (None, {"a": object()}), (None, {"a": {1, 2}}), (None, {(1, 2): 3})],
)
def test_invalid_headers_raise(content_type, metadata):
    with pytest.raises(MetaflowS3InvalidObject, match=r"'k'"):
        headers_of("k", content_type, metadata, None, None)


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ('"5d41402abc4b2a76b9719d911017c592"', '"5d41402abc4b2a76b9719d911017c592"'),
        ("5d41402abc4b2a76b9719d911017c592-2", '"5d41402abc4b2a76b9719d911017c592-2"'),
        ("absent", '"absent"'),
        ("a!#~,*", '"a!#~,*"'),
    ],
)
def test_an_etag_is_a_condition_with_quotes_and_without(given, condition):
    assert condition_of("k", given, overwrite=True) == condition


def test_without_an_etag_overwrite_is_the_condition():
    assert condition_of("k", None, overwrite=True) is None
    assert condition_of("k", None, overwrite=False) == ABSENT


NO_ETAGS = [
    *("", '""', '"', '"a', 'a"', '"a" ', ' "a"', "a b", '"a", "b"', 'W/"a"', "a\r\nx: y", "a\n", "a\0", "é", "\x7f"),
    *(b"a", 5, True, False, 0, ["a"], S3PutObject("k")),
]


@pytest.mark.parametrize("given", NO_ETAGS, ids=repr)
def test_invalid_etags_raise(given):
    with pytest.raises(MetaflowS3InvalidObject, match=r"'k'.*not an ETag.*`etag` of the S3Object"):
        condition_of("k", given, overwrite=True)


def test_any_object_at_all_is_no_condition():
    with pytest.raises(MetaflowS3InvalidObject, match=r"'k'.*omit if_match"):
        condition_of("k", "*", overwrite=True)


def test_there_is_no_object_that_is_the_same_and_absent():
    with pytest.raises(MetaflowS3InvalidObject, match=r"'k'.*overwrite=False.*one of them"):
        condition_of("k", '"a"', overwrite=False)


def test_a_large_value_is_shown_in_part():
    one = S3PutObject("k", b"x" * 10**6, metadata={"a": "b"})
    assert len(repr(one)) < 400
    assert repr(one).startswith("S3PutObject(key='k', value=b'xxx")
    assert "1,000,000" in repr(one)
    assert repr(S3PutObject("k", "v")).startswith("S3PutObject(key='k', value='v', path=None")
