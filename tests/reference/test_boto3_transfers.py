"""Tests of what only boto3's transfers do; what all do is tested in `wire/test_transfers.py`."""

import boto3
import pytest

from metaflow_extensions.fasts3.reference.boto3_transfers import Boto3Transfers
from metaflow_extensions.fasts3.wire.failures import Code, TransferError


class Answering:
    """A client that answers one call with what it was given."""

    def __init__(self, **reply):
        self.meta = type("Meta", (), {"config": None})()
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {"x-amz-request-id": "REQUEST"}}
        self.list_objects_v2 = self.head_object = lambda **_: {**reply, "ResponseMetadata": metadata}


@pytest.mark.parametrize("token", [None, "", "the same"])
def test_a_listing_that_is_cut_short_is_an_error(token):
    transfers = Boto3Transfers(Answering(IsTruncated=True, NextContinuationToken=token))
    with pytest.raises(TransferError) as failed:
        transfers.list_page("b", "k", token="the same")
    failure = failed.value.failure
    assert (failure.code, failure.status, failure.request_id) == (Code.MALFORMED, 200, "REQUEST")


def test_a_reply_without_a_length_has_no_size():
    assert Boto3Transfers(Answering(ETag="x")).head("b", "k").size is None


def test_connections_are_used_again(seaweedfs, prefix, tmp_path, monkeypatch):
    import urllib3.connection

    made = []
    connect = urllib3.connection.HTTPConnection.connect
    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", lambda self: made.append(self) or connect(self))
    transfers = Boto3Transfers(boto3.client("s3", **seaweedfs.client_params()))
    for size in (0, 1, 100_000):
        transfers.put(seaweedfs.bucket, f"{prefix}/k", body=b"x" * size)
        transfers.get(seaweedfs.bucket, f"{prefix}/k", path=str(tmp_path / "f"))
        transfers.head(seaweedfs.bucket, f"{prefix}/k")
    assert len(made) == 1
