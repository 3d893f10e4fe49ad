"""Local paths: the path of an object in a directory, from its key alone, and paths with a tilde."""

import errno
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Callable, NamedTuple, NoReturn, Optional

from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3URLException,
    exception_of_files,
    shown,
)

LONGEST_NAME = 255  # bytes of the name of a file or directory, on all common file systems
EXPAND = "Only a shell expands '~' to the home directory: use os.path.expanduser."
INSTEAD = "Use get_many, which chooses its own file names, or exclude the object."
DIRECTORY = "directory"
_KINDS: dict[Callable[[int], bool], str] = {
    stat.S_ISDIR: DIRECTORY,
    stat.S_ISCHR: "device",
    stat.S_ISBLK: "device",
    stat.S_ISFIFO: "pipe",
    stat.S_ISSOCK: "socket",
}
_URL = re.compile(r"s3(:|//)|[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_ALIKE = (("\u00e9", "e\u0301"), ("a.", "a"))  # macOS and ZFS, FAT and SMB
_END = re.compile(r"(?<=[^/. ])[. ]+(?=/|\Z)")  # dots and spaces at the end of a name, which FAT and SMB omit
_ODD = re.compile(r"/\.{0,2}/")  # between two slashes: nothing, one dot, two dots


class Target(NamedTuple):
    """The destination of a download."""

    url: str
    path: str  # absolute


def target_of(directory: str, url: str, name: str) -> Target:
    """The destination of an object whose name is a valid path."""
    return Target(url, os.path.join(directory, *name.split("/")))


Refuse = Callable[[str, MetaflowException], None]
"""Takes the URL of an object that can't be a file, and the reason."""


def _raise(url: str, error: MetaflowException) -> NoReturn:
    raise error


def targets(
    directory: str, names: Iterable["tuple[str, str]"], ignores_case: bool, refuse: Refuse = _raise
) -> list[Target]:
    """The destinations of objects, given as URL and key after the prefix; a trailing slash means an empty directory.

    Of two objects with the same path, the first becomes a file; an object that is a directory of others does not.
    `refuse` takes each object that can't be a file, with a MetaflowS3URLException; by default it raises the exception.
    With `ignores_case`, the file system does not distinguish case and Unicode normalization.
    """
    found = [(*one, _place(one[1], ignores_case)) for one in names if _is_path(*one, refuse)]
    folders: dict[str, str] = {}  # name as the file system compares it -> URL of an object inside
    for url, name, place in found:
        parent = "" if name.endswith("/") else place.rpartition("/")[0]
        while parent and parent not in folders:
            folders[parent] = url
            parent = parent.rpartition("/")[0]
    files: dict[str, str] = {}  # -> URL
    accepted = []
    # Directories last: an empty one does not prevent a file with the same path.
    for url, name, place in sorted(found, key=lambda one: one[1].endswith("/")):
        if name.endswith("/"):
            other = _file_at_or_above(place.rstrip("/"), files)
        else:
            other = folders.get(place) or files.get(place)
        if other is not None:
            refuse(url, _collision(url, other))
            continue
        if not name.endswith("/"):
            files[place] = url
        accepted.append(target_of(directory, url, name))
    return accepted


def make_parents(
    directory: str,
    found: Sequence[Target],
    ignores_case: bool = False,
    refuse: Refuse = _raise,
    create: bool = True,
) -> list[Target]:
    """Create the parent directories of files, which `targets` found; return the files without a problem.

    `refuse` takes each object without a valid file: a MetaflowS3URLException if a link leads out of the directory, or
    links lead two files to the same path; a MetaflowS3Exception if the directory can't be created, or the file's path
    is that of a directory. Without `create`, only look for such problems. Raises MetaflowS3InsufficientDiskSpace.
    """
    root = os.path.realpath(directory)
    real: dict[str, str] = {}  # path of a parent directory -> path with links resolved
    made = _passing(found, lambda one: _make_parent(root, one, real, create), refuse)
    # After all are created: through a link, the path of one object's file may be another's directory.
    accepted = _passing(made, _check_free, refuse)
    if len({_place(one, ignores_case) for one in real.values()}) < len(real):
        return _without_collisions(accepted, real, ignores_case, refuse)
    return accepted


def _passing(found: Sequence[Target], check: Callable[[Target], None], refuse: Refuse) -> list[Target]:
    """Those that pass a check."""
    accepted = []
    for target in found:
        try:
            check(target)
        except MetaflowS3InsufficientDiskSpace:
            raise
        except MetaflowException as error:
            refuse(target.url, error)
        else:
            accepted.append(target)
    return accepted


def _make_parent(root: str, target: Target, real: dict[str, str], create: bool) -> None:
    """Create the parent directory of a file, or only look for what prevents it; record its path, links resolved."""
    parent = os.path.dirname(target.path)
    if parent in real:
        return
    without_links = real_parent(root, target)
    try:
        if create:
            os.makedirs(parent, exist_ok=True)
        else:
            _check_makeable(parent)
    except OSError as error:
        raise exception_of_files(f"Could not create the directory '{shown(parent)}'", error, INSTEAD) from error
    real[parent] = without_links


def _check_makeable(directory: str) -> None:
    """Raise NotADirectoryError if a directory has the path of a file, or is below one."""
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    if not os.path.isdir(directory):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory)


def _check_free(target: Target) -> None:
    if target.path.endswith("/"):
        return  # a directory itself
    kind = unlike_a_file(target.path)
    if kind and not (kind == DIRECTORY and os.path.islink(target.path)):
        raise MetaflowS3Exception(
            f"'{shown(target.url, MOST_URL)}' would become '{shown(target.path)}', which is a {kind}. Download "
            "into another directory, or under another name."
        )


def unlike_a_file(path: str) -> str:
    """What a path is that a file must not replace, links followed: /dev/null, a pipe; "" for a file or nothing."""
    if os.path.islink(path) and os.path.dirname(os.path.abspath(path)) == os.path.dirname(os.devnull):
        return "device"  # /dev/stdout, which leads to a file if stdout is one
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    return next((name for is_kind, name in _KINDS.items() if is_kind(mode)), "")


def _file_at_or_above(place: str, files: "dict[str, str]") -> Optional[str]:
    """The URL of an object whose file has the path of a directory, or of one above it."""
    while place and place not in files:
        place = place.rpartition("/")[0]
    return files.get(place)


def real_parent(root: str, target: Target) -> str:
    """The directory of a file, with links resolved; `root` is `os.path.realpath` of the directory of the download.

    Raises MetaflowS3URLException if it is not below the root.
    """
    real = os.path.realpath(os.path.dirname(target.path))
    if real != root and not real.startswith(os.path.join(root, "")):
        raise MetaflowS3URLException(
            f"'{shown(target.url, MOST_URL)}' would become '{shown(target.path)}', but a symbolic link leads to "
            f"'{shown(real)}', outside '{shown(root)}'. Remove the link, or download into another directory."
        )
    return real


def passes_link(directory: str, path: str) -> bool:
    """Whether the path from a directory to a file below it contains a link; cheaper than `real_parent`."""
    parent = os.path.dirname(path)
    while len(parent) > len(directory):
        if os.path.islink(parent):
            return True
        parent = os.path.dirname(parent)
    return False


def ignores_case(directory: str) -> bool:
    """Whether a file system does not distinguish case, Unicode normalization, or dots at the end of a name.

    Parameters
    ----------
    directory : str
        A private one that was just created, with letters in its name.
    """
    folder, name = os.path.split(directory)
    try:
        if stat.S_ISDIR(os.lstat(os.path.join(folder, name.swapcase())).st_mode):
            return True
    except OSError:
        pass
    return any(_is_one(os.path.join(directory, one), os.path.join(directory, other)) for one, other in _ALIKE)


def _is_one(path: str, other: str) -> bool:
    """Whether two new names are those of the same directory."""
    try:
        os.mkdir(path)
        return os.path.lexists(other)
    except (OSError, UnicodeEncodeError):  # names with these characters can't be used here
        return False


def seems_to_ignore_case(directory: str) -> bool:
    """Whether the file system of a directory, which need not exist yet, seems to ignore case; writes nothing."""
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    folder, name = os.path.split(directory)
    try:
        return name != name.swapcase() and os.path.samefile(directory, os.path.join(folder, name.swapcase()))
    except OSError:
        return False


def folded(name: str) -> str:
    """A form of a name that is the same for all names that a case-insensitive file system does not distinguish."""
    return _END.sub("", unicodedata.normalize("NFC", name).casefold())


def _is_path(url: str, name: str, refuse: Refuse) -> bool:
    """Whether a key is a valid path, which can only be below the directory."""
    problem = next(filter(None, map(_problem, name[: -1 if name.endswith("/") else None].split("/"))), "")
    if problem:
        refuse(
            url,
            MetaflowS3URLException(
                f"'{shown(url, MOST_URL)}' can't be a local file: its key {problem} between two slashes. {INSTEAD}"
            ),
        )
    return not problem


def is_plain(name: str) -> bool:
    """Whether a key after a prefix is certainly the path of a file; of others, `targets` decides."""
    return name.isascii() and len(name) <= LONGEST_NAME and "\0" not in name and _ODD.search(f"/{name}/") is None


def _problem(part: str) -> str:
    """Why a part of a key can't be a file name; "" if it can."""
    if part in ("", ".", ".."):
        return f"has the part '{part}'"
    if "\0" in part:
        return "contains a NUL"
    try:
        length = len(os.fsencode(part))
    except UnicodeEncodeError:
        return f"contains characters that file names can't have here ({sys.getfilesystemencoding()})"
    return f"has a part of more than {LONGEST_NAME} bytes" if length > LONGEST_NAME else ""


def _without_collisions(
    found: Sequence[Target], real: dict[str, str], ignores_case: bool, refuse: Refuse
) -> list[Target]:
    """Refuse files that links in the directory lead to the path of another file."""
    files: dict[str, str] = {}  # place -> URL
    accepted = []
    for target in found:
        folder, name = os.path.split(target.path)
        place = _place(os.path.join(real[folder], name), ignores_case)
        if place in files:
            refuse(target.url, _collision(target.url, files[place]))
            continue
        files[place] = target.url
        accepted.append(target)
    return accepted


def _place(name: str, ignores_case: bool) -> str:
    return folded(name) if ignores_case else name


def _collision(one: str, other: str) -> MetaflowS3URLException:
    return MetaflowS3URLException(
        f"'{shown(one, MOST_URL)}' and '{shown(other, MOST_URL)}' can't both be files: they have the same path, or one "
        f"is a directory of the other. {INSTEAD}"
    )


def hint_of_home(path: Any) -> str:
    """The remedy for a missing path that begins with a tilde; "" for others."""
    return f" {EXPAND}" if str(path).startswith("~") else ""


def seems_a_url(path: str) -> bool:
    """Whether a local path is probably a URL, mistyped or of another system: s3:/bucket/key, S3://..., file:///...

    It would be created in the working directory.
    """
    return _URL.match(path) is not None


def refuse_url(directory: Any) -> None:
    """Raise MetaflowS3URLException for a local directory that is probably a URL."""
    path = os.fsdecode(directory)
    if seems_a_url(path):
        raise MetaflowS3URLException(
            f"'{shown(path, MOST_URL)}' looks like a URL, but must be a local directory. To copy within S3, use "
            f"copy_recursive; for a directory of this name, write './{shown(path, MOST_URL)}'."
        )


def refuse_home(directory: Any) -> None:
    """Raise MetaflowS3Exception for a directory with a tilde; it would be created in the working directory."""
    if str(directory).startswith("~") and not os.path.isdir(directory):
        raise MetaflowS3Exception(f"The directory '{shown(str(directory), MOST_URL)}' does not exist. {EXPAND}")
