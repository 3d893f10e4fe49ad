"""Tests of ``metaflow fasts3 mb``."""

import uuid

import pytest


@pytest.fixture
def bucket(oracle):
    """The name of a bucket that does not exist, and is deleted at the end."""
    name = f"made-{uuid.uuid4().hex}"
    yield name
    if name in {one["Name"] for one in oracle.list_buckets()["Buckets"]}:
        oracle.delete_bucket(Bucket=name)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_bucket_is_created(fasts3, bucket, end):
    done = fasts3("mb", f"s3://{bucket}{end}")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"Created s3://{bucket}.\n")
    assert f"s3://{bucket}/" in fasts3("ls").stdout.splitlines()


def test_an_existing_bucket_is_an_error(fasts3, bucket):
    assert fasts3("mb", "--quiet", f"s3://{bucket}").stderr == ""
    done = fasts3("mb", f"s3://{bucket}")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: The bucket s3://{bucket} exists already, and these credentials can access it.\n"


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("bucket", 2, "'bucket' is not the URL of a bucket, whose form is s3://bucket"),
        ("s3://bucket/key", 2, "s3://bucket/key has a key, not only a bucket"),
        ("s3://", 1, "has no bucket"),
        ("s3://a bucket", 1, "is not a valid bucket name"),
        ("s3://My_Bucket", 1, "The name of a bucket has 3 to 63 lower-case letters"),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/x", 1, "is not a valid bucket name"),
    ],
)
def test_invalid_arguments(fasts3, url, status, message):
    done = fasts3("mb", url)
    assert (done.exit_code, done.stdout) == (status, "")
    assert message in " ".join(done.stderr.split())


def test_a_missing_permission_to_create_buckets_is_named(fasts3, bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = fasts3("mb", f"s3://{bucket}")
    assert done.exit_code == 1
    assert f"CreateBucket of s3://{bucket} failed: SignatureDoesNotMatch" in done.stderr
