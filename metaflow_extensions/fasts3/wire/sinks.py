"""The destination of a download: a local file, or memory."""

import os
from typing import Optional

from metaflow_extensions.fasts3.wire.local_files import close_written, open_to_write, write_all


class Sink:
    """Receives the bytes of one download, in order; a context manager.

    Parameters
    ----------
    path : str or None
        The file; None: memory.
    position : int
        Offset of the first byte in the file. At 0, the file is created or emptied.
    keep : bool
        Do not empty the file, because other downloads write to it too.

    Raises
    ------
    TransferError
        From all methods: the file can't be written.
    """

    def __init__(self, path: Optional[str], position: int = 0, keep: bool = False) -> None:
        self._file = None if path is None else open_to_write(path, position, keep)
        self._position = position
        self._pieces: list[bytes] = []

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, _: object, error: Optional[BaseException], __: object) -> None:
        if self._file is not None:
            (os.close if error else close_written)(self._file)

    def write(self, data: "bytes | memoryview") -> None:
        """Write bytes; the caller may reuse the view afterwards."""
        if self._file is None:
            self._pieces.append(bytes(data))
        else:
            write_all(self._file, memoryview(data), self._position)
            self._position += len(data)

    @property
    def body(self) -> Optional[bytes]:
        """All bytes, if they are in memory."""
        return b"".join(self._pieces) if self._file is None else None  # with one piece, the usual case, no copy
