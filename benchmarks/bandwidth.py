"""Checks that calls keep and reach `max_bandwidth`, with calls of some seconds: `python -m benchmarks.bandwidth`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

import metaflow.metaflow_config as configuration
from metaflow import S3

from metaflow_extensions.fasts3.workers import concurrency

from .servers.place import Place
from .servers.seaweedfs import SeaweedServer

MB = 1e6
LIMITS = ((5 * MB, 1), (25 * MB, 1), (25 * MB, 2), (100 * MB, 2))  # bytes per second, and number of workers
PART_SIZE = 5 * 2**20  # bytes; small, so that two workers get the same share
SECONDS = 5  # of each call
SMALL = 20_000  # bytes of a small object, at least
MOST_A_SECOND = 100  # small objects; with more, the server would be the limit
ALLOWED = 0.1  # fraction of the limit, below and above
ROOM = 2  # minimum speed without a limit, as a multiple of the limit; otherwise the machine is the limit


class Task(NamedTuple):
    """The data of a call."""

    size: int  # bytes, all together
    small: int  # bytes of a small object
    file: str  # of `size` bytes


def _small(task: Task) -> "dict[str, bytes]":
    return {f"small/{task.small}/{number}": bytes(task.small) for number in range(task.size // task.small)}


CALLS: "dict[str, Callable[[Any, Task], Any]]" = {
    "put_many, small": lambda s3, task: s3.put_many(list(_small(task).items())),
    "get_many, small": lambda s3, task: s3.get_many(list(_small(task))),
    "put, large": lambda s3, task: s3.put(f"large/{task.size}", bytes(task.size)),
    "put_files, large": lambda s3, task: s3.put_files([(f"large/{task.size}", task.file)]),
    "get, large": lambda s3, task: s3.get(f"large/{task.size}"),
    "get_many, large": lambda s3, task: s3.get_many([f"large/{task.size}"]),
}
"""Each download reads the objects of the upload before it."""


def _client(place: Place, scratch: Path, **limits: Any) -> Any:
    params = {
        "endpoint_url": place.endpoint_url,
        "region_name": place.region,
        "aws_access_key_id": place.access_key,
        "aws_secret_access_key": place.secret_key,
    }
    return S3(s3root=f"s3://{place.bucket}/bandwidth", client_params=params, tmproot=str(scratch), **limits)


def measure(name: str, limit: float, place: Place, scratch: Path, **limits: Any) -> float:
    """Bytes per second of a call that transfers as much as a limit allows in some seconds, with or without it."""
    size = int(limit * SECONDS)
    file = scratch / "file"
    with open(file, "wb") as empty:
        empty.truncate(size)
    task = Task(size, max(SMALL, int(limit / MOST_A_SECOND)), str(file))
    with _client(place, scratch, part_size=PART_SIZE, **limits) as s3:
        s3.put_many([(f"warm/{number}", b"") for number in range(20)])  # so that workers have started
        began = time.perf_counter()
        CALLS[name](s3, task)
        return size / (time.perf_counter() - began)


def main() -> int:
    """Measure, and print a line for each row; return 1 if one is outside the tolerance."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bandwidth", description=__doc__)
    parser.add_argument("--transfers", default="wire", choices=["wire", "boto3"], help="the implementation")
    arguments = parser.parse_args()
    configuration.S3_TRANSFERS = arguments.transfers
    kept = True
    print("| call | limit, MB/s | workers, at most | achieved, MB/s | of the limit | without a limit |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="fasts3-bandwidth-") as folder, SeaweedServer(Path(folder)) as server:
        for limit, workers in LIMITS:
            concurrency.WORKER_BANDWIDTH = limit / workers  # how many there are follows from it
            for name in CALLS:
                free = measure(name, limit, server.place, Path(folder))
                achieved = measure(name, limit, server.place, Path(folder), max_bandwidth=limit)
                within = min(limit, free / ROOM) * (1 - ALLOWED) <= achieved <= limit * (1 + ALLOWED)
                kept = kept and within
                cells = f"{limit / MB:g} | {workers} | {achieved / MB:.2f} | {achieved / limit:.1%} | {free / MB:.1f}"
                print(f"| {name} | {cells}{'' if within else ' **missed**'} |", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
