"""A download of a large object that failed, was interrupted or killed goes on: it requests only what is missing."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from contract.content import digest, noise
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied
from servers import faults
from servers.faulty import Exchange
from servers.world import World

from metaflow_extensions.fasts3.plans.pieces import LEAST_PART

SPARED = 3  # GETs before the download stops; one at a time, so as many pieces are complete
PIECES = 7
BODY = noise(PIECES * LEAST_PART - 1234)
PARTIAL = ".metaflow.s3.partial.*"
PROGRAM = """
import os
from metaflow import S3
with S3(s3root=os.environ["ROOT"], part_size=int(os.environ["STEP"]), max_connections=1) as s3:
    s3.download("dir", "there")
"""


@pytest.fixture
def folder(world: World) -> Path:
    world.stored.put("dir/a", BODY)
    world.stored.put("dir/small", b"small")
    return world.folder / "there"


def download(world: World, folder: Path, **arguments: object) -> "list[str]":
    """Download; return the requested ranges of the large object, "" for the whole object."""
    before = len(world.proxy.requests)
    params = world.proxy.client_params()
    given = {"part_size": LEAST_PART, "max_connections": 1, "tmproot": str(world.folder), **arguments}
    with S3(s3root=world.root, client_params=params, **given) as s3:
        s3.download("dir", folder)
    gets = [one for one in world.proxy.requests[before:] if one.operation == "GetObject" and one.key.endswith("dir/a")]
    return [one.headers.get("range", "") for one in gets]


def stop(world: World, folder: Path) -> None:
    """Begin a download that fails after some pieces."""
    world.proxy.inject_where(
        lambda request: request.operation == "GetObject" and request.key.endswith("dir/a"),
        faults.error(403, "AccessDenied"),
        times=None,
        after=SPARED,
    )
    with pytest.raises(MetaflowS3AccessDenied):
        download(world, folder)
    world.proxy.remove_faults()


def missing(ranges: "list[str]") -> int:
    """The number of bytes in the requested ranges."""
    found = [re.fullmatch(r"bytes=(\d+)-(\d+)", one) for one in ranges]
    return sum(int(one[2]) - int(one[1]) + 1 for one in found if one)


def check(world: World, folder: Path, body: bytes = BODY) -> None:
    assert digest((folder / "a").read_bytes()) == digest(body)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "small"]


@pytest.mark.parametrize("connections", [1, 8])
def test_a_failed_download_continues(world: World, folder: Path, connections: int) -> None:
    stop(world, folder)
    assert not (folder / "a").exists()
    assert len(list(folder.glob(PARTIAL))) == 1

    ranges = download(world, folder, max_connections=connections)

    assert "" not in ranges
    assert missing(ranges) == len(BODY) - SPARED * LEAST_PART
    check(world, folder)


def test_it_continues_several_times(world: World, folder: Path) -> None:
    stop(world, folder)
    stop(world, folder)
    ranges = download(world, folder)
    assert missing(ranges) == len(BODY) - 2 * SPARED * LEAST_PART
    check(world, folder)


def test_a_changed_object_is_downloaded_again(world: World, folder: Path) -> None:
    stop(world, folder)
    changed = BODY[::-1]
    world.stored.put("dir/a", changed)
    ranges = download(world, folder)
    assert ranges.count("") == 1
    check(world, folder, changed)


def test_a_deleted_object_is_none(world: World, folder: Path) -> None:
    stop(world, folder)
    world.stored.delete("dir/a")
    assert download(world, folder) == []
    assert (folder / "small").read_bytes() == b"small"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda sent: sent.name)
def test_a_process_that_was_ended_leaves_what_it_had(world: World, folder: Path, sent: signal.Signals) -> None:
    reached = threading.Event()

    def hold(exchange: Exchange) -> None:
        reached.set()
        exchange.wait_until_client_closes()

    world.proxy.inject_where(
        lambda request: request.operation == "GetObject" and request.key.endswith("dir/a"), hold, None, SPARED
    )
    params = world.proxy.client_params()
    environment = {
        **os.environ,
        "METAFLOW_S3_ENDPOINT_URL": params["endpoint_url"],
        "AWS_ACCESS_KEY_ID": params["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": params["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": params["region_name"],
        "ROOT": world.root,
        "STEP": str(LEAST_PART),
    }
    program = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(program, env=environment, cwd=world.folder, stderr=subprocess.DEVNULL) as process:
        try:
            assert reached.wait(60)
        finally:
            process.send_signal(sent)
    assert process.returncode != 0
    world.proxy.remove_faults()

    [partial] = folder.glob(PARTIAL)
    for path in partial.iterdir():
        data = path.read_bytes()
        assert params["aws_secret_access_key"].encode() not in data
    ranges = download(world, folder)
    assert "" not in ranges
    assert missing(ranges) == len(BODY) - SPARED * LEAST_PART
    check(world, folder)


def test_two_at_the_same_time(world: World, folder: Path) -> None:
    """Each gets the whole object, and one file remains."""
    stop(world, folder)
    failures: list[BaseException] = []

    def other() -> None:
        try:
            download(world, folder, max_connections=4)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    check(world, folder)
