"""A server that only lists keys, as many as a row needs, without objects; see `listing_program`."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Optional

from .place import Place
from .server import Server

LOOPBACK = "127.0.0.1"


class ListingOnly(Server):
    """See `Server`; what differs between the subclasses is which keys there are, and how late each page comes."""

    shape = "trees"  # which of listing_program.SHAPES
    seconds = 0.0  # for each page

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self._filled: set[str] = set()

    def __enter__(self) -> "ListingOnly":
        program = f"{__package__}.listing_program"
        self._process = subprocess.Popen(
            [sys.executable, "-m", program, str(self.seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.place = Place(f"http://{LOOPBACK}:{int(self._line())}", "listed", "us-east-1", "nobody", "ignored")
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self._process.communicate()  # it ends when its stdin does

    def fill(self, prefix: str, objects: int, size: int) -> None:
        if prefix in self._filled:
            return
        assert self._process.stdin
        self._process.stdin.write(json.dumps([prefix, self.shape, objects, size]) + "\n")
        self._process.stdin.flush()
        if self._line() != "ready\n":
            raise RuntimeError("the server of listings has failed")
        self._filled.add(prefix)

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


class DistantNumbers(ListingOnly):
    """Keys that are numbers, 50 ms away."""

    shape = "numbered"
    seconds = 0.05


class DistantHashes(DistantNumbers):
    """Keys that are hashes."""

    shape = "hashed"


class DistantTrees(DistantNumbers):
    """Keys that are paths of five parts, as those of tables with partitions."""

    shape = "trees"
