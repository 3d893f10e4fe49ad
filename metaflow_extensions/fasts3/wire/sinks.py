"""Destinations of downloads: a local file, or memory."""

import os
from typing import Optional, Protocol

from metaflow_extensions.fasts3.wire.local_files import close_written, open_to_write, write_all


class Sink(Protocol):
    """Receives the bytes of one download, in order."""

    def write(self, data: "bytes | memoryview") -> None:
        """Write bytes; the caller reuses the view afterwards."""

    def finish(self) -> Optional[bytes]:
        """End the download; return all bytes if they are in memory."""

    def abandon(self) -> None:
        """Release resources after a failed download."""


class FileSink:
    """Writes a section of a file.

    Parameters
    ----------
    path : str
    position : int
        Offset of the first byte. At 0, the file is created or emptied.
    keep : bool
        Do not empty the file, because other downloads write to it too.

    Raises
    ------
    TransferError
        From all methods: the file can't be written.
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
    """Collects the bytes in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: "bytes | memoryview") -> None:
        self._pieces.append(bytes(data))

    def finish(self) -> Optional[bytes]:
        return b"".join(self._pieces)  # with one piece, the usual case, join makes no copy

    def abandon(self) -> None:
        self._pieces = []


def sink_for(path: Optional[str], position: int, keep: bool = False) -> Sink:
    """Return the sink for a file, or for memory if there is no path."""
    return MemorySink() if path is None else FileSink(path, position, keep)
