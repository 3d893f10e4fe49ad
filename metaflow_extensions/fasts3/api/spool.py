"""Values that nobody else holds, as a generator gives them: until they are uploaded, the most of them are in a file."""

import errno
import os
import tempfile
import threading
from typing import IO, Any, Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.plans.jobs import Buffer
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.local_files import write_all
from metaflow_extensions.fasts3.wire.log import log

HELD = 32 * 2**20  # bytes of values that are held in memory
HOLDING: tuple[type, ...] = (list, tuple, set, frozenset, type({}.items()))
"""Collections that hold their values anyway; what others give may be made just then."""


def snapshot(value: Any) -> Any:
    """The bytes of a bytearray or a memoryview of bytes, which can be changed or released; other values as they are."""
    if isinstance(value, bytearray):
        return bytes(value)
    try:
        # Of other items than bytes, the format would be lost.
        return value.tobytes() if isinstance(value, memoryview) and value.format in ("B", "b", "c") else value
    except ValueError:  # released
        return value


class Spooled(NamedTuple):
    """A value in the file."""

    spool: "Spool"
    start: int
    size: int  # bytes

    def read(self, piece: Piece) -> Buffer:
        """Bytes of it."""
        return self.spool.read(self.start + piece.first, piece.length)


class Spool:
    """Takes values; a context manager, at whose end the file is gone.

    It may end while another thread, which is stopped and has not noticed yet, goes on: that gets `Interrupted`. A
    descriptor closed under its hands could be somebody else's file by then.

    Parameters
    ----------
    folder : callable
        Gives the directory for the file, if there has to be one.
    """

    def __init__(self, folder: Callable[[], str]) -> None:
        self._folder = folder
        self._file: Optional[IO[bytes]] = None
        self._size = 0  # bytes of all so far
        self._end = 0  # of the file
        self._works = True
        self._lock = threading.Lock()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._file:
                self._file.close()

    def keep(self, value: Any) -> Any:
        """What to hold in place of a value: itself, its bytes as of now, or where it is in the file."""
        value = snapshot(value)
        if not isinstance(value, (str, bytes)):
            return value  # an open file, or what is refused later
        try:
            data = value.encode("utf-8") if isinstance(value, str) else value
        except UnicodeEncodeError:
            return value
        self._size += len(data)
        return value if self._size <= HELD or not self._works else self._write(data) or value

    def _write(self, data: bytes) -> Optional[Spooled]:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder())  # noqa: SIM115  # closed with the spool
            write_all(self._file.fileno(), memoryview(data), self._end)
        except (OSError, MetaflowException, TransferError) as error:
            # No room, or no directory: an upload needs neither, as long as there is memory.
            log.debug("values are held in memory: %s", error)
            self._works = False
            return None
        value = Spooled(self, self._end, len(data))
        self._end += len(data)
        return value

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file.

        Raises
        ------
        OSError
        Interrupted
            The call has ended.
        """
        with self._lock:
            if self._file is None or self._file.closed:
                raise Interrupted
            data = os.pread(self._file.fileno(), length, start)
        if len(data) < length:  # never, for a file that nobody else sees; but less must not be stored
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data
