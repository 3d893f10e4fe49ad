"""The code package that Metaflow sends to remote tasks, where neither Metaflow nor this package is installed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.release, pytest.mark.timeout(900)]

REMOTE_TASK = Path(__file__).with_name("remote_task.py")
CHECKPOINT_FLOW = Path(__file__).with_name("checkpoint_flow.py")


@pytest.fixture
def remotely(remote, seaweedfs, prefix, tmp_path):
    """Run a program as a remote task, and give what it printed."""
    environment = {
        **os.environ,
        **remote["variables"],
        "METAFLOW_HOME": str(tmp_path),
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path),
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{seaweedfs.bucket}/{prefix}/metaflow",
        "METAFLOW_DATATOOLS_S3ROOT": f"s3://{seaweedfs.bucket}/{prefix}/data",
        "METAFLOW_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "AWS_ACCESS_KEY_ID": seaweedfs.access_key,
        "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key,
        "AWS_DEFAULT_REGION": seaweedfs.region,
    }

    def run(*arguments):
        done = subprocess.run(
            [remote["python"], *arguments],
            env=environment,
            cwd=remote["task"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_neither_package_is_installed_there(remotely):
    listed = {entry["name"] for entry in json.loads(remotely("-m", "pip", "list", "--format=json"))}
    assert "boto3" in listed
    assert not [name for name in listed if "metaflow" in name]


def test_s3_is_ours_and_works_with_workers_out_of_the_package(remotely, remote, seaweedfs, prefix):
    report = json.loads(remotely(REMOTE_TASK, f"s3://{seaweedfs.bucket}/{prefix}"))
    assert report["class"] == "metaflow_extensions.fasts3.api.s3"
    assert report["datastore"] == ["metaflow_extensions.fasts3.datastore.storage"]
    assert report["one"] == "alone"
    assert report["many"]
    code = Path(remote["task"]).resolve()
    scripts = [Path(part) for command in report["workers"] for part in command if part.endswith("s3op.py")]
    assert scripts
    assert all(Path(file).resolve().is_relative_to(code) for file in [*scripts, *report["files"]])


def test_a_flow_runs_there(remotely):
    printed = remotely("versioned_flow.py", "--datastore", "s3", "run")
    assert "S3 is metaflow_extensions.fasts3.api.s3" in printed
    assert "Read 102 objects back." in printed


@pytest.mark.release
@pytest.mark.parametrize("remote", ["newest"], indirect=True)
def test_another_extension_stores_there_through_ours(remotely):
    printed = remotely(CHECKPOINT_FLOW, "--datastore", "s3", "run")
    assert "S3 is metaflow_extensions.fasts3.api.s3" in printed
    assert "Loaded 20 files." in printed
