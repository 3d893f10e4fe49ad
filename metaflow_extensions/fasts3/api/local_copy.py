"""The local copy of an object: a temporary file, or bytes in memory."""

import contextlib
import os
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.api.errors import FILE_IS_GONE
from metaflow_extensions.fasts3.api.temporary_directory import make_file, spare_file


class LocalCopy:
    """
    What an `S3Object` has of its contents.

    Do not instantiate it; it is the base class of `S3Object`.
    """

    _url: str
    # Class attributes, so that only objects with other values store them: a listing may have millions of objects.
    _path: Optional[str] = None
    _body: Optional[bytes] = None  # of an object in memory
    _name: Optional[Callable[[str], str]] = None  # returns a path for its file, when `path` is first read

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._body is not None:
            # It refers to the client's temporary directory, perhaps on another machine; a copy writes its own file.
            state.pop("_name", None)
            state["_path"] = None
        return state

    @property
    def downloaded(self) -> bool:
        """
        Whether the object has been downloaded.

        Returns
        -------
        bool
            If True, `path`, `blob` and `text` return its contents; otherwise they are None.
        """
        return bool(self._path) or self._body is not None

    @property
    def path(self) -> Optional[str]:
        """
        Path of the local temporary file with the contents of the object.

        Closing the client deletes the file. With `in_memory=True`, the first access to `path` writes it; the file of a
        copy (`copy`, `pickle`) remains until the process ends.

        Returns
        -------
        str
            Absolute path; None if the object has not been downloaded.

        Raises
        ------
        MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
            The file of an object in memory could not be written.
        """
        if self._path is None and self._body is not None:
            path = (self._name or spare_file)(self._url)
            make_file(path, self._body)
            self._path = path
        return self._path

    @property
    def blob(self) -> Optional[bytes]:
        """
        Contents of the object as bytes.

        Returns
        -------
        bytes
            None if the object has not been downloaded.

        Raises
        ------
        FileNotFoundError
            The file was removed: the client was closed, or `iter_many` has yielded the next object.
        """
        if self._body is not None:
            return self._body
        if not self._path:
            return None
        try:
            with open(self._path, "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            raise FileNotFoundError(error.errno, FILE_IS_GONE, self._path) from None

    @property
    def text(self) -> Optional[str]:
        """
        Contents of the object as text, decoded from UTF-8.

        Returns
        -------
        str
            Invalid bytes are replaced by U+FFFD. None if the object has not been downloaded.

        Raises
        ------
        FileNotFoundError
            As for `blob`.
        """
        blob = self.blob
        return None if blob is None else blob.decode("utf-8", errors="replace")

    def remove_file(self) -> None:
        """Remove the local file, if any, before the client is closed."""
        if self._path:
            with contextlib.suppress(OSError):  # the user may have moved it
                os.unlink(self._path)
