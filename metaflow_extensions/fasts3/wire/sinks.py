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
    into : memoryview, optional
        Memory of the caller for the bytes, long enough for all of them.

    Raises
    ------
    TransferError
        From all methods: the file can't be written.
    """

    def __init__(
        self, path: Optional[str], position: int = 0, keep: bool = False, into: Optional[memoryview] = None
    ) -> None:
        self._file = None if path is None else open_to_write(path, position, keep)
        self._position = position
        self._pieces: list[bytes] = []
        self._into = into
        self._filled = 0  # bytes of `into`

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, _: object, error: Optional[BaseException], __: object) -> None:
        if self._file is not None:
            (os.close if error else close_written)(self._file)

    def room(self, scratch: memoryview) -> memoryview:
        """Return where to read the next bytes: in their place if that is memory, otherwise `scratch`."""
        return scratch if self._into is None else self._into[self._filled :]

    def write(self, data: "bytes | memoryview") -> None:
        """Write bytes; the caller may reuse the view afterwards."""
        if self._into is not None:
            end = self._filled + len(data)
            if getattr(data, "obj", None) is not self._into.obj:  # otherwise they were read into their place
                self._into[self._filled : end] = data
            self._filled = end
        elif self._file is None:
            self._pieces.append(bytes(data))
        else:
            write_all(self._file, memoryview(data), self._position)
            self._position += len(data)

    @property
    def body(self) -> Optional[bytes]:
        """All bytes, if they are in memory of this object."""
        if self._file is not None or self._into is not None:
            return None
        return b"".join(self._pieces)  # with one piece, the usual case, no copy
