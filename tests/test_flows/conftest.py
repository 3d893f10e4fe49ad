"""A user: a directory, a Metaflow without runs, and a location on the S3 server."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FLOWS = Path(__file__).resolve().parents[2] / "test_flows"


@dataclass(frozen=True)
class User:
    """A user who runs the programs of test_flows."""

    folder: Path
    environment: "dict[str, str]"

    def runs(self, program, *arguments, own_class=False):
        """Run a program, which must succeed, and return its output. With `own_class`, without this package."""
        environment = dict(self.environment)
        if own_class:
            environment["METAFLOW_EXTENSIONS_SEARCH_DIRS"] = environment["METAFLOW_HOME"]  # none here
        done = subprocess.run(
            [sys.executable, FLOWS / program, *arguments],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def user(seaweedfs, prefix, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return User(
        tmp_path,
        {
            **os.environ,
            "METAFLOW_HOME": str(home),
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path),
            "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{seaweedfs.bucket}/{prefix}/metaflow",
            "METAFLOW_DATATOOLS_S3ROOT": f"s3://{seaweedfs.bucket}/{prefix}/data",
            "METAFLOW_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
            "METAFLOW_S3_WORKER_COUNT": "4",  # or Metaflow's own class starts 64
            "METAFLOW_USER": "tester",
            "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
            "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
            "AWS_DEFAULT_REGION": seaweedfs.region,
        },
    )


@pytest.fixture
def stored(seaweedfs, prefix):
    """List the keys below a directory that this test's user stored, with boto3."""
    client = seaweedfs.boto3_client()

    def list_keys(directory):
        below = f"{prefix}/{directory}/"
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=seaweedfs.bucket, Prefix=below)
        return [entry["Key"][len(below) :] for page in pages for entry in page.get("Contents", [])]

    yield list_keys
    client.close()
