"""What every client of the comparison is asked to do.

A call answers with whatever the client gives its user; `sizes` then looks at every object of it, which is timed too.
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ..cases import MB
from ..servers.place import Place

LARGE = 16 * MB  # from here on a client may take an object in parts


class Peer:
    """One client. Making it imports its library; `open` is where it begins to cost time.

    Parameters
    ----------
    place : Place
        Where the server is.
    size : int
        Bytes of each object: its user knows whether they are large or small.
    """

    verbs: ClassVar[frozenset[str]] = frozenset(("get_one", "get", "put", "put_files", "info", "list"))
    signs: ClassVar[bool] = True  # what does not, can't be compared on a server that checks signatures

    def __init__(self, place: Place, size: int) -> None:
        self.place = place
        self.size = size
        self.large = size >= LARGE

    def open(self) -> None:
        """Make what the client makes before its first call."""

    def close(self) -> None:
        """Let go of it, and of what was downloaded."""

    def get_one(self, key: str, folder: str) -> Any:
        """Download one object."""
        return self.get([key], folder)

    def get(self, keys: Sequence[str], folder: str) -> Any:
        """Download objects into local files; `local_path` says which."""
        raise NotImplementedError

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        """Upload small values; who takes only files gets the same as `paths`, made beforehand."""
        raise NotImplementedError

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        """Upload local files."""
        raise NotImplementedError

    def info(self, keys: Sequence[str]) -> Any:
        """Ask for size and metadata of each object."""
        raise NotImplementedError

    def list(self, prefix: str) -> Any:
        """List all keys below a prefix, with their sizes."""
        raise NotImplementedError

    def sizes(self, verb: str, answer: Any) -> "list[int]":
        """Give the size of each object of an answer; for downloads `answer` is the list of files."""
        if verb.startswith("get"):
            return [os.stat(path).st_size for path in answer]
        return list(answer)

    def downloaded(self, answer: Any) -> "list[str]":
        """Give the local files of a download, in the order asked for."""
        return list(answer)


def local_path(folder: str, number: int) -> str:
    """Name the local file of the object asked for as the `number`-th."""
    return f"{folder}/{number:05}"
