"""Tests of presigned URLs: by which signature, for which region and host. No network."""

from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from metaflow_extensions.fasts3.api.presign import METHODS
from metaflow_extensions.fasts3.boto.transfer_client import TransferClient

KEYS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "hush"}


@pytest.fixture
def client_of():
    made = []

    def make(**parameters):
        made.append(boto3.client("s3", **{**KEYS, "region_name": "eu-west-1", **parameters}))
        return made[-1]

    yield make
    for client in made:
        client.close()


def presigned(client, sends="get_object", key="k", version_id=None):
    """By a copy of the client, with our event handlers."""
    return TransferClient(client, ours=False).presigned(sends, "bucket", key, version_id, 60)


def query_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-central-1", "cn-north-1"])
@pytest.mark.parametrize("method", METHODS)
def test_a_url_of_version_4_for_the_region_of_the_client(client_of, region, method):
    """boto3 presigns with version 2 where it may, which no bucket with KMS and no newer region accepts."""
    url = presigned(client_of(region_name=region), METHODS[method], "a b/ü?+")
    query = query_of(url)
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Credential"].split("/")[2:] == [region, "s3", "aws4_request"]
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-SignedHeaders"] == "host"
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    assert set(query) == {f"X-Amz-{name}" for name in names}
    assert urlsplit(url).path == "/a%20b/%C3%BC%3F%2B"
    assert urlsplit(url).hostname.startswith("bucket.s3.")
    assert "hush" not in url


def test_a_version(client_of):
    assert query_of(presigned(client_of(), version_id="v/+1"))["versionId"] == "v/+1"


def test_a_token_is_part_of_it(client_of):
    assert query_of(presigned(client_of(aws_session_token="a token")))["X-Amz-Security-Token"] == "a token"


def test_a_signature_version_that_the_user_chose_stays(client_of):
    assert "AWSAccessKeyId" in query_of(presigned(client_of(config=Config(signature_version="s3"))))


def test_a_client_of_the_user_is_not_modified(client_of):
    client = client_of(region_name="us-east-1")
    assert "X-Amz-Signature" in query_of(presigned(client))
    plain = client.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"}, 60)
    assert "X-Amz-Signature" not in query_of(plain)
    assert not TransferClient(client, ours=False).is_anonymous
