"""The table of what each server lacks is correct, in both directions."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from servers.capabilities import conditions, contents, copies, keys, listings, ranges, refusals, versions
from servers.capabilities.registry import CAPABILITIES
from servers.lacks import LACKS
from servers.s3_server import S3Server

# Each registers what it holds when it is imported.
SOURCES = (refusals, conditions, keys, contents, ranges, listings, copies, versions)


@pytest.fixture(scope="module")
def client(server: S3Server) -> Iterator[Any]:
    # Checksums only where a capability needs them: boto3 would add them to all requests.
    config = Config(retries={"total_max_attempts": 1}, response_checksum_validation="when_required")
    client = server.boto3_client(config=config)
    yield client
    client.close()


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_server_can_do_what_the_table_says(name: str, client: Any, server: S3Server, prefix: str) -> None:
    try:
        CAPABILITIES[name](client, server, prefix)
        problem = None
    except (AssertionError, BotoCoreError, ClientError, KeyError, pytest.fail.Exception) as error:
        problem = error
    assert (problem is not None) == (name in server.lacks), repr(problem)


@pytest.mark.parametrize("name", LACKS)
def test_the_table_uses_no_other_names(name: str) -> None:
    assert set(LACKS[name]) <= set(CAPABILITIES)
