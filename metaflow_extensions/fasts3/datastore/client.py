"""The S3 client of the datastore: handles many keys in parallel, up to a moderate number in this process."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from metaflow_extensions.fasts3.api.arguments import S3PutObject
from metaflow_extensions.fasts3.api.placement import Place
from metaflow_extensions.fasts3.api.s3 import S3
from metaflow_extensions.fasts3.api.temporary_directory import make_file
from metaflow_extensions.fasts3.api.unnamed_files import unnamed_file
from metaflow_extensions.fasts3.datastore.blobs import Blob

# Tasks are short and handle some dozens of small objects: starting workers would take more processor time.
FEW_KEYS = 128

MOST_DESCRIPTORS = 32  # of one operation; further objects use files in a temporary directory
OWN_FILES = "/proc/self/fd/{}"  # proc(5); opening it begins at the first byte


class Value(NamedTuple):
    """An object to store."""

    path: str  # below the datastore's root
    content: Any  # a binary file
    metadata: Optional[dict[str, Any]] = None


class Loaded(NamedTuple):
    """The result of loading an object."""

    file: Optional[str]  # its path until the client is closed; None: the object does not exist
    metadata: Optional[dict[str, Any]] = None


class DatastoreClient(S3):
    """A client for one operation of the datastore."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._descriptors: list[int] = []  # of files without a name

    def exist(self, paths: Sequence[str]) -> list[bool]:
        """Return for each object whether it exists."""
        found = self._heads(list(paths), _place(len(paths), Place.HERE), return_missing=True)
        return [one.exists for one in found]

    def load(self, paths: Sequence[str]) -> list[Loaded]:
        """Download objects into files."""
        place = _place(len(paths), Place.HERE_FIRST)
        found = self._download(list(paths), place, return_missing=True, return_info=True, in_memory=False)
        return [Loaded(one.path, one.metadata) for one in found]

    def read(self, paths: Sequence[str]) -> list[Optional[Blob]]:
        """Load small objects into memory; None for missing ones."""
        found = self._download(list(paths), _place(len(paths), Place.HERE), True, True, in_memory=True)
        return [None if one.blob is None else Blob(one.blob, one.metadata) for one in found]

    def store(self, values: Sequence[Value], overwrite: bool) -> None:
        """Upload objects; without `overwrite` only those that do not exist."""
        objects = [S3PutObject(value.path, value.content, metadata=value.metadata) for value in values]
        self._store_values(objects, overwrite, _place(len(values), Place.HERE))

    def as_file(self, path: str, data: bytes) -> str:
        """Write the bytes of an object to a file, which exists until the client is closed.

        It is a file without a name if the system supports it: creating a temporary directory takes longer.
        """
        descriptor = _without_a_name(data) if len(self._descriptors) < MOST_DESCRIPTORS else None
        if descriptor is None:
            file = self._tempdir.file(path)
            make_file(file, data)
            return file
        self._descriptors.append(descriptor)
        return OWN_FILES.format(descriptor)

    def close(self) -> None:
        """Close and remove all files."""
        try:
            super().close()
        finally:
            while self._descriptors:
                os.close(self._descriptors.pop())


def _place(number: int, one: Place) -> Place:
    if number == 1:
        return one
    return Place.HERE if number <= FEW_KEYS else Place.WORKERS


def _without_a_name(data: bytes) -> Optional[int]:
    """Create a file in memory, and return its descriptor; None if the system does not support it, or its path."""
    descriptor = unnamed_file()
    if descriptor is None:
        return None
    try:
        os.close(os.dup(descriptor))  # is there another one, to open it?
        if os.write(descriptor, data) == len(data) and os.path.exists(OWN_FILES.format(descriptor)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
