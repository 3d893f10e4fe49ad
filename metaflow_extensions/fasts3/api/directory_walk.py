"""Finds the files below a local directory for an upload."""

import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Callable, Union

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3InvalidObject, shown

Patterns = Union[str, Iterable[str], None]
_WILDCARD = re.compile(r"[*?[]")


def files_in(
    root: str, include: Patterns, exclude: Patterns, refuse: Callable[[str, MetaflowException], None]
) -> list[str]:
    """The paths of matching files relative to a directory, with slashes, sorted.

    Parameters
    ----------
    root : str
    include, exclude : str, iterable of str or None
        `fnmatch` patterns: all files if `include` is None, except those that match `exclude`.
    refuse : callable
        Takes each path that can't be uploaded, with the reason: unreadable directories, and file names that are not
        UTF-8. It is not called for paths that the patterns exclude.
    """
    wanted = ("*",) if include is None else _patterns(include)
    unwanted = () if exclude is None else _patterns(exclude)

    def fail(error: OSError) -> None:
        path = os.path.relpath(str(error.filename), root)
        below = "" if path == "." else path.replace(os.sep, "/") + "/"
        if _may_hold(below, wanted) and not _has_all(below, unwanted):
            problem = f"Could not read the directory '{shown(str(error.filename), MOST_URL)}' ({error.strerror})."
            refuse(path, MetaflowS3InvalidObject(problem))

    names: list[str] = []
    for folder, folders, files in os.walk(root, onerror=fail):
        # The temporary directory of a running download, of this client or another.
        folders[:] = [name for name in folders if not name.startswith(temporary_directory.PREFIXES)]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for file in files:
            name = file if below == "." else f"{below}/{file}"
            if not _is_like(name, wanted) or _is_like(name, unwanted):
                continue
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                problem = f"The name of the file {shown(repr(os.path.join(folder, file)))} is not UTF-8."
                refuse(name, MetaflowS3InvalidObject(f"{problem} Rename it, or exclude it with `exclude`."))
            else:
                names.append(name)
    return sorted(names)


def _patterns(given: Union[str, Iterable[str]]) -> "tuple[str, ...]":
    return (given,) if isinstance(given, str) else tuple(given)


def _is_like(name: str, patterns: "tuple[str, ...]") -> bool:
    return any(fnmatchcase(name, one) for one in patterns)


def _may_hold(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether a path below a directory may match a pattern: their literal beginnings agree."""
    beginnings = [_WILDCARD.split(one, 1)[0] for one in patterns]
    return any(folder.startswith(one) or one.startswith(folder) for one in beginnings)


def _has_all(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether all paths below a directory match a pattern."""
    return any(one.endswith("*") and fnmatchcase(folder, one) for one in patterns)
