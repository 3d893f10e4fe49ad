"""The names in `S3Server.lacks`: each stands for a function that tries the capability.

It succeeds on a server that has the capability, and fails with an AssertionError or an error of botocore on one that
lacks it. `test_capabilities` runs each on each server and compares the result with `servers.lacks`. So the table is
proven, and a new version of a server that gains a capability is noticed.
"""

from typing import Any, Callable

import pytest
from botocore.exceptions import ClientError
from servers.s3_server import S3Server

CAPABILITIES: dict[str, Callable[[Any, S3Server, str], None]] = {}


def capability(name: str) -> Callable[[Any], Any]:
    """Register what follows under a name."""

    def register(function: Any) -> Any:
        CAPABILITIES[name] = function
        return function

    return register


def refused(call: Callable[[], Any], status: int, code: str = "") -> None:
    """Check that the call fails in this way."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert not code or caught.value.response["Error"]["Code"] == code
