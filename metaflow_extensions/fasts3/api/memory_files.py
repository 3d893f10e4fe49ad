"""Files without a name, for objects that are wanted in memory and come in pieces from several workers."""

import contextlib
import errno
import io
import os
import threading
from typing import Callable, Optional

from metaflow_extensions.fasts3.api.errors import exception_of_files
from metaflow_extensions.fasts3.wire.blocking import Interrupted
from metaflow_extensions.fasts3.wire.local_files import path_in_memory
from metaflow_extensions.fasts3.wire.transfers import GetReply

STEP = 4 * 2**20  # bytes that are in the file and in memory at a time
MOST = 64  # descriptors that one call spends on it; further objects come together in files of the temporary directory


class MemoryFiles:
    """The files of one call; a context manager.

    It may end while another thread, which is stopped and has not noticed yet, goes on: that gets `Interrupted`. A
    descriptor closed under its hands could be somebody else's file by then.

    Parameters
    ----------
    name : callable
        Gives a path for a file, where there is none without a name: then it is there for a moment.
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

    def make(self, reply: GetReply) -> str:
        """Make a file for all of an object, with the bytes that have come; the path by which every process reaches it.

        Raises
        ------
        MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
        Interrupted
            The call has ended.
        """
        with self._lock:
            if self._ended:
                raise Interrupted
            try:
                path, descriptor = self._open()
                try:
                    _fill(descriptor, reply)
                finally:
                    if self._files[path] is None:
                        os.close(descriptor)
            except OSError as error:
                raise exception_of_files("No file in memory can be made", error) from error
            return path

    def take(self, path: str) -> bytes:
        """All bytes of a file, which is no more then.

        Raises
        ------
        Interrupted
            The call has ended.
        """
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
        """Let a file go."""
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
    """The descriptor of a new file in memory; None where the system has no such files."""
    if hasattr(os, "memfd_create"):  # on Linux only
        with contextlib.suppress(OSError):  # an old kernel, a sandbox that refuses it, no descriptors
            return os.memfd_create("fasts3")
    return None


def _fill(descriptor: int, reply: GetReply) -> None:
    os.ftruncate(descriptor, reply.length)
    with memoryview(reply.body or b"") as body:
        position = 0
        while position < len(body):
            position += os.pwrite(descriptor, body[position:], position)


def _moved(file: io.FileIO) -> bytes:
    """All bytes of a file; read from its end, which is cut off, so that the bytes do not take their memory twice."""
    size = file.seek(0, os.SEEK_END)
    memory = io.BytesIO(bytes(size))
    with memory.getbuffer() as view:
        for begin in reversed(range(0, size, STEP)):
            file.seek(begin)
            missing = view[begin : begin + STEP]
            while missing:
                count = file.readinto(missing)
                if not count:  # never: nobody else has the file
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                missing = missing[count:]
            file.truncate(begin)
    return memory.getvalue()
