"""Where nobody listens every call is an error within 10 seconds, not a wait."""

import socket
import time

import pytest
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception

from contract.verbs import EVERY, ROOTED

VERBS = {**EVERY, **ROOTED}


@pytest.fixture(scope="session")
def closed_port():
    """A port that is taken, so that nobody else comes to listen on it, and that nobody listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


@pytest.fixture(params=["closed port", "unresolvable name"])
def endpoint_url(request, closed_port):
    return closed_port if request.param == "closed port" else "http://no-such-host.invalid:9000"


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_nobody_is_there(tmproot, endpoint_url, verb):
    params = {
        "endpoint_url": endpoint_url,
        "aws_access_key_id": "key",
        "aws_secret_access_key": "not-the-secret",
        "region_name": "us-east-1",
    }
    started = time.monotonic()
    with S3(tmproot=str(tmproot), s3root="s3://bucket/prefix", client_params=params) as s3:
        with pytest.raises(MetaflowS3Exception) as error:
            verb(s3, "key")
    assert time.monotonic() - started < 10
    assert endpoint_url.partition("://")[2] in str(error.value)
    assert "not-the-secret" not in str(error.value)
    assert list(tmproot.rglob("*")) == []
