"""The local files that downloads become: which names they may have, and how they get them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Optional


def local_path(directory: str, name: str) -> Optional[str]:
    """The file below a directory that has the name of an object; None where no file there can have it.

    Parameters
    ----------
    directory : str
    name : str
        What follows the prefix in a key. Whoever wrote the object chose it.
    """
    parts = name.split("/")
    # An empty part would be no part, so that two keys became one file.
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        return None
    return os.path.join(directory, *parts)


def usual_mode() -> int:
    """The mode of new files; a download has 0600 until it is complete."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class Placing:
    """Gives complete files their names.

    Parameters
    ----------
    overwrite : bool
        Whether files that exist are replaced.
    """

    def __init__(self, overwrite: bool) -> None:
        self._overwrite = overwrite
        self._mode = usual_mode()
        self._folders: set[str] = set()  # which are there

    def wants(self, path: str) -> bool:
        """Whether a file is to be downloaded at all."""
        return self._overwrite or not os.path.lexists(path)

    def place(self, source: str, path: str) -> None:
        """Give a file its name; the directories above it are made.

        Raises
        ------
        OSError
        """
        folder = os.path.dirname(path)
        if folder not in self._folders:
            os.makedirs(folder or ".", exist_ok=True)
            self._folders.add(folder)
        os.chmod(source, self._mode)
        if self.wants(path):  # still
            os.replace(source, path)


@contextmanager
def made_directory(path: str) -> "Iterator[None]":
    """Have a directory; one that was made for this and has nothing in it at the end is removed."""
    there = os.path.isdir(path)
    os.makedirs(path, exist_ok=True)
    try:
        yield
    finally:
        if not there:
            with suppress(OSError):  # it has something in it
                os.rmdir(path)
