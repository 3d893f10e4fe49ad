"""The files that downloads go to and uploads come from, and what it means when they fail."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def local_failure(error: OSError) -> Failure:
    """What an error of the file system means."""
    return Failure(Code.DISK_FULL if error.errno in DISK_FULL else Code.LOCAL_FILE, str(error))


def became_shorter(path: str) -> Failure:
    """A file that ended before the bytes that were there when its upload began."""
    return Failure(Code.LOCAL_FILE, f"{path} became shorter while it was uploaded")


def open_to_write(path: str, position: int) -> int:
    """A descriptor for a file that a download goes to; it is made, or emptied, when `position` is 0.

    Made for its owner only, and never through a link that somebody else put there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if position else os.O_TRUNC)
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


def write_all(file: int, data: memoryview, position: int) -> None:
    """Write all of it where it belongs."""
    try:
        written = os.pwrite(file, data, position)
        while written < len(data):  # a signal, or a disk that is nearly full
            written += os.pwrite(file, data[written:], position + written)
    except OSError as error:
        raise TransferError(local_failure(error)) from error


@contextmanager
def open_to_read(path: str, position: int = 0, length: int = -1) -> "Iterator[tuple[int, int]]":
    """A descriptor of a file that is uploaded, and how many of its bytes are: all without a `length`.

    Raises
    ------
    TransferError
        LOCAL_FILE: it can't be read, or is too short, now or when what is inside tries (OSError, EOFError).
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise TransferError(local_failure(error)) from error
    try:
        size = os.fstat(file).st_size
        if size < position + max(0, length):
            raise EOFError
        yield file, length if length >= 0 else size - position
    except EOFError:
        raise TransferError(became_shorter(path)) from None
    except OSError as error:  # of reading: what the network does has been translated where it was noticed
        raise TransferError(local_failure(error)) from error
    finally:
        os.close(file)
