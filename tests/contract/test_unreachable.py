"""Calls to an endpoint without a server, or to a silent one, raise; the usual timeouts would take minutes."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract.verbs import METHODS
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3Exception


@pytest.fixture(scope="session")
def closed_port():
    """A bound port that nothing listens on, and that no other program can listen on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


@pytest.fixture(scope="session")
def silence():
    """A port that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session", params=["closed port", "unresolvable name", "silence"])
def calls(request, closed_port, silence, tmp_path_factory):
    """Every call to the endpoint: its error, and the files that it left."""
    endpoints = {
        "closed port": closed_port,
        "unresolvable name": "http://no-such-host.invalid:9000",
        "silence": silence,
    }
    endpoint_url = endpoints[request.param]
    params = {
        "endpoint_url": endpoint_url,
        "aws_access_key_id": "key",
        "aws_secret_access_key": "not-the-secret",
        "region_name": "us-east-1",
    }
    if request.param == "silence":  # a server that accepts connections has a minute
        params["config"] = {"read_timeout": 2}

    folder = tmp_path_factory.mktemp("unreachable")

    def call(method):
        tmproot = folder / method
        tmproot.mkdir()
        with S3(tmproot=str(tmproot), s3root="s3://bucket/prefix", client_params=dict(params)) as s3:
            try:
                METHODS[method](s3, "key")
                error = None
            except MetaflowS3Exception as raised:
                error = str(raised)
        return endpoint_url, error, list(tmproot.rglob("*"))

    with ThreadPoolExecutor(len(METHODS)) as pool:  # side by side, because what they do is wait
        return dict(zip(METHODS, pool.map(call, METHODS)))


@pytest.mark.parametrize("method", METHODS)
def test_unreachable_endpoints(calls, method):
    endpoint_url, error, left = calls[method]
    assert error is not None
    assert f"S3 can't be reached at {endpoint_url}" in error
    assert " of s3://bucket/prefix" in error
    assert " in " in error.partition("access key id key, ")[2]  # 3 tries in 0.3 s
    assert "not-the-secret" not in error
    assert left == []
