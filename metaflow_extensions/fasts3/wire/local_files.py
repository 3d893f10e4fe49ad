"""The files that downloads go to and uploads come from, and what it means when they fail."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError

# Of a disk, a quota, or the size that a file may have here (`ulimit -f`, and file systems as FAT).
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}  # of this process, of the machine
_CODES = {**dict.fromkeys(DISK_FULL, Code.DISK_FULL), **dict.fromkeys(NO_DESCRIPTORS, Code.NO_DESCRIPTORS)}


# A link of the kernel's own, with device and number of the file that it leads to: it may lead to another one by now.
_IN_MEMORY = re.compile(r"(/proc/[0-9]+/fd/[0-9]+):([0-9]+):([0-9]+)\Z")


class Version(NamedTuple):
    """What tells whether a file is still what it was. Made of JSON's types, to go to a worker.

    Without the number of the file on its disk (inode), which changes by itself on some file systems in user space.
    """

    size: int  # bytes
    modified: int  # ns since 1970


def version_of(status: os.stat_result) -> Version:
    """The version of a file whose status was just asked for."""
    return Version(status.st_size, status.st_mtime_ns)


def local_failure(error: OSError) -> Failure:
    """What an error of the file system means."""
    return Failure(_CODES.get(error.errno or 0, Code.LOCAL_FILE), str(error))


def became_shorter(path: str) -> Failure:
    """A file that ended before the bytes that were there when its upload began."""
    return Failure(Code.CHANGED, f"{path} became shorter while it was uploaded")


def open_to_write(path: str, position: int, keep: bool = False) -> int:
    """A descriptor for a file that a download goes to; it is made, or emptied, when `position` is 0, unless `keep`.

    Made for its owner only, and never through a link that somebody else put there.
    """
    in_memory = _IN_MEMORY.match(path)
    if in_memory:
        return _open_in_memory(in_memory[1], (int(in_memory[2]), int(in_memory[3])))
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if position or keep else os.O_TRUNC)
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


def path_in_memory(descriptor: int) -> Optional[str]:
    """The path by which workers reach a file of this process that has no name; None where they would not.

    Without /proc there is no such path; with that of another PID namespace it is another process's; and one that the
    kernel keeps from being inspected has it for itself.
    """
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    identity = _identity(os.fstat(descriptor))
    try:
        if _identity(os.stat(path)) != identity or os.stat(f"/proc/{os.getpid()}").st_uid != os.geteuid():
            return None
    except OSError:
        return None
    return ":".join([path, *map(str, identity)])


def _identity(status: os.stat_result) -> "tuple[int, int]":
    return status.st_dev, status.st_ino


def _open_in_memory(path: str, identity: "tuple[int, int]") -> int:
    changed = TransferError(Failure(Code.LOCAL_FILE, f"{path} is another file by now"))
    try:
        if _identity(os.stat(path)) != identity:  # before it is opened, which for some files is not harmless
            raise changed
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise TransferError(local_failure(error)) from error
    if _identity(os.fstat(file)) != identity:
        os.close(file)
        raise changed
    return file


def write_all(file: int, data: memoryview, position: int) -> None:
    """Write all of it where it belongs."""
    try:
        written = os.pwrite(file, data, position)
        while written < len(data):  # a signal, or a disk that is nearly full
            written += os.pwrite(file, data[written:], position + written)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


def close_written(file: int) -> None:
    """Close a file that was written; some file systems, NFS for one, say only now that there was no room."""
    try:
        os.close(file)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


@contextmanager
def open_to_read(
    path: str, position: int = 0, length: int = -1, version: Optional[Sequence[int]] = None
) -> "Iterator[tuple[int, int]]":
    """A descriptor of a file that is uploaded, and how many of its bytes are: all without a `length`.

    Parameters
    ----------
    path : str
    position, length : int
        The bytes that are uploaded.
    version : sequence of int, optional
        A `Version` that the file must still have, because other parts of it are of that one. Without it a file may
        grow: what was there when it was opened is one version all the same.

    Raises
    ------
    TransferError
        NO_FILE, LOCAL_FILE: it is not there, or can't be read. CHANGED: it is too short, or was written to, now or
        after what is inside.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise TransferError(Failure(Code.NO_FILE, str(error))) from error
    except OSError as error:
        raise TransferError(local_failure(error)) from error
    try:
        opened = version_of(os.fstat(file))
        expected = opened if version is None else Version(*version)
        if opened.size < position + max(0, length):
            raise EOFError
        _compare(path, expected, opened, may_grow=False)
        yield file, length if length >= 0 else opened.size - position
        _compare(path, expected, version_of(os.fstat(file)), may_grow=version is None)
    except EOFError:
        raise TransferError(became_shorter(path)) from None
    except OSError as error:  # of reading: what the network does has been translated where it was noticed
        raise TransferError(local_failure(error)) from error
    finally:
        os.close(file)


def _compare(path: str, before: Version, now: Version, may_grow: bool) -> None:
    if now == before or (may_grow and now.size > before.size):
        return
    if now.size < before.size:
        raise EOFError
    raise TransferError(Failure(Code.CHANGED, f"{path} was changed while it was uploaded"))
