"""Where below a local directory an object goes: by its key, and nowhere else, whatever the key says."""

import os
import stat
import unicodedata
from collections.abc import Iterable
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
        folded = _folded(name) if ignores_case else name
        if folded in files or folded in folders:
            raise _collision(url, files.get(folded) or folders[folded])
        files[folded] = url
        parent = folded.rpartition("/")[0]
        while parent and parent not in folders:
            folders[parent] = url
            parent = parent.rpartition("/")[0]
        found.append(Target(url, os.path.join(directory, *name.split("/"))))
    both = next((name for name in files if name in folders), None)
    if both is not None:
        raise _collision(folders[both], files[both])
    return found


def make_parents(directory: str, found: Iterable[Target]) -> None:
    """Make the directories that files go to.

    Raises
    ------
    MetaflowS3URLException
        A link leads out of the directory, or there is a directory where a file is to go.
    MetaflowS3Exception
        One can't be made.
    """
    root = os.path.realpath(directory)
    made: set[str] = set()
    for url, path in found:
        parent = os.path.dirname(path)
        if parent not in made:
            real = os.path.realpath(parent)
            if real != root and not real.startswith(os.path.join(root, "")):
                raise MetaflowS3URLException(
                    f"'{shown(url, MOST_URL)}' would become '{shown(path)}', which a symbolic link leads to '{real}', "
                    f"out of '{directory}'. Remove the link, or download into another directory."
                )
            try:
                os.makedirs(parent, exist_ok=True)
            except OSError as error:
                raise exception_of_files(f"The directory '{shown(parent)}' can't be made", error) from error
            made.add(parent)
        if os.path.isdir(path) and not os.path.islink(path):
            raise MetaflowS3Exception(
                f"'{shown(url, MOST_URL)}' would become '{shown(path)}', which is a directory. Remove it, or download "
                "into another directory."
            )


def ignores_case(directory: str) -> bool:
    """Whether a file system takes names that differ in case for one; `directory` is one just made, with letters."""
    folder, name = os.path.split(directory)
    try:
        return stat.S_ISDIR(os.lstat(os.path.join(folder, name.swapcase())).st_mode)
    except OSError:
        return False


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


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _collision(one: str, other: str) -> MetaflowS3URLException:
    return MetaflowS3URLException(
        f"'{shown(one, MOST_URL)}' and '{shown(other, MOST_URL)}' can't both be files here: they have the same path, "
        f"or one is a directory to the other. {_INSTEAD}"
    )
