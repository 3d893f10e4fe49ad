"""Runs `round_trip.py` in an environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
from servers.s3_server import S3Server
from servers.stored import Stored

ROUND_TRIP = Path(__file__).with_name("round_trip.py")
REFUSED = 77  # exit status of a shell that could not make an environment


class Environment(NamedTuple):
    """How an environment is made, and how the program notices it."""

    seen: "dict[str, Any]"  # entries of the program's report
    prepare: str = "true"  # shell command before the program; in the working directory of both
    within: "tuple[str, ...]" = ()  # command that runs the shell
    files: bool = True  # whether there is a place for files


@pytest.fixture(scope="session")
def server(seaweedfs: S3Server) -> S3Server:
    """SeaweedFS is sufficient: these tests are about the client."""
    return seaweedfs


@pytest.fixture(scope="session")
def oracle(server: S3Server) -> "Iterator[Any]":
    client = server.boto3_client()
    yield client
    client.close()


@pytest.fixture
def variables(server: S3Server, root: str, implementation: str) -> "dict[str, str]":
    """Return the environment variables with which another process uses the test's root."""
    return {
        **os.environ,
        "METAFLOW_S3_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
        "ROOT": root,
    }


@pytest.fixture
def run(variables: "dict[str, str]", stored: Stored, tmp_path: Path) -> "Callable[[Environment], None]":
    """Run the program, which must succeed and print nothing, and compare its report with what it should see."""

    def run(environment: Environment) -> None:
        shell = f'{{ {environment.prepare}; }} || exit {REFUSED}; exec "$@"'
        command = [*environment.within, "sh", "-c", shell, "sh", sys.executable, ROUND_TRIP, variables["ROOT"]]
        if environment.files:
            command.append(tmp_path / "files")
        done = subprocess.run(
            command, env=variables, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode == REFUSED or done.stderr.startswith("unshare: "):
            pytest.skip(f"this machine does not permit the environment: {done.stderr.strip()}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        report = json.loads(stored.blob("report"))
        assert {name: report[name] for name in environment.seen} == environment.seen
        assert report["workers"] > 0
        assert not [name for name in os.listdir(tmp_path) if "metaflow" in name]  # no temporary directory is left

    return run
