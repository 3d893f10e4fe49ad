"""Fixtures of the contract tests: the `S3` under test, and boto3 as the oracle."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from contract.trees import TREE, write
from servers.capabilities import conditions, contents, copies, keys, listings, ranges, refusals, versions
from servers.capabilities.registry import CAPABILITIES
from servers.stored import Stored, versioned_bucket

with warnings.catch_warnings():
    # Metaflow's modules raise warnings when they are first imported.
    warnings.simplefilter("ignore")
    import metaflow.metaflow_config as configuration
    from metaflow import S3


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*capabilities): skip if `server.lacks` one of these")
    config.addinivalue_line("markers", "no_transfers: calls no method of `S3`, so one implementation is enough")


# Each registers its capabilities when it is imported.
SOURCES = (refusals, conditions, keys, contents, ranges, listings, copies, versions)


def needs_of(item: pytest.Item) -> "set[str]":
    """The capabilities that a test needs: names of `servers.capabilities`."""
    return {ability for mark in item.iter_markers("needs") for ability in mark.args}


def pytest_collection_modifyitems(items: "list[pytest.Item]") -> None:
    """Fail for a misspelt capability, which no server would lack."""
    unknown = {ability for item in items for ability in needs_of(item)} - CAPABILITIES.keys()
    if unknown:
        raise pytest.UsageError(f"needs: no such capability: {', '.join(sorted(unknown))}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that use a server with both implementations."""
    once = "both" in metafunc.fixturenames or metafunc.definition.get_closest_marker("no_transfers")
    if "server" in metafunc.fixturenames and not once:
        metafunc.parametrize("implementation", ["wire", "boto3"], indirect=True)


@pytest.fixture(autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `S3` use the wire or boto3, here and in processes that the test starts."""
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
    """Create an `S3` for the server; it is closed at the end of the test."""
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
    """A boto3 client for the server, shared because creating one takes longer than most tests."""
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


@pytest.fixture
def versioned(oracle: Any, prefix: str) -> Iterator[Stored]:
    """A bucket with versions that only this test writes to."""
    with versioned_bucket(oracle, prefix) as bucket:
        yield bucket


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A directory with the tree."""
    folder = tmp_path / "local"
    write(folder, TREE)
    return folder


@pytest.fixture
def remote(stored: Stored) -> None:
    """The tree below 'm'."""
    stored.put_all({f"m/{name}": blob for name, blob in TREE.items()})
