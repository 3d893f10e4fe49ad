"""Partial files of interrupted downloads: the next download of the same object continues with them.

A large object arrives in a hidden directory beside its file: the bytes, and a record of the pieces that are complete,
with their CRC-32s. If the process ends before the download does, the directory remains, and the next download into the
same place reads it: pieces whose bytes still have their CRC-32 need not be downloaded again, as long as the object has
the same ETag and size. The process that writes to a directory holds a lock on it; another one that downloads the same
object meanwhile uses a temporary file, as if there were nothing to continue.

The record has the URL, ETag, size and time of the object, and no secret.
"""

import contextlib
import itertools
import json
import os
import re
import secrets
import stat
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.api.temporary_directory import MOST_LOCKS, MOST_LOOKED_AT, PREFIX, locked
from metaflow_extensions.fasts3.plans.resumable_downloads import Kept
from metaflow_extensions.fasts3.wire.conditions import strong
from metaflow_extensions.fasts3.wire.log import log
from metaflow_extensions.fasts3.wire.transfers import GetResponse, ObjectInfo

PARTIAL = f"{PREFIX}partial."  # followed by a hash of the URL and the path
KEPT_FOR = 7 * 24 * 3600  # seconds since the last piece; then the next download into the directory removes it
_FORMAT = 1
_RECORD = "record"
_DATA = re.compile(r"data-[0-9a-f]{16}(?:\.[0-9])?\Z")  # a restarted download has a number at the end
_ROW = re.compile(rb"\[[0-9]{1,16}, [1-9][0-9]{0,15}, [0-9]{1,10}\]\Z")  # a line that was cut short is ignored
_MOST_RECORD = 512 * 2**20  # bytes; the largest object in pieces of 5 MiB
_STEP = 2**20  # bytes that are read at a time


class Resumable(NamedTuple):
    """A download that may be interrupted."""

    url: str
    path: str  # of its file
    size: Optional[int]  # bytes; None: unknown


class PartialDownload:
    """The partial file of one object, and its record. It holds the lock on their directory until `close`.

    `path` and `descriptor` are of the directory, which is locked. `data` is a path for the bytes of a new download.
    `kept` is what an earlier download left; None if nothing can be used.
    """

    def __init__(self, path: str, descriptor: int, url: str) -> None:
        self._path = path
        self._directory = descriptor
        self._url = url
        self._record: Optional[int] = None
        # After Ctrl-C, the thread of the call may still note pieces while the download is closed. Another file may then
        # have the number of the descriptor.
        self._lock = threading.RLock()
        self._closed = False
        self._is_worth_keeping = False
        # A new name for each attempt: a worker of an ended process may still write to the old file for a moment.
        self.data = os.path.join(path, f"data-{secrets.token_hex(8)}")
        self.kept: Optional[Kept] = None

    def read(self) -> None:
        """Find out what can be used of an earlier download; delete the rest."""
        self._is_worth_keeping = True  # an interruption of the check does not remove it
        try:
            self.kept = self._checked(*self._lines())
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            log.debug("the partial download in %s can't be continued: %s", self._path, error)
        self._is_worth_keeping = self.kept is not None
        kept_name = os.path.basename(self.kept.path) if self.kept else None
        if self.kept:
            with self._recording():
                self._record = self._open_record(os.O_APPEND)
                os.write(self._record, b"\n")  # ends a line that was cut short
        self._remove(lambda name: name != kept_name and not (kept_name and name == _RECORD))

    def begin(self, path: str, response: GetResponse) -> None:
        """Begin a new record: the object's first response has arrived."""
        with self._lock:
            if not self._closed:
                self._begin(path, response)

    def _begin(self, path: str, response: GetResponse) -> None:
        etag = strong(response.info.etag)
        self._stop()
        self._is_worth_keeping = False
        if etag is None or response.info.size != response.length:
            return  # nothing could prove later that the object is the same
        with self._recording():
            self._record = self._open_record(os.O_APPEND | os.O_CREAT | os.O_TRUNC)
            self._write(
                {
                    "format": _FORMAT,
                    "url": self._url,
                    "etag": etag,
                    "size": response.length,
                    "modified": response.info.last_modified,
                    "crc32": response.whole_crc,
                    "data": os.path.basename(path),
                }
            )

    def note(self, first: int, length: int, crc: int) -> None:
        """Record a complete piece."""
        with self._lock, self._recording():
            self._write([first, length, crc])  # nothing, once it is closed
            self._is_worth_keeping = self._is_worth_keeping or self._record is not None

    def close(self, is_done: bool = False) -> None:
        """Release the lock. If the download is complete, or nothing of it is recorded, remove the directory."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._stop()
            if is_done or not self._is_worth_keeping:
                self._remove(lambda _: True)
                with contextlib.suppress(OSError):
                    os.rmdir(self._path)
            os.close(self._directory)

    # --- The record.

    def _open_record(self, flags: int) -> int:
        flags |= os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(_RECORD, flags, 0o600, dir_fd=self._directory)

    def _write(self, line: Any) -> None:
        if self._record is not None:
            os.write(self._record, f"{json.dumps(line)}\n".encode("ascii"))

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        """Go on without a record if it can't be written: the download itself may succeed."""
        try:
            yield
        except OSError as error:
            log.debug("the record in %s can't be written: %s", self._path, error)
            self._stop()

    def _stop(self) -> None:
        if self._record is not None:
            os.close(self._record)
            self._record = None

    def _remove(self, is_old: Any) -> None:
        """Remove those of our files that are of no use."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._directory):
                if (name == _RECORD or _DATA.match(name)) and is_old(name):
                    os.unlink(name, dir_fd=self._directory)

    # --- The remains of an earlier download.

    def _open_own(self, name: str) -> int:
        """Open a file to read; raise ValueError for one that others could have written."""
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._directory)
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and _is_private(status) and status.st_nlink == 1:
            return file
        os.close(file)
        raise ValueError(f"{name} is not a private file of this user")

    def _lines(self) -> "tuple[Any, list[Any]]":
        with open(self._open_own(_RECORD), "rb") as file:
            text = file.read(_MOST_RECORD)
        head, *lines = text.split(b"\n")
        return json.loads(head), [json.loads(line) for line in lines if _ROW.match(line)]

    def _checked(self, head: Any, rows: "list[Any]") -> Optional[Kept]:
        """Return the recorded pieces whose bytes are there."""
        etag, size, modified, crc, name = (head[field] for field in ("etag", "size", "modified", "crc32", "data"))
        if head["format"] != _FORMAT or head["url"] != self._url or not _DATA.match(name):
            raise ValueError("the record is of another download")
        if not (_is_text(etag) and _is_number(size) and (modified is None or _is_number(modified))):
            raise ValueError("the record is invalid")
        if crc is not None and not _is_text(crc):
            raise ValueError("the record is invalid")
        noted = {first: (length, number) for first, length, number in rows}  # a piece may have been repeated
        pieces: dict[int, tuple[int, int]] = {}
        file, end = self._open_own(name), 0
        try:
            for first, (length, number) in sorted(noted.items()):
                if end <= first and first + length <= size and _crc_of(file, first, length) == number:
                    pieces[first], end = (number, length), first + length
        finally:
            os.close(file)
        if sum(length for _, length in pieces.values()) == size and pieces:
            del pieces[max(pieces)]  # a request for it shows whether the object is still the same
        if not pieces:
            return None
        info = ObjectInfo(size, etag, None, {}, modified, None)
        return Kept(os.path.join(self._path, name), GetResponse(info, 0, size, 0, None, crc), pieces)


class PartialDownloads:
    """The partial files of the downloads of one call into a directory.

    Objects of fewer than `least` bytes do not arrive in pieces; they are downloaded again.
    """

    def __init__(self, directory: str, objects: Sequence[Resumable], least: int) -> None:
        self._directory = directory
        self._objects = objects
        self._least = least
        self._open: dict[int, PartialDownload] = {}  # by index
        self._closed = False

    def __enter__(self) -> "PartialDownloads":
        remove_old(self._directory)
        try:
            for index, one in enumerate(self._objects):
                # A check of the pieces may take long. So it is done here, where an interruption ends it.
                if self._may_have_pieces(one) and os.path.isdir(_path_for(self._directory, one)):
                    found = self.claim(index)
                    if found:
                        found.read()
        except BaseException:
            self.__exit__()  # otherwise the locks would remain until the end of the process
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for index in list(self._open):
            self._close(index)

    def claim(self, index: int) -> Optional[PartialDownload]:
        """Return the partial file of an object; None if it is not worth one, or another process has it."""
        if index in self._open:
            return self._open[index]
        one = self._objects[index]
        if self._closed or not self._may_have_pieces(one) or len(self._open) >= MOST_LOCKS:
            return None
        path = _path_for(self._directory, one)
        descriptor = _locked(path)
        if descriptor is None:
            return None
        found = self._open[index] = PartialDownload(path, descriptor, one.url)
        return found

    def done(self, index: int) -> None:
        """Remove the partial file of an object whose download is complete."""
        self._close(index, is_done=True)

    def _close(self, index: int, is_done: bool = False) -> None:
        found = self._open.pop(index, None)  # another thread may have been faster
        if found:
            found.close(is_done)

    def _may_have_pieces(self, one: Resumable) -> bool:
        return one.size is None or one.size >= self._least


def remove_old(directory: str) -> None:
    """Remove partial downloads that have not been continued for `KEPT_FOR`."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in itertools.islice(entries, MOST_LOOKED_AT):
            if entry.name.startswith(PARTIAL) and _is_old(entry.path):
                descriptor = _locked(entry.path, make=False)
                if descriptor is not None:
                    PartialDownload(entry.path, descriptor, "").close(is_done=True)


def _is_old(path: str) -> bool:
    times = [time.time()]
    with contextlib.suppress(OSError):
        times = [os.lstat(os.path.join(path, name)).st_mtime for name in (os.curdir, *os.listdir(path))]
    return max(times) < time.time() - KEPT_FOR


def _path_for(directory: str, one: Resumable) -> str:
    name = sha256(f"{one.url}\0{os.path.relpath(one.path, directory)}".encode("utf-8", "surrogateescape")).hexdigest()
    return os.path.join(directory, f"{PARTIAL}{name[:32]}")


def _locked(path: str, make: bool = True) -> Optional[int]:
    """Return a descriptor that holds the lock of a private directory; None if that is impossible."""
    if make:
        with contextlib.suppress(OSError):
            os.mkdir(path, 0o700)
    descriptor = locked(path)
    if descriptor is None:
        return None
    with contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        # The process that had the lock may have removed the directory.
        if _is_private(status) and os.path.samestat(status, os.lstat(path)):
            return descriptor
    os.close(descriptor)
    return None


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _crc_of(file: int, first: int, length: int) -> Optional[int]:
    """Return the CRC-32 of bytes in a file; None if it is shorter."""
    crc, position, end = 0, first, first + length
    while position < end:
        data = os.pread(file, min(_STEP, end - position), position)
        if not data:
            return None
        crc, position = zlib.crc32(data, crc), position + len(data)
    return crc


def _is_number(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and value.isascii()
