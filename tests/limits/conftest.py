"""Fixtures of the limits: an `S3`, its stored objects, small disks, and separate processes."""

import json
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest
from limits.small_disk import SmallDisk
from metaflow import S3
from servers.s3_server import S3Server

from metaflow_extensions.fasts3.workers import worker_pool

# The beginning of scripts: `s3`, on the test's root, and the `options` that the test passed.
PRELUDE = """
import contextlib, json, logging, os, resource, sys
from metaflow import S3
from metaflow.plugins.datatools.s3.s3 import MetaflowS3Exception, MetaflowS3InsufficientDiskSpace
options = json.loads(sys.argv[1])
s3 = S3(s3root=options["root"], client_params=options["params"], tmproot=options["tmproot"])
"""


@pytest.fixture(scope="session")
def server(seaweedfs: S3Server) -> S3Server:
    """SeaweedFS is sufficient: these tests are about the client."""
    return seaweedfs


@pytest.fixture(scope="session")
def oracle(server: S3Server) -> Iterator[Any]:
    """A boto3 client for the server, shared because creating one takes longer than most tests."""
    client = server.boto3_client()
    yield client
    client.close()


@pytest.fixture
def make_s3(seaweedfs: S3Server, root: str, implementation: str) -> "Iterator[Callable[[object], S3]]":
    """Create an `S3` with the test's root and a given temporary directory; it is closed at the end of the test."""
    made = []

    def make(tmproot: object) -> S3:
        made.append(S3(s3root=root, client_params=seaweedfs.client_params(), tmproot=str(tmproot)))
        return made[-1]

    yield make
    for s3 in made:
        s3.close()


@pytest.fixture
def s3(make_s3: "Callable[[object], S3]", tmproot: Path) -> S3:
    return make_s3(tmproot)


@pytest.fixture
def fresh_workers(monkeypatch: pytest.MonkeyPatch) -> "Iterator[worker_pool.WorkerPool]":
    """Workers of this test only, because a process keeps the limits of its start."""
    pool = worker_pool.WorkerPool(limit=4, warm=4)
    monkeypatch.setattr(worker_pool, "shared", pool)
    yield pool
    pool.close()
    assert not pool._leased


@pytest.fixture
def small_disk() -> "Iterator[Callable[..., SmallDisk]]":
    """Mount a file system of a few bytes during the test."""
    made = []

    def make(options: str) -> SmallDisk:
        made.append(SmallDisk(options))
        return made[-1]

    yield make
    for disk in made:
        disk.close()


@contextmanager
def limited(what: int, soft: int) -> Iterator[None]:
    """Lower a limit of this process."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


@pytest.fixture
def run(
    seaweedfs: S3Server, root: str, tmproot: Path, tmp_path: Path, implementation: str
) -> "Callable[..., subprocess.CompletedProcess[str]]":
    """Run a script in a separate process with limits that the test's process must not have; see `PRELUDE`."""

    def run(script: str, wrapper: "Sequence[str]" = (), **more: Any) -> "subprocess.CompletedProcess[str]":
        options = {"root": root, "params": seaweedfs.client_params(), "tmproot": str(tmproot), **more}
        command = [*wrapper, sys.executable, "-c", PRELUDE + textwrap.dedent(script), json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done

    return run
