"""The requests about buckets, by boto3."""

from typing import Any

DEFAULT_REGION = "us-east-1"  # S3 refuses it as a LocationConstraint
NO_REGIONS = frozenset({None, DEFAULT_REGION, "aws-global"})


def list_buckets(client: Any) -> list[str]:
    """Return the names of the buckets."""
    return [str(bucket["Name"]) for bucket in client.list_buckets().get("Buckets", ())]


def create_bucket(client: Any, bucket: str) -> None:
    """Create a bucket, in the region of the client."""
    region = client.meta.region_name
    place = {} if region in NO_REGIONS else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=bucket, **place)
