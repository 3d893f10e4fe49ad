"""Invalid addresses raise before any byte is sent; the error has the reason and the remedy."""

import pytest
from contract.verbs import EVERY, METHODS
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception, MetaflowS3URLException

NO_BUCKETS = ["B UCK", "a\nb", "a\x1b[2Jb", "a..b", ".", "..", ".a", "a" * 300, "bücket", "b?x", "b#x", "a@b", "b%2e"]


@pytest.mark.parametrize("verb", EVERY.values(), ids=EVERY)
def test_invalid_buckets_are_named(tmproot, server, verb):
    for bucket in NO_BUCKETS:
        with (
            S3(tmproot=str(tmproot), client_params=server.client_params()) as s3,
            pytest.raises(MetaflowS3URLException, match="is not a valid bucket name") as raised,
        ):
            verb(s3, f"s3://{bucket}/key")
        assert str(raised.value).isprintable()
    assert server.heads == []


@pytest.mark.parametrize("bucket", NO_BUCKETS)
def test_an_invalid_bucket_of_a_root_is_named(bucket):
    with pytest.raises(MetaflowS3URLException, match="is not a valid bucket name"):
        S3(s3root=f"s3://{bucket}/prefix")


@pytest.mark.parametrize(
    "bucket", ["UPPER_case", "a.b-c", "a" * 255, "arn:aws:s3:eu-west-1:123456789012:accesspoint:x"]
)
def test_names_that_some_servers_accept_are_sent(bucket):
    assert repr(S3(s3root=f"s3://{bucket}")) == f"<S3 s3://{bucket}>"


@pytest.mark.parametrize("verb", EVERY.values(), ids=EVERY)
def test_bytes_that_are_no_text(tmproot, verb):
    with S3(tmproot=str(tmproot)) as s3, pytest.raises(MetaflowS3URLException, match="not valid UTF-8"):
        verb(s3, b"s3://bucket/\xff")


def test_an_invalid_root_is_named():
    with pytest.raises(MetaflowS3URLException, match="not valid UTF-8"):
        S3(s3root=b"s3://bucket/\xff")


NO_ENDPOINTS = [
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://127.0.0.1:-1",
    "http://127.0.0.1:port",
    "127.0.0.1:9000",
    "ftp://127.0.0.1",
    "http://",
    "http://a b/",
    "http://host/\r\nX: y",
    "http://[::1",
    f"http://{'a' * 300}.com",
]


@pytest.mark.parametrize("endpoint_url", NO_ENDPOINTS)
def test_invalid_endpoints_are_named(tmproot, server, endpoint_url):
    params = server.client_params(endpoint_url=endpoint_url)
    with S3(s3root="s3://bucket/x", tmproot=str(tmproot), client_params=params) as s3:
        for verb in (*METHODS.values(), lambda s3, _: s3.transfers):
            with pytest.raises(
                MetaflowS3Exception, match=r"Could not create an S3 client.*METAFLOW_S3_ENDPOINT_URL"
            ) as raised:
                verb(s3, "key")
            assert str(raised.value).isprintable()


def test_a_refusal_of_boto3_does_not_count_as_a_response(tmproot):
    """Or a dead endpoint would be waited for as one that was there."""
    params = {"endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    with S3(tmproot=str(tmproot), client_params={**params, "region_name": "us-east-1"}) as s3:
        with pytest.raises(MetaflowS3Exception, match="arn:nothing"):
            s3.get("s3://arn:nothing/key")
        with pytest.raises(MetaflowS3Exception, match="S3 can't be reached at http"):
            s3.get("s3://bucket/key")
