"""Identities, permissions, and requests that a server must refuse."""

import json
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from servers.capabilities.registry import capability, refused
from servers.s3_server import S3Server


@capability("signatures")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A request that is signed with another secret is refused."""
    stranger = server.boto3_client(aws_secret_access_key="another")
    try:
        refused(lambda: stranger.list_objects_v2(Bucket=server.bucket), 403, "SignatureDoesNotMatch")
    finally:
        stranger.close()


@capability("unknown-identities")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """An unknown access key id is refused."""
    stranger = server.boto3_client(aws_access_key_id="nobody")
    try:
        refused(lambda: stranger.list_objects_v2(Bucket=server.bucket), 403, "InvalidAccessKeyId")
    finally:
        stranger.close()


@capability("unsigned-requests-are-denied")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A request without a signature receives 403 AccessDenied if the bucket is not public."""
    client.put_object(Bucket=server.bucket, Key=prefix, Body=b"value")
    stranger = server.boto3_client(config=Config(signature_version=UNSIGNED))
    try:
        refused(lambda: stranger.get_object(Bucket=server.bucket, Key=prefix), 403, "AccessDenied")
    finally:
        stranger.close()


@capability("public-buckets")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A bucket policy lets requests without a signature read."""
    bucket = "public-" + "".join(c for c in prefix.lower() if c.isalnum())[-40:]
    client.create_bucket(Bucket=bucket)
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    stranger = server.boto3_client(config=Config(signature_version=UNSIGNED))
    try:
        client.put_object(Bucket=bucket, Key="a", Body=b"value")
        client.put_bucket_policy(Bucket=bucket, Policy=policy)
        assert stranger.get_object(Bucket=bucket, Key="a")["Body"].read() == b"value"
    finally:
        stranger.close()
        client.delete_object(Bucket=bucket, Key="a")
        client.delete_bucket(Bucket=bucket)


@capability("any-action-in-policies")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A bucket policy may allow all actions."""
    bucket = "open-" + "".join(c for c in prefix.lower() if c.isalnum())[-40:]
    client.create_bucket(Bucket=bucket)
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    try:
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
    finally:
        client.delete_bucket(Bucket=bucket)


@capability("buckets-in-any-region")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """A new bucket may be in a region that has not been used before."""
    bucket = "abroad-" + "".join(c for c in prefix.lower() if c.isalnum())[-40:]
    abroad = server.boto3_client(region_name="eu-west-1")
    try:
        abroad.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        abroad.delete_bucket(Bucket=bucket)
    finally:
        abroad.close()


@capability("missing-keys")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET of a missing key gets 404 NoSuchKey, HEAD 404."""
    refused(lambda: client.get_object(Bucket=server.bucket, Key=prefix), 404, "NoSuchKey")
    refused(lambda: client.head_object(Bucket=server.bucket, Key=prefix), 404)


@capability("missing-keys-below-an-object")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Likewise when part of the path is an object."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a", Body=b"value")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=f"{prefix}/a/b"), 404, "NoSuchKey")


@capability("prefixes-are-no-objects")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET and HEAD of a key that is only the prefix of others get 404."""
    client.put_object(Bucket=server.bucket, Key=f"{prefix}/a/b", Body=b"value")
    refused(lambda: client.get_object(Bucket=server.bucket, Key=f"{prefix}/a"), 404, "NoSuchKey")
    refused(lambda: client.head_object(Bucket=server.bucket, Key=f"{prefix}/a"), 404)
    refused(lambda: client.head_object(Bucket=server.bucket, Key=f"{prefix}/a/"), 404)


@capability("missing-buckets")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """GET, list and PUT in a missing bucket get 404 NoSuchBucket."""
    refused(lambda: client.get_object(Bucket="not-there", Key="a"), 404, "NoSuchBucket")
    refused(lambda: client.list_objects_v2(Bucket="not-there"), 404, "NoSuchBucket")
    refused(lambda: client.put_object(Bucket="not-there", Key="a", Body=b""), 404, "NoSuchBucket")


@capability("request-ids")
def _(client: Any, server: S3Server, prefix: str) -> None:
    """Errors come with a request id."""
    with pytest.raises(ClientError) as caught:
        client.get_object(Bucket=server.bucket, Key=prefix)
    assert caught.value.response["ResponseMetadata"]["RequestId"]
