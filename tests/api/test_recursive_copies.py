"""Tests of which objects the target has already, by what listings show."""

import pytest
from metaflow.datatools.s3 import MetaflowS3InvalidObject, MetaflowS3URLException

from metaflow_extensions.fasts3.api.recursive_copies import _check_mirror, _is_copy
from metaflow_extensions.fasts3.wire.transfers import DetailedObject

ONE, OTHER, PARTS = '"' + "1" * 32 + '"', '"' + "2" * 32 + '"', '"' + "3" * 32 + '-2"'


@pytest.mark.parametrize(
    ("source", "copy", "expected"),
    [
        ((5, ONE, 10.0), (5, ONE, 11.0), True),
        ((5, ONE, 10.0), (5, ONE, 9.0), True),  # stored by somebody else before: the same bytes
        ((5, ONE, 10.0), (5, ONE.strip('"'), 9.0), True),
        ((5, ONE, 10.0), (6, ONE, 11.0), False),
        ((5, ONE, 10.0), (5, OTHER, 9.0), False),
        ((5, ONE, 10.0), (5, OTHER, 10.0), False),  # within the same second, the order is not known
        ((5, ONE, 10.0), (5, OTHER, 11.0), None),  # another object, or one that is encrypted in another way
        ((5, PARTS, 10.0), (5, OTHER, 11.0), True),
        ((5, ONE, 10.0), (5, PARTS, 11.0), True),
        ((5, PARTS, 10.0), (5, OTHER, 9.0), False),
        ((5, "", 10.0), (5, "", 11.0), True),
        ((5, "", 10.0), (5, "", 9.0), False),
        ((5, "", None), (5, "", 11.0), False),
        ((5, "", 10.0), (5, "", None), False),
    ],
)
def test_which_objects_are_copies(source, copy, expected):
    assert _is_copy(DetailedObject("a", *source), DetailedObject("b", *copy)) is expected


@pytest.mark.parametrize(
    ("below", "to"), [("s3://b/a/", "s3://b/a/c/"), ("s3://b/a/c/", "s3://b/a/"), ("s3://b/a/", "s3://b/a/")]
)
def test_mirrors_do_not_overlap(below, to):
    with pytest.raises(MetaflowS3InvalidObject, match="overlap"):
        _check_mirror(below, to)


def test_no_bucket_is_a_mirror():
    with pytest.raises(MetaflowS3URLException, match="whole bucket"):
        _check_mirror("s3://b/a/", "s3://c/")
    _check_mirror("s3://b/", "s3://c/a/")
    _check_mirror("s3://b/a/", "s3://b/ab/")
