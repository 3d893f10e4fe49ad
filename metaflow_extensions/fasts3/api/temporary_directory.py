"""The temporary directory of a client: made when first needed, removed by `close`, or at the end of the process.

Its process holds a lock on it, which the kernel takes back however the process ends. So a directory whose process was
killed differs from one in use, by any process, on any machine that shares the file system, and the next one that
starts in the same place removes it. Only directories whose name says that they are locked are touched: those of
Metaflow's own class, and those of file systems without locks, are left alone.
"""

import atexit
import contextlib
import errno
import fcntl
import itertools
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
from typing import Callable, Optional

from metaflow.debug import debug
from metaflow.metaflow_config import TEMPDIR

from metaflow_extensions.fasts3.api.errors import MetaflowS3Exception, exception_of_files
from metaflow_extensions.fasts3.workers.interruptible import interruptible

PREFIX = ".metaflow.s3."  # hidden: it may be a user's own directory that they are made in
PREFIXES = (PREFIX, "metaflow.s3.")  # those of Metaflow's own class as well
LOCKED = f"{PREFIX}locked."
FILE = re.compile(r"[0-9]+-[0-9]+-[A-Za-z0-9._-]*\Z")  # the names that `TemporaryDirectory` gives
_NOT_YET = f"{PREFIX}new."
_GONE = ".gone"  # what the name of one ends with that is being removed
MOST_LOCKS = 64  # descriptors that may be spent on it; a process with more directories than that leaves some behind
MOST_LOOKED_AT = 10_000  # entries of a root; it may be a directory of the user's own, with millions
NOT_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_LENGTH = 60  # characters kept of a key; the rest would only make paths long

# What the file system says of a directory that takes none: read-only, not ours, not there any more.
_ELSEWHERE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}

_made: dict[str, int] = {}  # directory -> the process that made it
_locks: dict[str, int] = {}  # directory -> the descriptor that holds its lock
_swept: set[tuple[int, str]] = set()  # (process id, root)
_ended = False  # whether the exit handlers of this process have removed all of them
_finalized_in: Optional[int] = None  # the process whose end `multiprocessing` reports
_lock = threading.Lock()


def _new_lock() -> None:
    global _lock  # noqa: PLW0603  # it may be held by a thread that the forked child does not have
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)


def roots(configured: str) -> "tuple[str, ...]":
    """Where to make a temporary directory if the user has given no place: what is configured, or here and then there.

    The working directory of a container, or of AWS Lambda, is often read-only.
    """
    return (configured, tempfile.gettempdir()) if configured == os.curdir else (configured,)


class TemporaryDirectory:
    """Gives names for local files.

    Parameters
    ----------
    roots : str
        Where the directory is made: in the first of them that takes one.
    """

    def __init__(self, *roots: str) -> None:
        self._roots = roots
        self._path: Optional[str] = None
        self._numbers = itertools.count()

    def file(self, key: str) -> str:
        """A path that nothing has, for an object with this key."""
        return self.namer()(key)

    def namer(self) -> Callable[[str], str]:
        """Give the function `file`, for many keys: the directory is looked at once.

        It ends like the key, so that libraries which go by a file's extension understand it, but only harmless
        characters are taken from it, and it begins with a number of ours.
        """
        # The process id, because a forked child goes on with the same directory and the same count.
        start = f"{os.path.join(self.path(), str(os.getpid()))}-"

        def file(key: str) -> str:
            name = NOT_SAFE.sub("_", key.rstrip("/").rpartition("/")[2])[-NAME_LENGTH:]
            return f"{start}{next(self._numbers)}-{name}"

        return file

    def path(self) -> str:
        """The directory, 0700."""
        path = self._path
        if path is None or not _is_ours(path):
            # A call that is stopped right between its making and our noting it would leave it behind.
            late = threading.current_thread() is not threading.main_thread()
            path = interruptible(lambda _: self._have(late))
        return path

    def _have(self, late: bool) -> str:
        """The directory; `late`: not for who is at work at the end of the process, as exit handlers are."""
        with _lock:
            if _ended and late:
                raise MetaflowS3Exception("No temporary directory is made any more: this process is about to end.")
            if self._path is None or not _is_ours(self._path):  # nobody else has made it meanwhile
                self._path = self._make()
                _made[self._path] = os.getpid()
                _have_it_removed()
            return self._path

    def _make(self) -> str:
        refusals = []
        for root in self._roots:
            try:
                sweep(root)
                return make_directory(root, lock=not debug.s3client)
            except OSError as error:
                refusals.append(error)
                if error.errno not in _ELSEWHERE:
                    break
        tried = " or ".join(f"'{root}'" for root in self._roots[: len(refusals)])
        raise exception_of_files(f"No temporary directory can be made in {tried}", refusals[-1]) from refusals[-1]

    def remove(self) -> None:
        """Remove the directory and all in it; the next `file` makes a new one."""
        with _lock:
            path, self._path = self._path, None
        if path is None:
            return
        if _made.get(path) == os.getpid():
            remove_directory(path)
            _made.pop(path, None)  # last: stopped before, the rest is removed at the end of the process
            return
        for name in os.listdir(path) if os.path.isdir(path) else ():  # a forked child: only what is its own
            if name.startswith(f"{os.getpid()}-"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(path, name))


def spare_file(key: str) -> str:
    """A path for an object with this key that belongs to no client of this process; it is there until the end."""
    return _spare.file(key)


def make_empty(path: str) -> None:
    """Make a file of no bytes, where there is none; see `make_file`."""
    if not os.path.exists(path):
        make_file(path, b"")


def make_file(path: str, data: bytes) -> None:
    """Make a file, for its owner only.

    Raises
    ------
    MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
    """
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise exception_of_files(f"The file '{path}' can't be made", error) from error


def _is_ours(path: str) -> bool:
    """Whether the directory is still there and this user's: who cleans up may have removed it, or our parent."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def make_directory(root: str, lock: bool = True) -> str:
    """Make a directory of mode 0700, and have it locked as long as this process lives, where that can be had.

    Raises
    ------
    OSError
    """
    path = os.path.abspath(tempfile.mkdtemp(prefix=_NOT_YET if lock else PREFIX, dir=root))
    if not lock:
        return path
    descriptor = _locked(path) if len(_locks) < MOST_LOCKS else None
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


def remove_directory(path: str) -> None:
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
    descriptor = _locked(path)
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


def _locked(path: str) -> Optional[int]:
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


_spare = TemporaryDirectory(*roots(TEMPDIR))


def _end() -> None:
    """Remove all directories; threads that go on until the interpreter stops them make no others."""
    global _ended  # noqa: PLW0603
    with _lock:
        _ended = True
    _remove_all()


def _remove_all() -> None:
    if debug.s3client:  # METAFLOW_DEBUG_S3CLIENT keeps the files, as it does for Metaflow's own class
        return
    for path, owner in list(_made.items()):
        if owner == os.getpid():  # a forked child that ends leaves its parent's files alone
            remove_directory(path)
            _made.pop(path, None)


def _have_it_removed() -> None:
    """Have directories removed at the end of a child of multiprocessing: it runs no exit handlers."""
    global _finalized_in  # noqa: PLW0603
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _finalized_in == os.getpid():
        return
    from multiprocessing import util  # loaded in every such child

    util.Finalize(None, _remove_all, exitpriority=-100)
    _finalized_in = os.getpid()


atexit.register(_end)
