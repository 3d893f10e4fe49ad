"""`S3.list_buckets` and `S3.create_bucket`."""

import uuid

import pytest
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3URLException

pytestmark = pytest.mark.semantics


@pytest.fixture
def name(stored):
    """The name of a bucket that does not exist; it is deleted at the end."""
    made = f"made-{uuid.uuid4().hex}"
    yield made
    if made in {one["Name"] for one in stored.client.list_buckets()["Buckets"]}:
        stored.client.delete_bucket(Bucket=made)


def test_a_created_bucket_is_listed(bare, server, name):
    assert name not in bare.list_buckets()
    bare.create_bucket(name)
    assert {name, server.bucket} <= set(bare.list_buckets())
    bare.put(f"s3://{name}/a", b"value")
    assert bare.get(f"s3://{name}/a").blob == b"value"
    bare.delete(f"s3://{name}/a")


def test_an_existing_bucket_raises(bare, name):
    bare.create_bucket(name)
    with pytest.raises(MetaflowS3Exception, match=f"The bucket s3://{name} exists already"):
        bare.create_bucket(name)


@pytest.mark.parametrize(
    "region", ["us-east-1", pytest.param("eu-west-1", marks=pytest.mark.needs("buckets-in-any-region"))]
)
def test_the_region_is_that_of_the_client(make_s3, server, name, region):
    s3 = make_s3(client_params={**server.client_params(), "region_name": region})
    s3.create_bucket(name)
    assert name in s3.list_buckets()


@pytest.mark.parametrize("wrong", ["", "s3://bucket", "a/b", "a b", "..", None, 5])
def test_invalid_names_raise(bare, wrong):
    with pytest.raises(MetaflowS3URLException, match="is not a valid bucket name"):
        bare.create_bucket(wrong)
