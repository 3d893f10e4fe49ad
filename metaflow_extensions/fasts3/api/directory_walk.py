"""Finds the files below a local directory."""

import os
from typing import Callable

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3InvalidObject, shown
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns


def files_in(root: str, patterns: PathPatterns, refuse: Callable[[str, MetaflowException], None]) -> list[str]:
    """The paths of matching files relative to a directory, with slashes, sorted.

    Parameters
    ----------
    root : str
    patterns : PathPatterns
    refuse : callable
        Takes each path that can't be uploaded, with the reason: unreadable directories, and file names that are not
        UTF-8. It is not called for paths that the patterns exclude.
    """

    def fail(error: OSError) -> None:
        path = os.path.relpath(str(error.filename), root)
        below = "" if path == "." else path.replace(os.sep, "/") + "/"
        if patterns.may_select_below(below):
            problem = f"Could not read the directory '{shown(str(error.filename), MOST_URL)}' ({error.strerror})."
            refuse(path, MetaflowS3InvalidObject(problem))

    names: list[str] = []
    for folder, folders, files in os.walk(root, onerror=fail):
        # The temporary directory of a running download, of this client or another.
        folders[:] = [name for name in folders if not name.startswith(temporary_directory.PREFIXES)]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for file in files:
            name = file if below == "." else f"{below}/{file}"
            if not patterns.select(name):
                continue
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                problem = f"The name of the file {shown(repr(os.path.join(folder, file)))} is not UTF-8."
                refuse(name, MetaflowS3InvalidObject(f"{problem} Rename it, or exclude it with `exclude`."))
            else:
                names.append(name)
    return sorted(names)
