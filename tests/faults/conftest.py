"""Fixtures of the fault matrix."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from boto.provider import Provider
from servers.faulty import FaultyS3
from servers.killer import workers_of
from servers.s3_server import S3Server
from servers.world import PATIENCE, SILENCE, World, new_world

from metaflow_extensions.fasts3.boto import clients, regions
from metaflow_extensions.fasts3.workers import worker_pool

MOST_OPEN = 250  # descriptors after hundreds of cells; what leaves one behind each time leaves more


@pytest.fixture(scope="session", autouse=True)
def nothing_piles_up() -> Iterator[None]:
    """Check after all cells that no workers, processes or descriptors remain."""
    yield
    gc.collect()
    assert list(worker_pool.shared._leased) == []
    # One that was killed while it was idle is noticed when it is needed.
    alive = [worker for worker in worker_pool.shared._idle if worker.is_alive()]
    assert len(workers_of(os.getpid())) == len(alive)
    assert psutil.Process().num_fds() < MOST_OPEN


@pytest.fixture(scope="session")
def proxy(seaweedfs: S3Server) -> Iterator[FaultyS3]:
    with FaultyS3(seaweedfs) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def oracle(seaweedfs: S3Server) -> Iterator[Any]:
    client = seaweedfs.boto3_client()
    yield client
    client.close()


@pytest.fixture
def world(
    request: pytest.FixtureRequest, proxy: FaultyS3, oracle: Any, tmp_path: Path, implementation: str
) -> Iterator[World]:
    silence = SILENCE if "stall" in request.node.name else PATIENCE
    with new_world(proxy, oracle, tmp_path, silence=silence) as world:
        yield world


@pytest.fixture
def world_of_renewable_credentials(
    proxy: FaultyS3, oracle: Any, tmp_path: Path, implementation: str, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[tuple[World, Provider]]":
    provider = Provider(tmp_path, proxy.real.access_key, proxy.real.secret_key)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(provider.config))
    monkeypatch.setattr(clients, "_clients", {})
    folder = tmp_path / "world"
    folder.mkdir()
    with new_world(proxy, oracle, folder, renewable=True, silence=PATIENCE) as world:
        yield world, provider


@pytest.fixture(autouse=True)
def no_regions() -> None:
    """Forget the regions of buckets, which tests of redirects teach."""
    for known in regions._known.values():
        known.clear()
