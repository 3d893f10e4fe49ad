"""Where the bytes of a download go: to a local file, or into memory."""

import os
from typing import Optional, Protocol

from metaflow_extensions.fasts3.wire.local_files import close_written, open_to_write, write_all


class Sink(Protocol):
    """Takes the bytes of one download, in order."""

    def write(self, data: "bytes | memoryview") -> None:
        """Take some bytes; the view is somebody else's as soon as this returns."""

    def finish(self) -> Optional[bytes]:
        """There are no more. All of them, where they are in memory."""

    def abandon(self) -> None:
        """Let go of what it holds; the download has failed."""


class FileSink:
    """A run of bytes of a file.

    Parameters
    ----------
    path : str
    position : int
        Where the first byte goes. The file is made, or emptied, when it is 0.
    keep : bool
        It is not emptied: others write to it as well.

    Raises
    ------
    TransferError
        Of this and of all methods: the file can't be written.
    """

    def __init__(self, path: str, position: int, keep: bool = False) -> None:
        self._file = open_to_write(path, position, keep)
        self._position = position

    def write(self, data: "bytes | memoryview") -> None:
        write_all(self._file, memoryview(data), self._position)
        self._position += len(data)

    def finish(self) -> Optional[bytes]:
        close_written(self._file)
        return None

    def abandon(self) -> None:
        os.close(self._file)


class MemorySink:
    """A copy of the bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: "bytes | memoryview") -> None:
        self._pieces.append(bytes(data))

    def finish(self) -> Optional[bytes]:
        return b"".join(self._pieces)  # of one, as most are, no second copy is made

    def abandon(self) -> None:
        self._pieces = []


def sink_for(path: Optional[str], position: int, keep: bool = False) -> Sink:
    """What takes a download to a file, or into memory where there is no path."""
    return MemorySink() if path is None else FileSink(path, position, keep)
