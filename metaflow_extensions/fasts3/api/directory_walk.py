"""Finds the files below local directories, and their keys."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Callable, NamedTuple, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api import temporary_directory
from metaflow_extensions.fasts3.api.errors import MOST_URL, MetaflowS3InvalidObject, shown
from metaflow_extensions.fasts3.api.errors_of_many import LeftOut
from metaflow_extensions.fasts3.api.path_patterns import PathPatterns
from metaflow_extensions.fasts3.wire.local_files import Version, version_of

Refuse = Callable[[str, MetaflowException], None]


class LocalFile(NamedTuple):
    """A file to upload."""

    path: str  # relative to the working directory if the user's is
    key: str
    absolute: str = ""  # the absolute path; known, as is the version, if it was found to be a regular file with bytes
    version: Optional[Version] = None


def files_to_upload(sources: Sequence[str], below: str, patterns: PathPatterns, left_out: LeftOut) -> list[LocalFile]:
    """The files of an upload: `sources`, and the matching files in those of them that are directories.

    `below` precedes the paths in the keys. `left_out` receives the paths that can't be uploaded.
    """
    files: list[LocalFile] = []
    for source in sources:
        if os.path.isdir(source):
            files += _files_of(source, below, patterns, left_out)
        else:
            files.append(LocalFile(source, below + os.path.basename(os.path.normpath(source))))
    return files if len(sources) == 1 else list(_with_distinct_keys(files, left_out))


def _files_of(directory: str, below: str, patterns: PathPatterns, left_out: LeftOut) -> list[LocalFile]:
    given, absolute = os.path.join(directory, ""), os.path.join(os.path.abspath(directory), "")
    found = entries_in(absolute, patterns, lambda name, error: left_out.note(given + name, error))
    return [LocalFile(given + name, below + name, absolute + name, _version(entry)) for name, entry in found]


def _version(entry: "os.DirEntry[str]") -> Optional[Version]:
    """The version of a regular file, or of one that a link leads to; None for anything else, and for empty files."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return version_of(status) if stat.S_ISREG(status.st_mode) and status.st_size else None


def _with_distinct_keys(files: Iterable[LocalFile], left_out: LeftOut) -> Iterator[LocalFile]:
    """Each file once, and the first of those with the same key."""
    paths: dict[str, str] = {}  # by key
    for file in files:
        if file.key not in paths:
            paths[file.key] = file.path
            yield file
        elif os.path.abspath(paths[file.key]) != os.path.abspath(file.path):
            path, other = shown(file.path, MOST_URL), shown(paths[file.key], MOST_URL)
            problem = f"'{path}' was skipped: it has the same key as '{other}', '{shown(file.key, MOST_URL)}'."
            left_out.note(file.path, MetaflowS3InvalidObject(problem))


def files_in(root: str, patterns: PathPatterns, refuse: Refuse = lambda *_: None) -> list[str]:
    """The paths of matching files; see `entries_in`."""
    return [name for name, _ in entries_in(root, patterns, refuse)]


def entries_in(root: str, patterns: PathPatterns, refuse: Refuse) -> "list[tuple[str, os.DirEntry[str]]]":
    """The matching files below a directory, and everything else that is no directory.

    They are sorted, with paths relative to the directory, with slashes. Links to directories are not followed. `refuse`
    takes each path that can't be uploaded, with the reason: unreadable directories, and file names that are not UTF-8.
    It is not called for paths that the patterns exclude.
    """
    found: list[tuple[str, os.DirEntry[str]]] = []
    folders, selects_all = [("", root)], patterns.selects_all
    while folders:
        below, folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                inside = list(entries)
        except OSError as error:
            if patterns.may_select_below(below):
                problem = f"Could not read the directory '{shown(str(error.filename), MOST_URL)}' ({error.strerror})."
                refuse(below.rstrip("/") or ".", MetaflowS3InvalidObject(problem))
            continue
        for entry in inside:
            name = below + entry.name
            if _is_directory(entry):
                if not entry.is_symlink() and not temporary_directory.is_one(entry):
                    folders.append((f"{name}/", entry.path))
            elif not (selects_all or patterns.select(name)):
                continue
            elif name.isascii() or _is_utf8(name):
                found.append((name, entry))
            else:
                problem = f"The name of the file {shown(repr(entry.path))} is not UTF-8."
                refuse(name, MetaflowS3InvalidObject(f"{problem} Rename it, or exclude it with `exclude`."))
    found.sort(key=itemgetter(0))
    return found


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that can't be followed
        return False


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
