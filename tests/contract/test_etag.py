"""`S3Object.etag` is the ETag that S3 sends, in every call that requests it."""

import pytest
from contract.content import noise
from metaflow.datatools.s3 import S3GetObject

from metaflow_extensions.fasts3.plans.pieces import PART_SIZE

READS = {
    "get": lambda s3: s3.get("k"),
    "get of a range": lambda s3: s3.get(S3GetObject("k", 1, 2)),
    "get of no bytes": lambda s3: s3.get(S3GetObject("k", 1, 0)),
    "get_many": lambda s3: s3.get_many(["k"])[0],
    "info": lambda s3: s3.info("k"),
    "info_many": lambda s3: s3.info_many(["k"])[0],
    "get_recursive": lambda s3: s3.get_recursive([""], return_info=True)[0],
    "get_all": lambda s3: s3.get_all(return_info=True)[0],
}
NOT_ASKED = {
    "get": lambda s3: s3.get("k", return_info=False),
    "get_many": lambda s3: s3.get_many(["k"], return_info=False)[0],
    "get_recursive": lambda s3: s3.get_recursive([""])[0],
    "get_all": lambda s3: s3.get_all()[0],
    "list_paths": lambda s3: s3.list_paths()[0],
    "list_recursive": lambda s3: s3.list_recursive()[0],
    "a missing key": lambda s3: s3.get("nowhere", return_missing=True),
    "the head of a missing key": lambda s3: s3.info("nowhere", return_missing=True),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_it_is_sent_as_s3_has_it(s3, stored, read):
    stored.put("k", b"value")
    etag = read(s3).etag
    assert etag == stored.head("k")["ETag"]
    assert etag.startswith('"')
    assert etag.endswith('"')


def test_the_etag_of_an_object_in_parts(s3, stored):
    s3.put("k", noise(PART_SIZE + 1))
    assert s3.get("k").etag == s3.info("k").etag == stored.head("k")["ETag"]


def test_other_bytes_have_another(s3, stored):
    etags = set()
    for blob in (b"1", b"2", b""):
        stored.put("k", blob)
        etags.add(s3.info("k").etag)
    assert len(etags) == 3


@pytest.mark.parametrize("read", NOT_ASKED.values(), ids=NOT_ASKED)
def test_it_is_none_without_a_request(s3, stored, read):
    stored.put("k", b"value")
    assert read(s3).etag is None


def test_directories_have_none(s3, stored):
    stored.put("dir/k", b"value")
    assert s3.list_paths()[0].etag is None
