"""The files below a local directory that an upload is to have."""

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
    """The paths of the files that are asked for, below a directory, with slashes, in their order.

    Parameters
    ----------
    root : str
    include, exclude : str, iterable of str or None
        Patterns as of `fnmatch`: all files if `include` is None, but none that `exclude` fits.
    refuse : callable
        Takes what can't be uploaded, with the reason: directories that can't be read, files whose names are no text.
        What the patterns leave out is not among them.
    """
    wanted = ("*",) if include is None else _patterns(include)
    unwanted = () if exclude is None else _patterns(exclude)

    def fail(error: OSError) -> None:
        path = os.path.relpath(str(error.filename), root)
        below = "" if path == "." else path.replace(os.sep, "/") + "/"
        if _may_hold(below, wanted) and not _has_all(below, unwanted):
            problem = f"The directory '{shown(str(error.filename), MOST_URL)}' can't be read ({error.strerror})."
            refuse(path, MetaflowS3InvalidObject(problem))

    names: list[str] = []
    for folder, folders, files in os.walk(root, onerror=fail):
        # What this client, or another, is just downloading.
        folders[:] = [name for name in folders if not name.startswith(temporary_directory.PREFIXES)]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for file in files:
            name = file if below == "." else f"{below}/{file}"
            if not _is_like(name, wanted) or _is_like(name, unwanted):
                continue
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                problem = f"The file {shown(repr(os.path.join(folder, file)))} has a name that is not UTF-8."
                refuse(name, MetaflowS3InvalidObject(f"{problem} Rename it, or leave it out with `exclude`."))
            else:
                names.append(name)
    return sorted(names)


def _patterns(given: Union[str, Iterable[str]]) -> "tuple[str, ...]":
    return (given,) if isinstance(given, str) else tuple(given)


def _is_like(name: str, patterns: "tuple[str, ...]") -> bool:
    return any(fnmatchcase(name, one) for one in patterns)


def _may_hold(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether a path below a directory may fit a pattern: as far as both are literal, they are the same."""
    beginnings = [_WILDCARD.split(one, 1)[0] for one in patterns]
    return any(folder.startswith(one) or one.startswith(folder) for one in beginnings)


def _has_all(folder: str, patterns: "tuple[str, ...]") -> bool:
    """Whether all paths below a directory fit a pattern."""
    return any(one.endswith("*") and fnmatchcase(folder, one) for one in patterns)
