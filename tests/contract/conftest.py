"""Fixtures of the contract tests: the `S3` under test, and boto3 as the oracle."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from servers.capabilities import conditions, contents, keys, listings, ranges, refusals
from servers.capabilities.registry import CAPABILITIES
from servers.stored import Stored

with warnings.catch_warnings():
    # Metaflow's modules warn of one another when they are first imported (its own yaml of the installed one).
    warnings.simplefilter("ignore")
    import metaflow.metaflow_config as configuration
    from metaflow import S3


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(*abilities): skip where `server.lacks` one of these, naming it as the reason"
    )


# Each registers what it holds when it is imported.
SOURCES = (refusals, conditions, keys, contents, ranges, listings)


def needs_of(item: pytest.Item) -> "set[str]":
    """The abilities that a test asks for: names of `servers.capabilities`."""
    return {ability for mark in item.iter_markers("needs") for ability in mark.args}


def pytest_collection_modifyitems(items: "list[pytest.Item]") -> None:
    """A misspelt ability would never be lacking."""
    unknown = {ability for item in items for ability in needs_of(item)} - CAPABILITIES.keys()
    if unknown:
        raise pytest.UsageError(f"needs: no such capability: {', '.join(sorted(unknown))}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What talks to a server is tested with both implementations of the transfers."""
    if "server" in metafunc.fixturenames and "both" not in metafunc.fixturenames:
        metafunc.parametrize("implementation", ["wire", "boto3"], indirect=True)


@pytest.fixture(autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have `S3` use our own wire, or boto3; here and in processes that the test starts."""
    chosen: str = getattr(request, "param", "wire")
    monkeypatch.setattr(configuration, "S3_TRANSFERS", chosen)
    monkeypatch.setenv("METAFLOW_S3_TRANSFERS", chosen)
    return chosen


@pytest.fixture(autouse=True)
def _skip_what_the_server_lacks(request: pytest.FixtureRequest) -> None:
    needed = needs_of(request.node)
    if needed:
        server = request.getfixturevalue("server")
        lacking = sorted(needed & server.lacks)
        if lacking:
            pytest.skip(f"{server.name} lacks {', '.join(lacking)}")


@pytest.fixture
def make_s3(server: Any, tmproot: Path) -> Iterator[Callable[..., S3]]:
    """Make an `S3` that talks to the server; closed at the end of the test."""
    made = []

    def make(**kwargs: Any) -> S3:
        kwargs.setdefault("tmproot", str(tmproot))
        kwargs.setdefault("client_params", server.client_params())
        made.append(S3(**kwargs))
        return made[-1]

    yield make
    for s3 in made:
        s3.close()


@pytest.fixture
def s3(make_s3: Callable[..., S3], root: str) -> S3:
    """An `S3` with the test's root."""
    return make_s3(s3root=root)


@pytest.fixture
def bare(make_s3: Callable[..., S3]) -> S3:
    """An `S3` without a root: full URLs only."""
    return make_s3()


@pytest.fixture(scope="session")
def oracle(server: Any) -> Iterator[Any]:
    """boto3's client for the server. One for all tests: making one takes longer than most tests."""
    client = server.boto3_client()
    yield client
    client.close()


@pytest.fixture
def own_bucket(oracle: Any, prefix: str) -> Iterator[Stored]:
    """A bucket that only this test writes to."""
    client = oracle
    bucket = Stored(client, "own-" + "".join(c for c in prefix.lower() if c.isalnum())[-40:], "")
    client.create_bucket(Bucket=bucket.bucket)
    yield bucket
    for key in bucket.list():
        client.delete_object(Bucket=bucket.bucket, Key=key)
    client.delete_bucket(Bucket=bucket.bucket)
