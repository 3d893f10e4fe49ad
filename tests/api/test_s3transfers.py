"""Tests of the lists that transfers return: they are lists, with what was left and deleted."""

import copy
import pickle

import pytest

from metaflow_extensions.fasts3.api.s3object import S3Object
from metaflow_extensions.fasts3.api.s3objects import S3Objects
from metaflow_extensions.fasts3.api.s3transfers import S3Downloads, S3Transfers

STORED = [("a", "s3://b/a"), ("c", "s3://b/c")]
OBJECTS = [S3Object("s3://b", f"s3://b/{key}", f"/{key}", 1) for key in ("a", "c")]
WAYS = {"pickle": lambda one: pickle.loads(pickle.dumps(one)), "copy": copy.copy, "deepcopy": copy.deepcopy}


def test_transfers_are_a_list_of_pairs():
    found = S3Transfers(STORED, [("d", "s3://b/d")], ["s3://b/e"])
    assert found == STORED
    assert repr(found) == repr(STORED)
    assert (found.unchanged, found.deleted) == ([("d", "s3://b/d")], ["s3://b/e"])
    assert (S3Transfers(), S3Transfers().unchanged, S3Transfers().deleted) == ([], [], [])


def test_downloads_are_a_list_of_objects():
    found = S3Downloads(OBJECTS, OBJECTS[1:], ["/e"])
    assert found == OBJECTS
    assert type(found[:1]) is S3Objects
    assert found.unchanged == OBJECTS[1:]
    assert type(found.unchanged) is S3Objects
    assert found.deleted == ["/e"]
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copies_have_all(way):
    transfers = way(S3Transfers(STORED, [("d", "s3://b/d")], ["s3://b/e"]))
    assert (type(transfers), transfers, transfers.deleted) == (S3Transfers, STORED, ["s3://b/e"])
    downloads = way(S3Downloads(OBJECTS, OBJECTS[1:], ["/e"]))
    assert [one.url for one in downloads] == [one.url for one in OBJECTS]
    assert ([one.url for one in downloads.unchanged], downloads.deleted) == (["s3://b/c"], ["/e"])
