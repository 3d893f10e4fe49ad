"""A datastore on SeaweedFS, behind a proxy that records each request and can delay it."""

import threading

import pytest
from metaflow.plugins.datastores import s3_storage
from servers.faulty import FaultyS3, pass_through

from metaflow_extensions.fasts3.api import placement
from metaflow_extensions.fasts3.boto.clients import S3Client
from metaflow_extensions.fasts3.datastore import client, storage


@pytest.fixture(scope="session")
def running_proxy(seaweedfs):
    with FaultyS3(seaweedfs) as proxy:
        yield proxy


@pytest.fixture
def proxy(running_proxy):
    running_proxy.clear()
    yield running_proxy
    assert running_proxy.problems == []


@pytest.fixture
def make(proxy, prefix, tmp_path, monkeypatch):
    """Return a function that creates a datastore as in a new process: this package's, or Metaflow's own."""
    monkeypatch.setattr(storage, "ARTIFACT_LOCALROOT", str(tmp_path))
    monkeypatch.setattr(s3_storage, "ARTIFACT_LOCALROOT", str(tmp_path))

    def new(own_class=False, below="datastore"):
        made = (s3_storage if own_class else storage).S3Storage(f"s3://{proxy.real.bucket}/{prefix}/{below}")
        made.s3_client = S3Client(s3_client_params=proxy.client_params())
        return made

    yield new
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.fixture
def together(proxy):
    """Delay the next requests of an operation until this many run in parallel; sequential requests would time out."""

    def hold(operation, number):
        barrier = threading.Barrier(number)

        def wait(exchange):
            barrier.wait(30)
            pass_through(exchange)

        proxy.inject(operation, wait, times=number)

    return hold


@pytest.fixture
def in_workers(monkeypatch):
    """Lower the number of keys above which workers are used."""
    monkeypatch.setattr(client, "FEW_KEYS", 1)
    monkeypatch.setattr(placement, "FEW_REQUESTS", 0)
