"""Files without a name: for values before their upload, and for objects downloaded into memory.

Both classes are context managers for one call. One may end while another thread, which has not noticed the stop yet,
continues; this thread gets `Interrupted`, because a closed descriptor may already be that of another file.
"""

import contextlib
import errno
import io
import os
import tempfile
import threading
from collections.abc import Iterable
from typing import IO, Any, Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import exception_of_files
from metaflow_extensions.fasts3.plans.jobs import Buffer
from metaflow_extensions.fasts3.plans.pieces import Piece
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.failures import TransferError
from metaflow_extensions.fasts3.wire.local_files import path_in_memory, write_all
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.transfers import GetResponse

HELD = 32 * 2**20  # bytes of values kept in memory
HOLDING: tuple[type, ...] = (list, tuple, set, frozenset, type({}.items()))
"""Collections that keep their values in memory anyway; other iterables may create values during the iteration."""
STEP = 4 * 2**20  # bytes that are both in the file and in memory at a time
MOST = 64  # descriptors of one call; further objects use files in the temporary directory


def snapshot(value: Any) -> Any:
    """A copy of a bytearray or a memoryview of bytes, which may change or be released; other values unchanged."""
    if isinstance(value, bytearray):
        return bytes(value)
    try:
        # A copy of other items than bytes would lose the format.
        return value.tobytes() if isinstance(value, memoryview) and value.format in ("B", "b", "c") else value
    except ValueError:  # released
        return value


class Spooled(NamedTuple):
    """A value in the file."""

    spool: "Spool"
    start: int
    size: int  # bytes

    def read(self, piece: Piece) -> Buffer:
        """Read a piece of it."""
        return self.spool.read(self.start + piece.first, piece.length)


class Spool:
    """Buffers the values of a generator before their upload, in a file beyond `HELD` bytes.

    `folder` returns the directory for the file, if one is needed.
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
        """The object to keep for a value: the value, a copy of its bytes, or its position in the file."""
        value = snapshot(value)
        if not isinstance(value, (str, bytes)):
            return value  # it is refused later
        try:
            data = value.encode("utf-8") if isinstance(value, str) else value
        except UnicodeEncodeError:
            return value
        self._size += len(data)
        return value if self._size <= HELD or not self._works else self._write(data) or value

    def keep_file(self, chunks: Iterable[Buffer], size: int) -> Any:
        """The object to keep for the bytes of an open file; a negative size is unknown."""
        self._size += max(0, size)
        is_short = size >= 0 and self._size <= HELD
        kept = [(not is_short and self._works and self._write(chunk)) or bytes(chunk) for chunk in chunks]
        in_file = [one for one in kept if isinstance(one, Spooled)]
        if in_file and len(in_file) == len(kept):
            return Spooled(self, in_file[0].start, sum(one.size for one in in_file))
        return b"".join(one if isinstance(one, bytes) else one.read(Piece(0, one.size)) for one in kept)

    def _write(self, data: Buffer) -> Optional[Spooled]:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder())  # noqa: SIM115  # closed with the spool
            write_all(self._file.fileno(), memoryview(data), self._end)
        except (OSError, MetaflowException, TransferError) as error:
            # No disk space, or no directory: an upload needs neither, as long as there is memory.
            log.debug("values are kept in memory: %s", error)
            self._works = False
            return None
        value = Spooled(self, self._end, len(data))
        self._end += len(data)
        return value

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file; raises OSError, and Interrupted if the call has ended."""
        with self._lock:
            if self._file is None or self._file.closed:
                raise Interrupted
            data = os.pread(self._file.fileno(), length, start)
        if len(data) < length:  # impossible for our own file, but a shorter value must not be stored
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data


class MemoryFiles:
    """The files of one call for objects in memory whose ranges come from several workers.

    `name` returns a path for a short-lived file, on systems without unnamed files.
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self._name = name
        self._files: dict[str, Optional[int]] = {}  # path -> descriptor; None: it has a name
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> "MemoryFiles":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            for path in list(self._files):
                self._drop(path)

    def make(self, response: GetResponse) -> str:
        """Create a file for a whole object, with the bytes received so far; return a path that every process can open.

        Raises MetaflowS3InsufficientDiskSpace, MetaflowS3Exception, and Interrupted if the call has ended.
        """
        with self._lock:
            if self._ended:
                raise Interrupted
            try:
                path, descriptor = self._open()
                try:
                    _fill(descriptor, response)
                finally:
                    if self._files[path] is None:
                        os.close(descriptor)
            except OSError as error:
                raise exception_of_files("Could not create a file in memory", error) from error
            return path

    def take(self, path: str) -> bytes:
        """Read all bytes of a file and remove it; raises Interrupted if the call has ended."""
        with self._lock:
            if self._ended:
                raise Interrupted
            descriptor = self._files[path]
            source = path if descriptor is None else descriptor
            with open(source, "r+b", buffering=0, closefd=descriptor is None) as file:
                data = _moved(file)
            self._drop(path)
            return data

    def drop(self, path: str) -> None:
        """Remove a file."""
        with self._lock:
            self._drop(path)

    def _drop(self, path: str) -> None:
        descriptor = self._files.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _open(self) -> "tuple[str, int]":
        unnamed = self._descriptor_in_memory()
        if unnamed is not None:
            reached = path_in_memory(unnamed)
            if reached is not None:
                self._files[reached] = unnamed
                return reached, unnamed
            os.close(unnamed)
        path = self._name("")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._files[path] = None
        return path, descriptor

    def _descriptor_in_memory(self) -> Optional[int]:
        held = sum(descriptor is not None for descriptor in self._files.values())
        return None if held >= MOST else unnamed_file()


def unnamed_file() -> Optional[int]:
    """The descriptor of a new file in memory; None if the system does not support it."""
    if hasattr(os, "memfd_create"):  # on Linux only
        with contextlib.suppress(OSError):  # an old kernel, a sandbox, or no free descriptors
            return os.memfd_create("fasts3")
    return None


def _fill(descriptor: int, response: GetResponse) -> None:
    os.ftruncate(descriptor, response.length)
    with memoryview(response.body or b"") as body:
        position = 0
        while position < len(body):
            position += os.pwrite(descriptor, body[position:], position)


def _moved(file: io.FileIO) -> bytes:
    """Read a file from its end and truncate it after each step, so that its bytes are not in memory twice."""
    size = file.seek(0, os.SEEK_END)
    memory = io.BytesIO(bytes(size))
    with memory.getbuffer() as view:
        for begin in reversed(range(0, size, STEP)):
            file.seek(begin)
            missing = view[begin : begin + STEP]
            while missing:
                count = file.readinto(missing)
                if not count:  # impossible: only this process has the file
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                missing = missing[count:]
            file.truncate(begin)
    return memory.getvalue()
