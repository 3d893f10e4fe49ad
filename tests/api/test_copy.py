"""Tests of what `copy` and `copy_many` request, on objects in a dictionary."""

import pytest
from metaflow import S3
from metaflow.datatools.s3 import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3PreconditionFailed,
)
from plans.carrying_out import carry_out
from plans.copy_store import Store

from metaflow_extensions.fasts3.api.executor import Executor
from metaflow_extensions.fasts3.api.s3objects import s3object_of_version
from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.transfers import ObjectVersion

DENIED = Failure(Code.ACCESS_DENIED, "no", "AccessDenied", 403)


class DenyingStore(Store):
    """Stores no object with the key "denied"."""

    def copy(self, job):
        return DENIED if job.key == "denied" else super().copy(job)


@pytest.fixture
def store():
    return DenyingStore(x=b"x", z=b"z", there=b"there")


@pytest.fixture
def s3(store, monkeypatch):
    # The newest job first: copies in no particular order.
    monkeypatch.setattr(Executor, "run", lambda self, plan, place, **_: carry_out(plan, store, -1))
    unused = {"endpoint_url": "http://127.0.0.1:1", "aws_access_key_id": "id", "aws_secret_access_key": "hush"}
    with S3(s3root="s3://b", client_params={**unused, "region_name": "us-east-1"}) as client:
        yield client


def version(store, key, version_id):
    _, _, etag = store.objects["b", key]
    found = ObjectVersion(key, version_id, is_latest=True, size=1, etag=etag, modified=0.0)
    return s3object_of_version("s3://b/", f"s3://b/{key}", found)


def test_a_null_version_is_copied_before_it_is_replaced(s3, store):
    s3.copy_many([(version(store, "x", "null"), "y"), ("z", "x")])
    assert (store.objects["b", "y"][0], store.objects["b", "x"][0]) == (b"x", b"z")


def test_null_versions_do_not_replace_each_other(s3, store):
    with pytest.raises(MetaflowS3InvalidObject, match="would replace each other"):
        s3.copy_many([(version(store, "x", "null"), "z"), (version(store, "z", "null"), "x")])


def test_a_null_version_is_that_of_its_etag(s3, store):
    old = version(store, "x", "null")
    store.write("b", "x", b"changed since")
    with pytest.raises(MetaflowS3PreconditionFailed):
        s3.copy_many([(old, "y")])
    assert ("b", "y") not in store.objects


def test_a_failed_copy_of_an_earlier_version_does_not_protect_the_object(s3, store):
    with pytest.raises(MetaflowS3AccessDenied) as raised:
        s3.copy_many([(version(store, "x", "v1"), "denied"), ("x", "w"), ("z", "x")])
    assert set(raised.value.failed) == {"s3://b/denied"}
    assert raised.value.result == [("w", "s3://b/w"), ("x", "s3://b/x")]


def test_a_failed_copy_of_the_object_protects_it(s3, store):
    with pytest.raises(MetaflowS3Exception, match="2 of 2") as raised:
        s3.copy_many([("x", "denied"), ("z", "x")])
    assert set(raised.value.failed) == {"s3://b/denied", "s3://b/x"}
    assert store.objects["b", "x"][0] == b"x"


def test_copies_that_exist_are_unchanged_when_others_fail(s3):
    with pytest.raises(MetaflowS3AccessDenied) as raised:
        s3.copy_many([("x", "denied"), ("z", "there")], overwrite=False)
    assert (raised.value.result, raised.value.result.unchanged) == ([], [("there", "s3://b/there")])
