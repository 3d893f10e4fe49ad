"""Who has a temporary directory: its process holds a lock on it, which the kernel takes back however the process ends.

So a directory whose process was killed can be told from one in use, by any process, on any machine that shares the file
system, and the next one that starts in the same place removes it. Only directories whose name says that they are locked
are touched: those of Metaflow's own class, and those of file systems without locks, are left alone.
"""

import contextlib
import fcntl
import itertools
import os
import re
import shutil
import tempfile
from typing import Optional

PREFIX = ".metaflow.s3."  # hidden: it may be a user's own directory that they are made in
PREFIXES = (PREFIX, "metaflow.s3.")  # those of Metaflow's own class as well
LOCKED = f"{PREFIX}locked."
FILE = re.compile(r"[0-9]+-[0-9]+-[A-Za-z0-9._-]*\Z")  # the names that tempdir.py gives
_NOT_YET = f"{PREFIX}new."
_GONE = ".gone"  # what the name of one ends with that is being removed
MOST_LOCKS = 64  # descriptors that may be spent on it; a process with more directories than that leaves some behind
MOST_LOOKED_AT = 10_000  # entries of a root; it may be a directory of the user's own, with millions

_locks: dict[str, int] = {}  # directory -> the descriptor that holds its lock
_swept: set[tuple[int, str]] = set()  # (process id, root)


def make(root: str, lock: bool = True) -> str:
    """Make a directory of mode 0700, and have it locked as long as this process lives, where that can be had.

    Raises
    ------
    OSError
    """
    path = os.path.abspath(tempfile.mkdtemp(prefix=_NOT_YET if lock else PREFIX, dir=root))
    if not lock:
        return path
    descriptor = _lock(path) if len(_locks) < MOST_LOCKS else None
    # Its name says so only now that it is true: who finds it before leaves it alone.
    folder, name = os.path.split(path)
    named = os.path.join(folder, (PREFIX if descriptor is None else LOCKED) + name[len(_NOT_YET) :])
    try:
        os.rename(path, named)
    except OSError:  # a neighbour was there first; the name that it has does as well, and nobody sweeps it
        named = path
    if descriptor is not None:
        _locks[named] = descriptor
    return named


def remove(path: str) -> None:
    """Remove a directory that this process has made, and all in it, also while others write there."""
    # Under another name first: who opens a file there from now on, in whichever thread or process, finds no directory.
    # Without it a file that comes while the others are removed would stay, and with it the directory.
    gone = f"{path}{_GONE}"
    try:
        os.rename(path, gone)
    except OSError:  # it is not there any more, or its parent takes no changes
        gone = path
    shutil.rmtree(gone, ignore_errors=True)
    descriptor = _locks.pop(path, None)
    if descriptor is not None:
        os.close(descriptor)


def sweep(root: str) -> None:
    """Remove what processes that were killed have left in a root; once for this process."""
    name = (os.getpid(), os.path.abspath(root))
    if name in _swept:
        return
    _swept.add(name)
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in itertools.islice(entries, MOST_LOOKED_AT):
            if entry.name.startswith(LOCKED) and entry.path not in _locks:
                _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    descriptor = _lock(path)
    if descriptor is None:
        return
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            _remove_what_is_ours(path, descriptor)
    finally:
        os.close(descriptor)


def _remove_what_is_ours(path: str, descriptor: int) -> None:
    """Remove files that have names of ours, and the directory if that was all.

    Not all that is there: without the sticky bit on the root a neighbour can give the name to any directory in it.
    By the descriptor, not by the path, which may be another directory's by now.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(descriptor):
            if FILE.match(name):
                os.unlink(name, dir_fd=descriptor)
        os.rmdir(path)  # of an empty directory only


def _lock(path: str) -> Optional[int]:
    """A descriptor that holds the lock of a directory; None where somebody has it, or there are no locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
