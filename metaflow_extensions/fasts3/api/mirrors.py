"""The deletions of a mirror: files or objects that the destination of a transfer has, and its source does not have.

The destination is listed before the source is read, so that nothing that others add during the call is deleted.
Deletions follow when all transfers have succeeded.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.api.directory_walk import entries_in
from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3Exception,
    MetaflowS3URLException,
    exception_of_files,
    shown,
)
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.local_paths import folded
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns
from metaflow_extensions.fasts3.plans.deletions import ToDelete
from metaflow_extensions.fasts3.wire.conditions import strong
from metaflow_extensions.fasts3.wire.local_files import Identity, identity_of

ASK_FOR_EMPTY = "If the source is meant to be empty, add allow_empty=True (`sync --allow-empty`)."
NOTHING_DELETED = " Nothing was deleted."  # after the numbers of an exception
KEPT = "Change its permissions, or exclude it with `exclude`."


class LocalDestination:
    """The files that a directory has now, before a download.

    Only files and links that match the patterns count: not pipes, sockets, devices, directories that can't be read, and
    what is behind a link to a directory.

    Parameters
    ----------
    directory : str
        Absolute path.
    patterns : PathPatterns

    Raises
    ------
    MetaflowS3Exception
        It is the home directory, or a directory around it.
    """

    def __init__(self, directory: str, patterns: PathPatterns) -> None:
        self._directory = directory
        self._root = os.path.realpath(directory)
        if _holds_home(self._root):
            raise MetaflowS3Exception(
                f"'{shown(self._root)}' can't be a mirror, because that would delete files everywhere in it. Give a "
                "directory in it."
            )
        self._files: dict[str, Identity] = {}  # by path, relative and with slashes
        for name, entry in entries_in(self._root, patterns, lambda *_: None):
            status = _status_of(partial(entry.stat, follow_symlinks=False))
            if status is not None:
                self._files[name] = identity_of(status)

    def delete_others(
        self, kept: Iterable[str], ignores_case: bool, left_out: LeftOut, dry_run: bool = False
    ) -> list[str]:
        """Delete the noted files that are unchanged and not kept, and the directories that this empties.

        Parameters
        ----------
        kept : iterable of str
            Absolute paths of files. A trailing slash means an empty directory.
        ignores_case : bool
            Whether the file system does not distinguish case and Unicode normalization.
        left_out : LeftOut
            Receives the files that could not be deleted.
        dry_run : bool
            Delete nothing.

        Returns
        -------
        list of str
            Paths of the deleted files below the directory that was given.
        """
        name_of = folded if ignores_case else str
        there = {name_of(name) for name in self._names(kept)}
        extra = {name for name in self._files if name_of(name) not in there}
        if dry_run:
            return [self._path(name) for name in sorted(extra)]
        deleted: list[str] = []
        if not extra or not os.path.isdir(self._root):
            return deleted
        emptied: set[str] = set()  # directories from which something was deleted
        # By descriptors of directories, so that a link that replaces one in the meantime has no effect.
        for folder, folders, files, descriptor in os.fwalk(self._root, topdown=False):
            below = os.path.relpath(folder, self._root).replace(os.sep, "/")
            prefix = "" if below == "." else f"{below}/"
            for file in files:
                if prefix + file in extra and self._delete(prefix + file, file, descriptor, left_out):
                    emptied.add(prefix)
                    deleted.append(self._path(prefix + file))
            for name in folders:
                inner = f"{prefix}{name}/"
                if inner in emptied and name_of(inner) not in there and _remove(name, descriptor):
                    emptied.add(prefix)
        return sorted(deleted)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, *name.split("/"))

    def _names(self, kept: Iterable[str]) -> Iterable[str]:
        """Paths relative to the root, with links to directories resolved: a file may be kept by another path."""
        real: dict[str, str] = {}
        for path in kept:
            folder, name = os.path.split(path.rstrip("/"))
            if folder not in real:
                real[folder] = os.path.relpath(os.path.realpath(folder), self._root).replace(os.sep, "/")
            prefix = "" if real[folder] == "." else f"{real[folder]}/"
            yield f"{prefix}{name}{'/' if path.endswith('/') else ''}"

    def _delete(self, name: str, file: str, descriptor: int, left_out: LeftOut) -> bool:
        """Delete a file unless it has changed since it was noted; return whether it was deleted."""
        try:
            status = _status_of(partial(os.stat, file, dir_fd=descriptor, follow_symlinks=False))
            if status is None or not self._files[name].is_of(status):
                return False
            os.unlink(file, dir_fd=descriptor)
        except FileNotFoundError:
            return False
        except OSError as error:
            path = os.path.join(self._root, name)
            problem = f"Could not delete the file '{shown(path, MOST_URL)}'"
            left_out.note(path, exception_of_files(problem, error, KEPT))
            return False
        return True


def _holds_home(directory: str) -> bool:
    """Whether a directory is or contains the home directory; the root of the file system always does."""
    home = os.path.expanduser("~")
    inside = os.path.realpath(home) if os.path.isabs(home) else os.sep  # without a home, the tilde remains
    return os.path.join(inside, "").startswith(os.path.join(directory, ""))


def _status_of(look: Callable[[], os.stat_result]) -> Optional[os.stat_result]:
    """The status of a file or a link; None for anything else."""
    try:
        status = look()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) else None


def _remove(name: str, descriptor: int) -> bool:
    """Remove a directory if it is empty."""
    try:
        os.rmdir(name, dir_fd=descriptor)
    except OSError:
        return False
    return True


class StoredDestination:
    """The objects that a prefix has now, before an upload or a copy.

    Parameters
    ----------
    bucket : str
    prefix : str
        Ends in a slash.
    patterns : PathPatterns
        Only objects that match them count.
    entries : sequence of DetailedObject
        The listing of the prefix.
    """

    def __init__(self, bucket: str, prefix: str, patterns: PathPatterns, entries: Sequence[Any]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._patterns = patterns
        self.entries = entries

    def others(self, names: Iterable[str], directory: Optional[str] = None) -> list[ToDelete]:
        """The objects that have no source, as `Deletions` takes them: no others with their keys are deleted.

        Parameters
        ----------
        names : iterable of str
            What was transferred, relative to the prefix.
        directory : str, optional
            The source of an upload, whose other files count as well: they may be new, or their names may differ in
            case only.
        """
        there = set(names)
        found = ((entry.key[len(self._prefix) :], entry) for entry in self.entries)
        return [
            (self._bucket, entry.key, strong(entry.etag))
            for name, entry in found
            if name not in there and self._patterns.select(name) and (directory is None or not _is_in(directory, name))
        ]


def _is_in(directory: str, name: str) -> bool:
    """Whether a key after a prefix is a file in a directory, or if it is empty or ends in a slash, a directory."""
    if not name:
        return True
    parts = name.split("/")
    is_folder = not parts[-1]
    if is_folder:
        del parts[-1]
    if not parts or any(part in ("", ".", "..") or "\0" in part for part in parts):
        return False
    try:
        path = os.path.join(directory, *parts)
        if is_folder:
            return os.path.isdir(path)
        return os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path))
    except (OSError, ValueError):  # a name that no file can have
        return False


def check_prefix(bucket: str, prefix: str) -> None:
    """Raise MetaflowS3URLException for a whole bucket."""
    if not prefix.strip("/"):
        raise MetaflowS3URLException(
            f"The whole bucket 's3://{shown(bucket)}' can't be a mirror, because that would delete objects everywhere "
            "in it. Give a prefix in it."
        )


def check_source(source: str, is_empty: bool, allow_empty: bool) -> None:
    """Raise MetaflowS3Exception for a mirror of nothing: a wrong path, or a disk that is not mounted."""
    if is_empty and not allow_empty:
        raise MetaflowS3Exception(
            f"{source} has nothing to transfer, so a mirror of it would delete everything in the destination."
            f"{NOTHING_DELETED} {ASK_FOR_EMPTY}"
        )
