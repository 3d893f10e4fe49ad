"""Where below a local directory an object goes: by its key, and nowhere else, whatever the key says."""

import os
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from metaflow_extensions.fasts3.face.errors import (
    MOST_URL,
    MetaflowS3Exception,
    MetaflowS3URLException,
    exception_of_files,
    shown,
)

LONGEST_NAME = 255  # bytes; of one file or directory, on all usual file systems
_INSTEAD = "Use get_many, which gives files names of its own, or leave the object out."


class Target(NamedTuple):
    """A file that an object is to become."""

    url: str
    path: str  # absolute


def targets(directory: str, names: Iterable["tuple[str, str]"], ignores_case: bool) -> list[Target]:
    """The files of objects.

    Parameters
    ----------
    directory : str
        Absolute.
    names : iterable of (str, str)
        URL of each object, and its key after the prefix, which has no slash at its end.
    ignores_case : bool
        Whether two names that differ in case, or in how an accent is written, are one to this file system.

    Raises
    ------
    MetaflowS3URLException
        A key can't be the path of a file, or two of them can't be so at a time.
    """
    found: list[Target] = []
    files: dict[str, str] = {}  # as the file system tells them apart -> URL
    folders: dict[str, str] = {}  # -> URL of an object inside
    for url, name in names:
        _check(url, name)
        place = _place(name, ignores_case)
        if place in files or place in folders:
            raise _collision(url, files.get(place) or folders[place])
        files[place] = url
        parent = place.rpartition("/")[0]
        while parent and parent not in folders:
            folders[parent] = url
            parent = parent.rpartition("/")[0]
        found.append(Target(url, os.path.join(directory, *name.split("/"))))
    both = next((name for name in files if name in folders), None)
    if both is not None:
        raise _collision(folders[both], files[both])
    return found


def make_parents(directory: str, found: Sequence[Target], ignores_case: bool = False) -> None:
    """Make the directories that files go to.

    Parameters
    ----------
    directory : str
    found : sequence of Target
        From `targets`.
    ignores_case : bool
        As for `targets`.

    Raises
    ------
    MetaflowS3URLException
        A link leads out of the directory, or two files into one place, or there is a directory where a file is to go.
    MetaflowS3Exception
        One can't be made.
    """
    root = os.path.realpath(directory)
    real: dict[str, str] = {}  # of a directory that files go to, without links
    for target in found:
        parent = os.path.dirname(target.path)
        if parent in real:
            continue
        real[parent] = real_parent(root, target)
        try:
            os.makedirs(parent, exist_ok=True)
        except OSError as error:
            raise exception_of_files(f"The directory '{shown(parent)}' can't be made", error) from error
    if len({_place(one, ignores_case) for one in real.values()}) < len(real):
        _check_places(found, real, ignores_case)
    for url, path in found:
        if os.path.isdir(path) and not os.path.islink(path):
            raise MetaflowS3Exception(
                f"'{shown(url, MOST_URL)}' would become '{shown(path)}', which is a directory. Download "
                "into another directory, or under another name."
            )


def real_parent(root: str, target: Target) -> str:
    """The directory that a file is in when all links are followed.

    Parameters
    ----------
    root : str
        What `os.path.realpath` says of the directory that all files go to.
    target : Target

    Raises
    ------
    MetaflowS3URLException
        It is not below the root.
    """
    real = os.path.realpath(os.path.dirname(target.path))
    if real != root and not real.startswith(os.path.join(root, "")):
        raise MetaflowS3URLException(
            f"'{shown(target.url, MOST_URL)}' would become '{shown(target.path)}', which a symbolic link leads to "
            f"'{shown(real)}', out of '{shown(root)}'. Remove the link, or download into another directory."
        )
    return real


def passes_link(directory: str, path: str) -> bool:
    """Whether the way from a directory to a file below it leads through a link; cheaper than `real_parent`."""
    parent = os.path.dirname(path)
    while len(parent) > len(directory):
        if os.path.islink(parent):
            return True
        parent = os.path.dirname(parent)
    return False


def ignores_case(directory: str) -> bool:
    """Whether a file system takes names that differ in case for one; `directory` is one just made, with letters."""
    folder, name = os.path.split(directory)
    try:
        return stat.S_ISDIR(os.lstat(os.path.join(folder, name.swapcase())).st_mode)
    except OSError:
        return False


def folded(name: str) -> str:
    """What all names have in common that are one to a file system which ignores case."""
    return unicodedata.normalize("NFC", name).casefold()


def _check(url: str, name: str) -> None:
    for part in name.split("/"):
        if part in ("", ".", ".."):
            problem = f"has the part '{part}'"
        elif "\0" in part:
            problem = "holds a NUL"
        elif len(os.fsencode(part)) > LONGEST_NAME:
            problem = f"has a part of more than {LONGEST_NAME} bytes"
        else:
            continue
        raise MetaflowS3URLException(
            f"'{shown(url, MOST_URL)}' can't be a local file: its key {problem} between two slashes. {_INSTEAD}"
        )


def _check_places(found: Sequence[Target], real: dict[str, str], ignores_case: bool) -> None:
    """Refuse two files that links in the directory lead into one place."""
    files: dict[str, str] = {}  # place -> URL
    for url, path in found:
        folder, name = os.path.split(path)
        place = _place(os.path.join(real[folder], name), ignores_case)
        if place in files:
            raise _collision(url, files[place])
        files[place] = url


def _place(name: str, ignores_case: bool) -> str:
    return folded(name) if ignores_case else name


def _collision(one: str, other: str) -> MetaflowS3URLException:
    return MetaflowS3URLException(
        f"'{shown(one, MOST_URL)}' and '{shown(other, MOST_URL)}' can't both be files here: they have the same path, "
        f"or one is a directory to the other. {_INSTEAD}"
    )
