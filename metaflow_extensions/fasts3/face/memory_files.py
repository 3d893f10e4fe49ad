"""Files without a name, for objects that are wanted in memory and come in pieces from several workers."""

import contextlib
import os
from typing import Callable

from metaflow_extensions.fasts3.face.errors import exception_of_files
from metaflow_extensions.fasts3.wire.transfers import GetReply


class MemoryFiles:
    """The files of one call; a context manager.

    Parameters
    ----------
    name : callable
        Gives a path for a file, where the system has none without a name: then there is one for a moment.
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self._name = name
        self._files: dict[str, int] = {}  # path -> descriptor

    def __enter__(self) -> "MemoryFiles":
        return self

    def __exit__(self, *_: object) -> None:
        for path in list(self._files):
            self.drop(path)

    def make(self, reply: GetReply) -> str:
        """Make a file for all of an object, with the bytes that have come; the path by which every process reaches it.

        Raises
        ------
        MetaflowS3Exception
        """
        try:
            path, descriptor = self._open()
            self._files[path] = descriptor
            os.ftruncate(descriptor, reply.length)
            with memoryview(reply.body or b"") as rest:
                position = 0
                while position < len(rest):
                    position += os.pwrite(descriptor, rest[position:], position)
        except OSError as error:
            raise exception_of_files("No file in memory can be made", error) from error
        return path

    def take(self, path: str) -> bytes:
        """All bytes of a file, which is no more then."""
        with open(self._files[path], "rb", buffering=0, closefd=False) as file:
            file.seek(0)
            data = file.readall()
        self.drop(path)
        return data

    def drop(self, path: str) -> None:
        """Let a file go."""
        os.close(self._files.pop(path))
        with contextlib.suppress(OSError):  # one in memory can't be removed, and need not be
            os.unlink(path)

    def _open(self) -> "tuple[str, int]":
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("fasts3")
            return f"/proc/{os.getpid()}/fd/{descriptor}", descriptor
        path = self._name("")
        return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
