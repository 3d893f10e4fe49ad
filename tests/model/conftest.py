"""Fixtures of the state machine: two servers, a proxy of faults before each, both implementations."""

from collections.abc import Iterator
from typing import Any, Callable

import pytest
from servers.faulty import FaultyS3
from servers.s3_server import S3Server


@pytest.fixture(scope="session", params=["seaweedfs", pytest.param("moto", marks=pytest.mark.release)])
def server(request: pytest.FixtureRequest, running_server: Callable[[str], S3Server]) -> S3Server:
    return running_server(request.param)


@pytest.fixture(scope="session")
def proxy(server: S3Server) -> Iterator[FaultyS3]:
    with FaultyS3(server) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def oracle(server: S3Server) -> Iterator[Any]:
    client = server.boto3_client()
    yield client
    client.close()
