"""The requests about buckets, as boto3 gets them."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from metaflow_extensions.fasts3.boto.buckets import create_bucket, list_buckets


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
    client = Mock(meta=SimpleNamespace(region_name=region))
    create_bucket(client, "bucket")
    client.create_bucket.assert_called_once_with(Bucket="bucket", **more)


def test_names_are_listed():
    assert list_buckets(Mock(list_buckets=lambda: {"Buckets": [{"Name": "a"}, {"Name": "b"}]})) == ["a", "b"]
    assert list_buckets(Mock(list_buckets=dict)) == []
