"""Local files of downloads and uploads, and what their errors mean."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError

# The disk, a quota, or the maximum size of a file (`ulimit -f`, file systems such as FAT).
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}  # limit of the process, of the machine
_CODES = {**dict.fromkeys(DISK_FULL, Code.DISK_FULL), **dict.fromkeys(NO_DESCRIPTORS, Code.NO_DESCRIPTORS)}


# A link in /proc with the device and inode of its target, because the link may point to another file later.
_IN_MEMORY = re.compile(r"(/proc/[0-9]+/fd/[0-9]+):([0-9]+):([0-9]+)\Z")


class Version(NamedTuple):
    """Shows whether a file has changed. Its fields are JSON types, because workers receive it.

    The inode is not included: some user-space file systems change it.
    """

    size: int  # bytes
    modified: int  # ns since the epoch


def version_of(status: os.stat_result) -> Version:
    """Return the version of a file from its status."""
    return Version(status.st_size, status.st_mtime_ns)


class Identity(NamedTuple):
    """Distinguishes a file from a later one with its name, and from itself after a change."""

    device: int
    inode: int
    size: int  # bytes
    modified: int  # ns since the epoch
    changed: Optional[int]  # ns since the epoch; None if the file has several names: deleting one of them changes it

    def is_of(self, status: os.stat_result) -> bool:
        """Whether a file with this status is still the one that had this identity."""
        return self in (identity_of(status), identity_of(status)._replace(changed=None))


def identity_of(status: os.stat_result) -> Identity:
    """Return the identity of a file from its status."""
    changed = status.st_ctime_ns if status.st_nlink == 1 else None
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, changed)


def local_failure(error: OSError) -> Failure:
    """Return an error of the file system as a failure."""
    return Failure(_CODES.get(error.errno or 0, Code.LOCAL_FILE), str(error))


def became_shorter(path: str) -> Failure:
    """Return the failure for a file that was truncated during its upload."""
    return Failure(Code.CHANGED, f"{path} became shorter while it was uploaded")


def open_to_write(path: str, position: int, keep: bool = False) -> int:
    """Open the file of a download; creates it, and empties it if `position` is 0 and `keep` is False.

    Only the owner may read it, and symbolic links are not followed.
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
    """Return the path by which workers open an unnamed file of this process; None if they can't.

    There is none without /proc; in another PID namespace's /proc it belongs to another process; and the kernel denies
    access to processes that may not be inspected.
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
    changed = TransferError(Failure(Code.LOCAL_FILE, f"{path} now leads to another file"))
    try:
        if _identity(os.stat(path)) != identity:  # before opening, which has side effects for some files
            raise changed
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise TransferError(local_failure(error)) from error
    if _identity(os.fstat(file)) != identity:
        os.close(file)
        raise changed
    return file


def write_all(file: int, data: memoryview, position: int) -> None:
    """Write all bytes at a position."""
    try:
        written = os.pwrite(file, data, position)
        while written < len(data):  # interrupted by a signal, or a nearly full disk
            written += os.pwrite(file, data[written:], position + written)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


def close_written(file: int) -> None:
    """Close a written file; some file systems, such as NFS, report a full disk only now."""
    try:
        os.close(file)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


@contextmanager
def open_to_read(
    path: str, position: int = 0, length: int = -1, version: Optional[Sequence[int]] = None
) -> "Iterator[tuple[int, int]]":
    """Open a file to upload and return its descriptor and the number of bytes: all without `length`.

    Parameters
    ----------
    path : str
    position, length : int
        The bytes to upload.
    version : sequence of int, optional
        Its expected `Version`, which its other parts were read from. Without it the file may grow: the bytes present
        at its opening are one version all the same.

    Raises
    ------
    TransferError
        NO_FILE, LOCAL_FILE: it does not exist or can't be read. CHANGED: it is too short, or was modified before or
        during the block.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise TransferError(Failure(Code.NO_FILE, str(error))) from error
    except OSError as error:
        raise TransferError(local_failure(error)) from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise TransferError(Failure(Code.LOCAL_FILE, f"{path} is not a regular file any more"))
        opened = version_of(status)
        expected = opened if version is None else Version(*version)
        if opened.size < position + max(0, length):
            raise EOFError
        _compare(path, expected, opened, may_grow=False)
        yield file, length if length >= 0 else opened.size - position
        _compare(path, expected, version_of(os.fstat(file)), may_grow=version is None)
    except EOFError:
        raise TransferError(became_shorter(path)) from None
    except OSError as error:  # of reading; errors of the network were translated before
        raise TransferError(local_failure(error)) from error
    finally:
        os.close(file)


def _compare(path: str, before: Version, now: Version, may_grow: bool) -> None:
    if now == before or (may_grow and now.size > before.size):
        return
    if now.size < before.size:
        raise EOFError
    raise TransferError(Failure(Code.CHANGED, f"{path} was changed while it was uploaded"))
