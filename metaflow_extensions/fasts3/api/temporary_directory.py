"""The temporary directory of a client: created when needed, removed by `close` or at the end of the process.

Its process holds a lock on it, which the kernel releases however the process ends. The directory of a killed process
thus differs from one in use, by any process on any machine that shares the file system, and the next client with the
same root removes it. Only directories whose name says that they are locked are removed: not those of Metaflow's own
class, and not those on file systems without locks.
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
from typing import Callable, NamedTuple, Optional

from metaflow.debug import debug
from metaflow.metaflow_config import TEMPDIR

from metaflow_extensions.fasts3.api.errors import NO_WRITING, exception_of_files
from metaflow_extensions.fasts3.workers.interruptible import interruptible

PREFIX = ".metaflow.s3."  # hidden, because the root may be the user's own directory
OF_METAFLOW = re.compile(r"metaflow\.s3\.[a-z0-9_]{8}\Z")  # those of Metaflow's own class, which `mkdtemp` names
LOCKED = f"{PREFIX}locked."
FILE = re.compile(r"[0-9]+-[0-9]+-[A-Za-z0-9._-]*\Z")  # the file names of `TemporaryDirectory`
_NOT_YET = f"{PREFIX}new."
_GONE = ".gone"  # suffix of a directory during its removal
MOST_LOCKS = 64  # descriptors for locks; further directories are unlocked, and remain if the process is killed
MOST_LOOKED_AT = 10_000  # entries of a root, which may be the user's own directory with millions of entries
NOT_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
NAME_LENGTH = 60  # characters of a key in its file name

# Errors of a root where no directory can be created: read-only, no permission, missing.
_ELSEWHERE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}


class _Owner(NamedTuple):
    process: int  # the one that created the directory; a forked child does not remove it
    lock: Optional[int]  # the descriptor that holds it


_owners: dict[str, _Owner] = {}  # by directory
_swept: set[tuple[int, str]] = set()  # (process id, root)
_ended = False  # whether the exit handlers of this process have removed all of them
_finalized_in: Optional[int] = None  # the process whose end `multiprocessing` reports
_lock = threading.Lock()


def _new_lock() -> None:
    global _lock  # noqa: PLW0603  # a thread that does not exist in the forked child may hold it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_new_lock)


def roots(configured: str) -> "tuple[str, ...]":
    """The roots to try without a `tmproot`: the configured one, or the working directory, then the system's.

    The working directory of a container, or of AWS Lambda, is often read-only.
    """
    if configured != os.curdir:
        return (configured,)
    try:
        return configured, tempfile.gettempdir()
    except FileNotFoundError:  # no directory can be written; only calls with files need one
        return (configured,)


def is_late() -> bool:
    """Whether the exit handlers have removed the files of this thread, which still runs."""
    return _ended and threading.current_thread() is not threading.main_thread()


class TemporaryDirectory:
    """Chooses paths for local files, in a directory in the first of the roots that is writable.

    `remedy` says what to do if none is.
    """

    def __init__(self, *roots: str, remedy: str = NO_WRITING) -> None:
        self._roots = roots
        self._remedy = remedy
        self._path: Optional[str] = None
        self._numbers = itertools.count()

    def file(self, key: str) -> str:
        """An unused path for an object with this key."""
        return self.namer()(key)

    def namer(self) -> Callable[[str], str]:
        """Return the function `file` for many keys, which checks the directory once.

        The name of a file ends like the key, for libraries that use the extension, with safe characters only. It begins
        with a number.
        """
        # The process id, because a forked child continues with the same directory and count.
        start = f"{os.path.join(self.path(), str(os.getpid()))}-"

        def file(key: str) -> str:
            name = NOT_SAFE.sub("_", key.rstrip("/").rpartition("/")[2])[-NAME_LENGTH:]
            return f"{start}{next(self._numbers)}-{name}"

        return file

    def path(self) -> str:
        """The directory, 0700."""
        path = self._path
        if path is None or not _is_ours(path):
            # An exception between creating and recording the directory would leave it behind.
            late = threading.current_thread() is not threading.main_thread()
            path = interruptible(lambda _: self._have(late))
        return path

    def _have(self, late: bool) -> str:
        """The directory. With `late`, for a thread that the exit handlers do not wait for, end it after them."""
        with _lock:
            if _ended and late:
                raise SystemExit
            if self._path is None or not _is_ours(self._path):  # no other thread has created it in the meantime
                self._path = self._make()
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
        problem = f"Could not create a temporary directory in {tried}"
        raise exception_of_files(problem, refusals[-1], self._remedy) from refusals[-1]

    def remove(self) -> None:
        """Remove the directory and its contents; the next `file` creates a new one."""
        with _lock:
            path, self._path = self._path, None
        if path is None:
            return
        owner = _owners.get(path)
        if owner and owner.process == os.getpid():
            remove_directory(path)
            return
        for name in os.listdir(path) if os.path.isdir(path) else ():  # a forked child removes only its own files
            if name.startswith(f"{os.getpid()}-"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(path, name))


def spare_file(key: str) -> str:
    """A path for an object with this key that no client removes; it remains until the process ends."""
    return _spare.file(key)


def make_empty(path: str) -> None:
    """Create an empty file if there is none; see `make_file`."""
    if not os.path.exists(path):
        make_file(path, b"")


def make_file(path: str, data: bytes) -> None:
    """Create a file that only its owner can read; raises MetaflowS3InsufficientDiskSpace or MetaflowS3Exception."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise exception_of_files(f"Could not create the file '{path}'", error) from error


def _is_ours(path: str) -> bool:
    """Whether the directory exists and is this user's: a cleanup job or the parent process may have removed it."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def make_directory(root: str, lock: bool = True) -> str:
    """Create a directory with mode 0700, locked until this process ends if the file system supports locks."""
    path = os.path.abspath(tempfile.mkdtemp(prefix=_NOT_YET if lock else PREFIX, dir=root))
    descriptor = None
    if lock:
        if sum(owner.lock is not None for owner in list(_owners.values())) < MOST_LOCKS:
            descriptor = locked(path)
        # Its name says that it is locked only after the lock is held: no other process removes it before.
        folder, name = os.path.split(path)
        named = os.path.join(folder, (PREFIX if descriptor is None else LOCKED) + name[len(_NOT_YET) :])
        # Another process may have taken the name: the directory keeps its first name, and `sweep` ignores it.
        with contextlib.suppress(OSError):
            os.rename(path, named)
            path = named
    _owners[path] = _Owner(os.getpid(), descriptor)
    return path


def remove_directory(path: str) -> None:
    """Remove a directory that this process created, and its contents, even while others write to it.

    After an exception, the end of the process removes the rest.
    """
    # Renamed first: other threads and processes then can't create files in it. Otherwise a file created during the
    # removal would remain, and so would the directory.
    gone = f"{path}{_GONE}"
    try:
        os.rename(path, gone)
    except OSError:  # it no longer exists, or its parent is not writable
        gone = path
    shutil.rmtree(gone, ignore_errors=True)
    owner = _owners.pop(path, None)
    if owner and owner.lock is not None:
        os.close(owner.lock)


def sweep(root: str) -> None:
    """Remove the directories of killed processes from a root; once per process."""
    name = (os.getpid(), os.path.abspath(root))
    if name in _swept:
        return
    _swept.add(name)
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in itertools.islice(entries, MOST_LOOKED_AT):
            if entry.name.startswith(LOCKED) and entry.path not in _owners:
                _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    descriptor = locked(path)
    if descriptor is None:
        return
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            _remove_what_is_ours(path, descriptor)
    finally:
        os.close(descriptor)


def _remove_what_is_ours(path: str, descriptor: int) -> None:
    """Remove files with our names, and then the directory if it is empty.

    Other files stay: without the sticky bit on the root, another user can rename any directory in it. The descriptor is
    used, because the path may meanwhile be that of another directory.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(descriptor):
            if FILE.match(name):
                os.unlink(name, dir_fd=descriptor)
        os.rmdir(path)  # fails if it is not empty


def is_one(entry: "os.DirEntry[str]") -> bool:
    """Whether a directory is the temporary one of a client, of this class or Metaflow's, perhaps running.

    A user's own `metaflow.s3.datasets` is not private, unlike those that `mkdtemp` creates.
    """
    if entry.name.startswith(PREFIX):
        return True
    if not OF_METAFLOW.match(entry.name):
        return False
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:  # its client has just removed it
        return True
    return status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700


def locked(path: str) -> Optional[int]:
    """A descriptor that holds the lock of a directory; None if another process holds it, or locks are unsupported."""
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
    """Remove all directories; threads that still run do not create others."""
    global _ended  # noqa: PLW0603
    with _lock:
        _ended = True
    _remove_all()


def _remove_all() -> None:
    if debug.s3client:  # METAFLOW_DEBUG_S3CLIENT keeps the files, as it does for Metaflow's own class
        return
    for path, owner in list(_owners.items()):
        if owner.process == os.getpid():  # a forked child keeps its parent's files
            remove_directory(path)


def _have_it_removed() -> None:
    """Register the removal at the end of a multiprocessing child, which runs no exit handlers."""
    global _finalized_in  # noqa: PLW0603
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _finalized_in == os.getpid():
        return
    from multiprocessing import util  # loaded in every such child

    util.Finalize(None, _remove_all, exitpriority=-100)
    _finalized_in = os.getpid()


atexit.register(_end)
