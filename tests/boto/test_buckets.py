"""The requests about buckets, as boto3 gets them."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from metaflow_extensions.fasts3.boto.transfer_client import TransferClient


def connected(client):
    """A transfer client of a stub, which it can't copy."""
    return TransferClient(client, ours=False)


@pytest.mark.parametrize(
    ("region", "more"),
    [
        ("us-east-1", {}),
        ("aws-global", {}),
        (None, {}),
        ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
    ],
)
def test_a_bucket_is_created_in_the_region_of_the_client(region, more):
    client = Mock(meta=SimpleNamespace(region_name=region, config=None, events=None))
    connected(client).create_bucket("bucket")
    client.create_bucket.assert_called_once_with(Bucket="bucket", **more)


def test_names_are_listed():
    meta = SimpleNamespace(config=None, events=None)
    client = Mock(meta=meta, list_buckets=lambda: {"Buckets": [{"Name": "a"}, {"Name": "b"}]})
    assert connected(client).list_buckets() == ["a", "b"]
    assert connected(Mock(meta=meta, list_buckets=dict)).list_buckets() == []
