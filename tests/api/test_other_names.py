"""Tests of other names of an object: bucket aliases, and keys that some servers do not distinguish."""

import pytest

from metaflow_extensions.fasts3.api.other_names import (
    is_access_point,
    is_nested,
    may_be_one,
    other_name,
    replaced_sources,
)
from metaflow_extensions.fasts3.wire.transfers import ObjectInfo

ARN = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"


@pytest.mark.parametrize(
    ("url", "below", "to", "expected"),
    [
        # One object.
        ("b/k", "b/k", "c/k", "c/k"),
        ("b/k", "b/k", f"{ARN}/k", f"{ARN}/k"),
        ("b/a//k", "b/a//k", "b/a/k", "b/a/k"),
        ("b/a/k", "b/a/k", "b//a/./k", "b//a/./k"),
        ("b/a/k", "b/a/k", "b/a\\k", "b/a\\k"),
        ("b/K", "b/K", "b/k", "b/k"),
        ("b/\u00e9", "b/\u00e9", "b/e\u0301", "b/e\u0301"),
        ("b/a/k", "b/a/k", "c/a/q", None),
        ("b/a", "b/a", "c/a/k", None),
        ("b/k", "b/k", "b/k", None),
        # All below a prefix.
        ("b/a/k", "b/a/", "c/a/", "c/a/k"),
        ("b/a/k", "b/a/", "c/", "c/a/k"),
        ("b/a/k", "b/a/", "c/a/x/y/", "c/a/k"),
        ("b/a/x/k", "b/a/", "c/a/x/y/", "c/a/x/k"),
        ("b/a/x/k", "b/a/x/", "c/a/", "c/a/x/k"),
        ("b/a/k", "b/a/", "b//a/x/", "b//a/k"),
        ("b/D/k", "b/D/", "b/d/old/", "b/d/k"),
        ("b/a/k", "b/a/", "c/x/", None),
        ("b/ab/k", "b/ab/", "c/a/", None),
        ("b/a/k", "b/a/", "b/a/x/", None),
        ("b/a/x/k", "b/a/x/", "b/a/", None),
    ],
)
def test_the_name_in_the_destination(url, below, to, expected):
    assert other_name(*(f"s3://{one}" for one in (url, below, to))) == (expected and f"s3://{expected}")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["a/k b/x", "b/x a/k"], []),  # of one bucket each
        (["a/x c/y", "b/k c/x"], ["a/x c/x"]),
        (["a/k b/k"], []),  # its own source
        (["a/k b/k", "a/k c/x"], ["a/k b/k"]),
        (["a/k c/x", "b/k c/y", "d/z e/k"], ["a/k e/k", "b/k e/k"]),  # one key in several buckets
        (["a/1 c/x", "a/2 c/y", "d/z e/1", "d/z e/2"], ["a/1 e/1"]),  # one example
    ],
)
def test_sources_that_copies_may_replace(pairs, expected):
    given = [[f"s3://{one}" for one in pair.split()] for pair in pairs]
    assert [f"{source[5:]} {url[5:]}" for source, url in replaced_sources(given)] == expected


def test_whether_prefixes_differ():
    assert not is_nested("s3://b/a/x/", "s3://c//A/x/")
    assert is_nested("s3://b/a/x/", "s3://c/a/")


def test_whether_two_responses_are_about_one_object():
    one = ObjectInfo(3, '"e"', None, {}, 1_700_000_000, None)
    assert may_be_one(one, one._replace(etag="e", content_type="x/y"))
    for change in ({"size": 4}, {"etag": '"f"'}, {"last_modified": 1_700_000_001}, {"version_id": "v"}):
        assert not may_be_one(one, one._replace(**change))


def test_names_of_access_points():
    assert is_access_point(ARN)
    assert is_access_point("mine-abcdefgh-s3alias")
    assert not is_access_point("my-bucket")
