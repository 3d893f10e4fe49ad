"""Fixtures of tests of whole processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from metaflow import S3
from servers.s3_server import S3Server


@pytest.fixture
def s3(seaweedfs: S3Server, prefix: str, tmp_path: Path) -> Iterator[S3]:
    root = f"s3://{seaweedfs.bucket}/{prefix}"
    with S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmp_path)) as s3:
        yield s3


@pytest.fixture
def environment(seaweedfs: S3Server, prefix: str) -> "dict[str, str]":
    """Return the environment variables with which another process uses the same location."""
    return {
        **os.environ,
        "METAFLOW_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        "AWS_DEFAULT_REGION": seaweedfs.region,
        "ROOT": f"s3://{seaweedfs.bucket}/{prefix}",
    }
