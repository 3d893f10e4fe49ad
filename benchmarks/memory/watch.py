"""Starts the process that makes a call, and samples the memory of its process tree until the call has ended."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ..client import OURS, environment_of
from ..process_memory import Memory, of_process_tree
from ..servers.listing_only import ListingOnly
from ..servers.place import Place
from ..servers.seaweedfs import SeaweedServer
from .rows import Row

PREFIX = "memory"
PAUSE = 0.1  # seconds between samples


class CallFailed(Exception):
    """A call crashed, or its results were wrong."""


class Measured(NamedTuple):
    """The result of a row."""

    before: Memory  # with everything imported, and a client made
    peak: Memory
    seconds: float  # of the call, including the sampling


def measure(row: Row, scratch: Path) -> Measured:
    """Run a row, on its own server.

    Raises
    ------
    CallFailed
    """
    with _server(row, scratch) as place:
        if row.needs:
            _watch(row.needs, row, place, scratch)
        return _watch(row.call, row, place, scratch)


@contextmanager
def _server(row: Row, scratch: Path) -> "Iterator[Place]":
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        if row.call.startswith("list"):
            with ListingOnly(Path(folder)) as server:
                server.fill(PREFIX, row.objects, row.size)
                yield server.place
        else:
            with SeaweedServer(Path(folder)) as server:
                yield server.place


def _watch(call: str, row: Row, place: Place, scratch: Path) -> Measured:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-m", "benchmarks.memory.work"),
                *(call, str(row.objects), str(row.size), f"s3://{place.bucket}/{PREFIX}", folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment_of(OURS, place.environment(), Path(folder)),
            cwd=folder,
        )
        assert process.stdin
        assert process.stdout
        with process:
            _expect(process.stdout, "ready")
            before = peak = of_process_tree(process.pid)
            started = time.perf_counter()
            _send_line(process.stdin)
            done = _when_it_says(process.stdout, "done")
            while done.is_alive():
                peak = peak.peak_with(of_process_tree(process.pid))
                done.join(PAUSE)
            seconds = time.perf_counter() - started
            peak = peak.peak_with(of_process_tree(process.pid))
            _send_line(process.stdin)
        if process.returncode:
            raise CallFailed(f"status {process.returncode}")
        return Measured(before, peak, seconds)


def _send_line(stream: "IO[str]") -> None:
    try:
        stream.write("\n")
        stream.flush()
    except BrokenPipeError:
        pass  # its exit status tells more


def _expect(stream: "IO[str]", word: str) -> None:
    if stream.readline() != f"{word}\n":
        raise CallFailed(f"did not reach {word!r}")


def _when_it_says(stream: "IO[str]", word: str) -> threading.Thread:
    waiting = threading.Thread(target=stream.readline, name=word)
    waiting.start()
    return waiting
