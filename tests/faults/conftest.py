"""What a cell of the fault matrix stands on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import metaflow.metaflow_config as configuration
import pytest
from botocore.config import Config
from contract.conftest import Stored
from faults.cases import World
from metaflow import S3
from servers.faulty import FaultyS3
from servers.s3_server import S3Server

SILENCE = 1.0  # seconds after which a server that says nothing is given up


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
def world(proxy: FaultyS3, oracle: Any, prefix: str, tmp_path: Path, implementation: str) -> Iterator[World]:
    proxy.clear()
    tmp_path.joinpath("tmproot").mkdir()
    config = Config(connect_timeout=SILENCE, read_timeout=SILENCE)
    params = {**proxy.client_params(), "config": config}
    root = f"s3://{proxy.real.bucket}/{prefix}"
    with S3(s3root=root, client_params=params, tmproot=str(tmp_path / "tmproot")) as s3:
        yield World(s3, Stored(oracle, proxy.real.bucket, f"{prefix}/"), proxy, tmp_path)
    assert proxy.problems == []
