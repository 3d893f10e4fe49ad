"""The servers of the tests, and a process that is isolated from the machine's configuration."""

import functools
import os
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

import botocore.loaders
import hypothesis
import pytest


def _forget_this_machine() -> str:
    """Take away the developer's settings, and give the empty directory that stands in for their home."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "METAFLOW_")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    # The workers of pytest-xdist are ended without ceremony: they use the directory of who started them.
    home = os.environ.get("FASTS3_TEST_HOME") or tempfile.mkdtemp(prefix="fasts3-test-home-")
    os.environ.update(
        FASTS3_TEST_HOME=home,
        AWS_CONFIG_FILE=os.path.join(home, "aws-config"),
        AWS_SHARED_CREDENTIALS_FILE=os.path.join(home, "aws-credentials"),
        AWS_EC2_METADATA_DISABLED="true",
        METAFLOW_HOME=os.path.join(home, "metaflow"),
        METAFLOW_USER="tester",
    )
    return home


# Here, and not in a fixture: Metaflow reads its settings when it is imported, which test modules do.
_HOME = _forget_this_machine()

# A shell starts what it runs in the background with SIGINT ignored, nohup with SIGHUP, and that is inherited: tests of
# what ends a program need both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# First of all, because parts of this project import it, and it imports all of this project.
import metaflow.metaflow_config  # noqa: E402

# Modules that are no tests and have their asserts explained all the same.
pytest.register_assert_rewrite("model.machine", "servers.world")

# The same examples every time, and as long as a busy machine needs for them.
hypothesis.settings.register_profile("here", deadline=None, derandomize=True)
hypothesis.settings.load_profile("here")


OF_CALLS = {"fasts3-call", "fasts3-stream", "fasts3-ahead", "fasts3-job"}  # names of threads


class _ReadOnce(botocore.loaders.JSONFileLoader):
    """botocore parses its megabyte of JSON for every session: a tenth of a second for each client of a test."""

    load_file = functools.lru_cache(maxsize=None)(botocore.loaders.JSONFileLoader.load_file)


_read_once = _ReadOnce()
botocore.loaders.Loader.FILE_LOADER_CLASS = lambda _: _read_once

# After that, because these modules are this project's.
from servers.s3_server import S3Server  # noqa: E402
from servers.starters import STARTERS  # noqa: E402
from servers.stored import Stored  # noqa: E402

from metaflow_extensions.fasts3.api import executor, placement  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "runs of each state machine of tests/model, each time others (without it: 5, always the same)"
    parser.addoption("--examples", type=int, metavar="N", help=told)
    parser.addoption("--all", action="store_true", help="also run what `make test-all` is for: see `_is_for_releases`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "workers: calls for several objects are carried out by workers")
    config.addinivalue_line("markers", "few_here: a few objects are read and written as for users, without workers")
    config.addinivalue_line("markers", "release: takes long and rarely finds anything; run by `make test-all`")


def _is_for_releases(item: pytest.Item) -> bool:
    """Whether a test repeats, on another server or with boto3's transfers, what every change is tested with anyway.

    Every change runs SeaweedFS with both implementations, moto with the wire, and the wire's half of what takes long:
    the fault matrix, the limits and the kills.
    """
    if item.get_closest_marker("release"):
        return True
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    server, implementation = parameters.get("server"), parameters.get("implementation")
    return (
        server == "rclone"
        or (server == "moto" and implementation == "boto3")
        or (implementation == "boto3" and not {"faults", "limits", "processes"}.isdisjoint(item.path.parts))
    )


def pytest_collection_modifyitems(config: pytest.Config, items: "list[pytest.Item]") -> None:
    # What is named on the command line (a test's id) is run whatever it is.
    if config.getoption("--all") or any("::" in name for name in config.args):
        return
    later = [item for item in items if _is_for_releases(item)]
    if later:
        config.hook.pytest_deselected(items=later)
        left = set(later)
        items[:] = [item for item in items if item not in left]


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def running_server() -> Iterator[Callable[[str], S3Server]]:
    """Give the server of a name, started the first time it is asked for and stopped with the session."""
    running: dict[str, S3Server] = {}
    with ExitStack() as stack:

        def get(name: str) -> S3Server:
            if name not in running:
                running[name] = stack.enter_context(STARTERS[name]())
            return running[name]

        yield get


@pytest.fixture(scope="session", params=list(STARTERS))
def server(request: pytest.FixtureRequest, running_server: Callable[[str], S3Server]) -> S3Server:
    """Run the test on each server. What one of them can't do is in its `lacks`."""
    return running_server(request.param)


@pytest.fixture(scope="session")
def moto(running_server: Callable[[str], S3Server]) -> S3Server:
    """Run the test on moto: the oracle for the meaning of requests."""
    return running_server("moto")


@pytest.fixture(scope="session")
def seaweedfs(running_server: Callable[[str], S3Server]) -> S3Server:
    """Run the test on SeaweedFS: the one that checks signatures and is fast."""
    return running_server("seaweedfs")


AS_USERS = {"api", "cli", "docs", "datastore"}  # folders whose tests run calls as users do


@pytest.fixture(autouse=True)
def _many_are_for_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers carry out every call for several objects, where this process would do a few of them.

    So both ways are tested with few objects: in this process by the calls for one, and that by calls for several. Tests
    of `AS_USERS`, and tests marked `few_here`, leave it to the executor; of these, those marked `workers` need workers.
    """
    as_users = request.path.parent.name in AS_USERS or request.node.get_closest_marker("few_here")
    if not as_users or request.node.get_closest_marker("workers"):
        monkeypatch.setattr(placement, "FEW_REQUESTS", 0)
        monkeypatch.setattr(placement, "MANY_REQUESTS", 1)
        monkeypatch.setattr(executor, "may_leave", lambda here, queue, few: lambda: queue.at_least(few + 1))


@pytest.fixture(autouse=True)
def _threads_end_with_their_test() -> Iterator[None]:
    """Find the test that leaves a thread to others, and not the one that stumbles over it."""
    yield
    deadline = time.monotonic() + 10
    while left := [one.name for one in threading.enumerate() if one.name in OF_CALLS]:
        assert time.monotonic() < deadline, f"threads go on after the end of their test: {left}"
        time.sleep(0.001)


@pytest.fixture
def root(server: S3Server, prefix: str) -> str:
    """The URL below which everything of this test lies, without a slash at the end."""
    return f"s3://{server.bucket}/{prefix.strip('/')}"


@pytest.fixture
def stored(oracle: Any, server: S3Server, prefix: str) -> Stored:
    """What is really stored below `root`, by each folder's own `oracle`: pytest would keep one of a server too long."""
    return Stored(oracle, server.bucket, prefix.strip("/") + "/")


@pytest.fixture
def tmproot(tmp_path: Path) -> Path:
    """Where temporary directories of `S3` go, and nothing else."""
    folder = tmp_path / "tmproot"
    folder.mkdir()
    return folder


@pytest.fixture(params=["wire", "boto3"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have `S3` use our own wire, or boto3; here and in processes that the test starts."""
    chosen: str = request.param
    monkeypatch.setattr(metaflow.metaflow_config, "S3_TRANSFERS", chosen)
    monkeypatch.setenv("METAFLOW_S3_TRANSFERS", chosen)
    return chosen


@pytest.fixture
def prefix() -> str:
    """Give the beginning of keys that no other test uses; without a slash at its end."""
    return f"test-{uuid.uuid4().hex}"
