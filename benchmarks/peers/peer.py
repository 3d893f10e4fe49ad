"""The interface of the compared clients.

A call returns what the client returns to its user; `sizes` then checks every object of it, within the measured time.
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ..cases import MB
from ..servers.place import Place

LARGE = 16 * MB  # from here on a client may take an object in parts


class Peer:
    """One client. Its constructor imports the library; the measurement begins with `open`.

    Parameters
    ----------
    place : Place
        The location of the server.
    size : int
        Bytes of each object; a user knows whether objects are large or small.
    """

    verbs: ClassVar[frozenset[str]] = frozenset(("get_one", "get", "put", "put_files", "info", "list"))
    signs: ClassVar[bool] = True  # False: it can't be compared on a server that checks signatures

    def __init__(self, place: Place, size: int) -> None:
        self.place = place
        self.size = size
        self.large = size >= LARGE

    def open(self) -> None:
        """Create what the client needs before its first call."""

    def close(self) -> None:
        """Release it and the downloaded data."""

    def get_one(self, key: str, folder: str) -> Any:
        """Download one object."""
        return self.get([key], folder)

    def get(self, keys: Sequence[str], folder: str) -> Any:
        """Download objects into local files, named by `local_path`."""
        raise NotImplementedError

    def put(self, pairs: "Sequence[tuple[str, bytes]]", paths: "Sequence[tuple[str, str]]") -> Any:
        """Upload small values; clients that accept only files use `paths`, which have the same contents."""
        raise NotImplementedError

    def put_files(self, paths: "Sequence[tuple[str, str]]") -> Any:
        """Upload local files."""
        raise NotImplementedError

    def info(self, keys: Sequence[str]) -> Any:
        """Request size and metadata of each object."""
        raise NotImplementedError

    def list(self, prefix: str) -> Any:
        """List all keys below a prefix, with their sizes."""
        raise NotImplementedError

    def sizes(self, verb: str, result: Any) -> "list[int]":
        """Return the size of each object of a result; for downloads, `result` is the list of files."""
        if verb.startswith("get"):
            return [os.stat(path).st_size for path in result]
        return list(result)

    def downloaded(self, result: Any) -> "list[str]":
        """Return the local files of a download, in the requested order."""
        return list(result)


def local_path(folder: str, number: int) -> str:
    """The path of the local file for the `number`-th requested object."""
    return f"{folder}/{number:05}"
