"""A user who follows the documentation: an empty directory, a Metaflow without runs, and the bucket of the pages."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docs.pages import REPOSITORY

BUCKET = "my-bucket"
"""The name of the user's bucket on the pages."""


@dataclass(frozen=True)
class Reader:
    """A user who follows a page."""

    folder: Path
    environment: "dict[str, str]"

    def follows(self, page: Path) -> None:
        """Run all blocks of the page; they must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "docs.run_page", page],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.fixture
def empty_bucket(seaweedfs: Any) -> Iterator[str]:
    """The bucket of the pages, empty before and after the test."""
    client = seaweedfs.boto3_client()
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    yield BUCKET
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.close()


@pytest.fixture
def reader(seaweedfs: Any, empty_bucket: str, tmp_path: Path) -> Reader:
    folder, home = tmp_path / "reader", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    return Reader(
        folder,
        {
            **os.environ,
            "HOME": str(home),
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
            "PYTHONPATH": str(REPOSITORY / "tests"),
            "METAFLOW_HOME": str(home),
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
            "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{empty_bucket}/metaflow",
            "METAFLOW_DATATOOLS_S3ROOT": f"s3://{empty_bucket}/data",
            "METAFLOW_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
            "METAFLOW_USER": "reader",
            "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
            "AWS_DEFAULT_REGION": seaweedfs.region,
            "AWS_ENDPOINT_URL_S3": seaweedfs.endpoint_url,
        },
    )
