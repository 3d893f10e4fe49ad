"""The servers of the tests, and a process that is isolated from the machine's configuration."""

import functools
import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.request import Request, urlopen

import botocore.session
import hypothesis
import pytest
from examples import ALL, OF_EVERY_CHANGE


def _forget_this_machine() -> str:
    """Remove the developer's settings from the environment; return an empty directory that replaces their home."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "METAFLOW_")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    # Tests start thousands of processes, and each would compile all that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("PYTHONUNBUFFERED", None)  # it hides errors of flushing stdout at the end
    sys.dont_write_bytecode = False
    # The workers of pytest-xdist are killed at the end, so they use the directory of their parent.
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

# A shell starts background processes with SIGINT ignored, and nohup with SIGHUP ignored. Children inherit this, but
# tests of how programs end need both signals.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Before this project's modules: they import Metaflow, which imports all of them.
import metaflow.metaflow_config  # noqa: E402

# These modules are not tests, but pytest should explain their assertions, too.
pytest.register_assert_rewrite("model.machine", "servers.world")

# The same examples every time, without a time limit, because the machine may be busy.
for profile, count in (("every change", OF_EVERY_CHANGE), ("release", ALL)):
    hypothesis.settings.register_profile(profile, deadline=None, derandomize=True, max_examples=count)


# Names of threads that end with a call, or with a file.
OF_CALLS = {"fasts3-call", "fasts3-stream", "fasts3-ahead", "fasts3-job", "fasts3-file"}


# All sessions share one loader of botocore's data: with its own, each would look through the folders of 400 services
# and parse the same files, 0.06 s for each client.
botocore.session.create_loader = functools.lru_cache(maxsize=None)(botocore.session.create_loader)

# After Metaflow, because these modules import this project's.
from servers.lacks import LACKS  # noqa: E402
from servers.release_servers import RELEASE_STARTERS  # noqa: E402
from servers.s3_server import S3Server, with_bucket  # noqa: E402
from servers.starters import STARTERS  # noqa: E402
from servers.stored import Stored  # noqa: E402

from metaflow_extensions.fasts3.api import executor, placement  # noqa: E402
from metaflow_extensions.fasts3.workers import interruptible  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "random runs of each state machine of tests/model (default: 2, with --all 5, always the same)"
    parser.addoption("--examples", type=int, metavar="N", help=about)
    parser.addoption("--all", action="store_true", help="also run the tests for releases: see `_is_for_releases`")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("every change" if _is_every_change(config) else "release")
    config.addinivalue_line("markers", "workers: workers execute calls for several objects")
    config.addinivalue_line("markers", "few_here: calls for a few objects use no workers, as for users")
    config.addinivalue_line("markers", "semantics: servers differ in it; `make test` also runs it on moto")
    config.addinivalue_line("markers", "one_server: takes long on moto; there, `make test-all` runs it")
    config.addinivalue_line(
        "markers", "above_transfers: the same with boto3's transfers; there, `make test-all` runs it"
    )
    config.addinivalue_line("markers", "release: slow and rarely finds anything; `make test-all` runs it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of the fixture `server` on each server of this run.

    The others are not generated: in `make test` they would be most of all tests, which each worker of pytest-xdist
    would collect.
    """
    if "server_name" in metafunc.fixturenames:
        names = _servers_of_every_change(metafunc.definition) if _is_every_change(metafunc.config) else list(STARTERS)
        metafunc.parametrize("server_name", names, scope="session")


def _is_every_change(config: pytest.Config) -> bool:
    """Whether this run omits the tests for releases. A test whose id is given on the command line always runs."""
    return not config.getoption("--all") and not _are_named(config)


def _are_named(config: pytest.Config) -> bool:
    return any("::" in name for name in config.args)


def _servers_of_every_change(test: pytest.Item) -> "list[str]":
    """Every change runs SeaweedFS and, on moto, what SeaweedFS lacks, and the mark `semantics`.

    The marks are those of the test, its class and its module, not of its parameters.
    """
    needed = {ability for mark in test.iter_markers("needs") for ability in mark.args}
    differs = not needed.isdisjoint(LACKS["seaweedfs"]) or test.get_closest_marker("semantics")
    return ["moto", "seaweedfs"] if differs and not test.get_closest_marker("one_server") else ["seaweedfs"]


WITH_WIRE = {"environments", "faults", "limits", "processes"}  # folders whose tests `make test` runs with the wire only
# The same of modules: what they test is above the transfers, which the other modules of tests/contract call in the same
# way with both implementations.
ABOVE_TRANSFERS = {
    "attacks/test_wrong_addresses",
    "contract/test_directories",
    "contract/test_few",
    "contract/test_get_many",
    "contract/test_get_recursive",
    "contract/test_injected_failures",
    "contract/test_interchange",
    "contract/test_iter_list",
    "contract/test_iter_many",
    "contract/test_lifecycle",
    "contract/test_locations",
    "contract/test_mirrors",
    "contract/test_open_to_read",
    "contract/test_open_to_write",
    "contract/test_open_with_libraries",
    "contract/test_presign",
    "contract/test_progress",
    "contract/test_put_files",
    "contract/test_put_many",
    "contract/test_recursive_copies",
    "contract/test_s3object",
    "contract/test_sharing",
    "contract/test_transfer_results",
    "model/test_machine",
}


def _is_for_releases(item: pytest.Item) -> bool:
    """Whether `make test` omits a test, because it is slow or repeats another one with boto3's transfers.

    Every change runs SeaweedFS with both implementations. With the wire only, it runs moto, `ABOVE_TRANSFERS`, and the
    slow tests: the fault matrix, the limits, the environments and the kills.
    """
    if item.get_closest_marker("release"):
        return True
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get("implementation") == "boto3" and (
        parameters.get("server_name") == "moto"
        or item.get_closest_marker("above_transfers") is not None
        or not WITH_WIRE.isdisjoint(item.path.parts)
        or f"{item.path.parent.name}/{item.path.stem}" in ABOVE_TRANSFERS
    )


# What depends on the server in boto3's transfers, too: copies, conditions, objects in parts.
WITH_BOTO3 = {"test_copy", "test_recursive_copies", "test_if_match", "test_overwrite", "test_sizes", "test_uploads"}


def _repeats_another(item: pytest.Item) -> bool:
    """Whether no run needs a test: it tests the client on a server that only `make servers` installs.

    These servers run the contract suite with the wire, and with boto3 `WITH_BOTO3`.
    """
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get("server_name") in RELEASE_STARTERS and (
        item.get_closest_marker("one_server") is not None
        or (parameters.get("implementation") == "boto3" and item.path.stem not in WITH_BOTO3)
    )


def pytest_collection_modifyitems(config: pytest.Config, items: "list[pytest.Item]") -> None:
    if _are_named(config):
        return
    omitted = _repeats_another if config.getoption("--all") else _is_for_releases
    later = [item for item in items if omitted(item)]
    if later:
        config.hook.pytest_deselected(items=later)
        left = set(later)
        items[:] = [item for item in items if item not in left]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[Optional[object]]:
    """Collect garbage once, at the end: what is imported and collected here, 400,000 objects, remains to the end.

    To look through it again and again takes seconds, in each worker of pytest-xdist. So do collections while tests run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


# One timeout fails one test, and the run continues. The alarm of pytest-timeout rings once, and is canceled after a
# failure: a `with` block or a fixture that hangs then would hang the run. So it rings again, also during the teardown.
# It only raises inside a test or a fixture: elsewhere, for instance while pytest reports the failure on a busy machine,
# the exception would end the run.
RINGS_AGAIN = 60.0  # seconds
TIMEOUT = pytest.StashKey[Any]()
MAY_RAISE = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Iterator[None]:
    done = yield
    item.stash[TIMEOUT] = settings
    seconds, _ = signal.getitimer(signal.ITIMER_REAL)
    if seconds:
        fail = signal.getsignal(signal.SIGALRM)

        def ring(*arguments: Any) -> None:
            if item.stash.get(MAY_RAISE, False) and callable(fail):
                fail(*arguments)

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, RINGS_AGAIN)
    return done


@contextmanager
def _timeout_may_raise(item: pytest.Item) -> Iterator[None]:
    item.stash[MAY_RAISE] = True
    try:
        yield
    finally:
        item.stash[MAY_RAISE] = False


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _timeout_may_raise(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _timeout_may_raise(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    if TIMEOUT in item.stash:
        item.config.hook.pytest_timeout_set_timer(item=item, settings=item.stash[TIMEOUT])
    with _timeout_may_raise(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: "pytest.FixtureDef[Any]", request: Any) -> Iterator[None]:
    """Set up a fixture again for the next test if a timeout ended it; pytest would fail all tests that use it."""
    try:
        return (yield)
    except pytest.fail.Exception:
        fixturedef.finish(request)
        raise


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def running_servers() -> "dict[str, S3Server]":
    """The servers that have started, by name."""
    return {}


@pytest.fixture(scope="session")
def running_server(running_servers: "dict[str, S3Server]") -> Iterator[Callable[[str], S3Server]]:
    """Return a server by name; it starts on first use and stops with the session."""
    with ExitStack() as stack:

        def get(name: str) -> S3Server:
            if name not in running_servers:
                running_servers[name] = stack.enter_context(STARTERS[name]())
            return running_servers[name]

        yield get


@pytest.fixture(scope="module", autouse=True)
def _moto_is_empty_after_each_module(running_servers: "dict[str, S3Server]") -> Iterator[None]:
    """Reset moto, which keeps each large object in an open file: a run of all tests would fill tens of gigabytes."""
    yield
    if moto := running_servers.get("moto"):
        with urlopen(Request(f"{moto.endpoint_url}/moto-api/reset", method="POST"), timeout=60):
            with_bucket(moto)


@pytest.fixture(scope="session")
def server(server_name: str, running_server: Callable[[str], S3Server]) -> S3Server:
    """Run the test on each server. `lacks` names what a server can't do."""
    return running_server(server_name)


@pytest.fixture(scope="session")
def moto(running_server: Callable[[str], S3Server]) -> S3Server:
    """Run the test on moto, the oracle for semantics."""
    return running_server("moto")


@pytest.fixture(scope="session")
def seaweedfs(running_server: Callable[[str], S3Server]) -> S3Server:
    """Run the test on SeaweedFS, which is fast and verifies signatures."""
    return running_server("seaweedfs")


AS_USERS = {"api", "cli", "docs", "datastore"}  # folders whose tests run calls as users do


@pytest.fixture(autouse=True)
def _many_are_for_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make workers execute every call for several objects; otherwise this process would execute small ones.

    So tests with few objects cover both: calls for one object run in this process, calls for several in workers. In
    tests of `AS_USERS` and tests marked `few_here`, the executor decides; the mark `workers` overrides that.
    """
    as_users = request.path.parent.name in AS_USERS or request.node.get_closest_marker("few_here")
    if not as_users or request.node.get_closest_marker("workers"):
        monkeypatch.setattr(placement, "FEW_REQUESTS", 0)
        monkeypatch.setattr(placement, "MANY_REQUESTS", 1)
        monkeypatch.setattr(executor, "may_leave", lambda here, queue, few: lambda: queue.at_least(few + 1))


@pytest.fixture(autouse=True)
def _threads_end_with_their_test() -> Iterator[None]:
    """Fail the test that leaves a thread running, not a later one that is affected by it."""
    yield
    interruptible.end_idle()  # now, instead of waiting for its end after each test
    deadline = time.monotonic() + 60
    while left := [one.name for one in threading.enumerate() if one.name in OF_CALLS]:
        assert time.monotonic() < deadline, f"threads are still running after the test: {left}"
        time.sleep(0.001)


@pytest.fixture
def root(server: S3Server, prefix: str) -> str:
    """The URL of an empty prefix for this test, without a slash at the end."""
    return f"s3://{server.bucket}/{prefix.strip('/')}"


@pytest.fixture
def stored(oracle: Any, server: S3Server, prefix: str) -> Stored:
    """The objects below `root`, as boto3 reads them with the `oracle` of each folder."""
    return Stored(oracle, server.bucket, prefix.strip("/") + "/")


@pytest.fixture
def tmproot(tmp_path: Path) -> Path:
    """An empty parent for temporary directories of `S3`."""
    folder = tmp_path / "tmproot"
    folder.mkdir()
    return folder


@pytest.fixture(params=["wire", "boto3"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `S3` use the wire or boto3, here and in processes that the test starts."""
    chosen: str = request.param
    monkeypatch.setattr(metaflow.metaflow_config, "S3_TRANSFERS", chosen)
    monkeypatch.setenv("METAFLOW_S3_TRANSFERS", chosen)
    return chosen


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses, without a slash at its end."""
    return f"test-{uuid.uuid4().hex}"
