"""What a cell of the fault matrix stands on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import metaflow.metaflow_config as configuration
import pytest
from servers.faulty import FaultyS3
from servers.s3_server import S3Server
from servers.world import World, new_world


@pytest.fixture(scope="session")
def proxy(seaweedfs: S3Server) -> Iterator[FaultyS3]:
    with FaultyS3(seaweedfs) as proxy:
        yield proxy


@pytest.fixture(params=["wire", "boto3"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(configuration, "S3_TRANSFERS", request.param)
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="session")
def oracle(seaweedfs: S3Server) -> Iterator[Any]:
    client = seaweedfs.boto3_client()
    yield client
    client.close()


@pytest.fixture
def world(proxy: FaultyS3, oracle: Any, tmp_path: Path, implementation: str) -> Iterator[World]:
    with new_world(proxy, oracle, tmp_path) as world:
        yield world
