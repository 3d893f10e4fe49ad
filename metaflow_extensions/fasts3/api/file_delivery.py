"""The last step of a download into the user's directory: a complete file gets its permissions, time and name."""

import errno
import os
from typing import Callable

from metaflow_extensions.fasts3.api import local_paths
from metaflow_extensions.fasts3.api.errors import exception_of_files, shown
from metaflow_extensions.fasts3.api.file_times import set_time
from metaflow_extensions.fasts3.api.local_paths import INSTEAD, Target
from metaflow_extensions.fasts3.api.temporary_directory import make_empty
from metaflow_extensions.fasts3.plans.download import Downloaded

UNSUPPORTED = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)  # errors of file systems without links, permissions or times


def deliver(result: Downloaded, target: Target, directory: str, mode: int, overwrite: bool) -> bool:
    """Move a downloaded file to its path, with the permissions `mode` and the time of its object.

    Returns False if a file exists, and must not be replaced.

    `directory` is the absolute path of the user's directory. Raises MetaflowException if this file can't have this
    path, and OSError if no file can be written, e.g. because the disk is full.
    """
    path, place = result.path or "", target.path
    if local_paths.passes_link(directory, place):
        # A second check: the link may be new.
        local_paths.real_parent(os.path.realpath(directory), target)
    try:
        if result.response.length == 0:
            make_empty(path)
        _if_supported(os.chmod, path, mode)
        _if_supported(set_time, path, result.response.info)
        return _put_in_place(path, place, overwrite)
    except OSError as error:
        raise exception_of_files(f"Could not write the file '{shown(place)}'", error, INSTEAD) from error


def _if_supported(function: Callable[..., object], *arguments: object) -> None:
    """Call a function, unless the file system can't do that: mounts of object stores and of Windows shares."""
    try:
        function(*arguments)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _put_in_place(path: str, target: str, overwrite: bool) -> bool:
    if overwrite:
        os.replace(path, target)
        return True
    try:
        os.link(path, target)  # unlike os.rename, it never replaces a file
        is_new = True
    except FileExistsError:
        is_new = False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        is_new = not os.path.lexists(target)  # it may have been created since the call began
        if is_new:
            os.replace(path, target)
            return True
    os.unlink(path)
    return is_new


def mode_of_new_files(path: str) -> int:
    """The permissions of a new file here, by a trial file: reading the umask of the process would change it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            return os.fstat(descriptor).st_mode & 0o777
        finally:
            os.close(descriptor)
            os.unlink(path)
    except OSError as error:
        raise exception_of_files(f"Could not create the file '{path}'", error) from error
