"""Class S3Object: one result."""

import contextlib
import json
import os
from typing import Any, Callable, Optional

from metaflow_extensions.fasts3.api.arguments import USER_ATTRIBUTES, RangeInfo
from metaflow_extensions.fasts3.api.errors import FILE_IS_GONE, MOST_URL, shown
from metaflow_extensions.fasts3.api.temporary_directory import make_file, spare_file


class S3Object:
    """
    This object represents a path or an object in S3, with an optional local copy.

    `S3Object`s are not instantiated directly, but they are returned by many methods of the `S3` client.
    """

    # Of the class, so that only those objects hold them that have other ones: a listing may be of millions.
    _is_directory = False
    _etag: Optional[str] = None
    _body: Optional[bytes] = None  # of an object in memory
    _name: Optional[Callable[[str], str]] = None  # gives the path of a file for it, should one be asked for

    def __init__(
        self,
        prefix: Optional[str],
        url: str,
        path: Optional[str] = None,
        size: Optional[int] = None,
        content_type: Optional[str] = None,
        metadata: Optional[dict[str, str]] = None,
        range_info: Optional[RangeInfo] = None,
        last_modified: Optional[int] = None,
        encryption: Optional[str] = None,
        etag: Optional[str] = None,
    ) -> None:
        self._url = url
        self._path = path
        self._size = os.stat(path).st_size if path and size is None else size
        self._content_type = content_type
        self._metadata = _user_attributes(metadata)
        self._range_info = range_info
        self._last_modified = last_modified
        self._encryption = encryption
        self._prefix = None if prefix == url else prefix
        if etag:
            self._etag = etag

    @classmethod
    def directory(cls, prefix: Optional[str], url: str) -> "S3Object":
        """A directory in a listing: its URL has a trailing slash, its key has not."""
        entry = cls(prefix, url)
        entry._is_directory = True
        return entry

    @classmethod
    def in_memory(cls, body: bytes, name: Callable[[str], str], *fields: Any, **facts: Any) -> "S3Object":
        """An object whose bytes are in memory; `name` gives a path for a file, should one be asked for."""
        one = cls(*fields, **facts)
        one._body, one._name = body, name
        return one

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._body is not None:
            # Of this client's temporary directory, perhaps on this machine: a copy makes a file of its own.
            state.pop("_name", None)
            state["_path"] = None
        return state

    @property
    def exists(self) -> bool:
        """
        Does this key correspond to an object in S3?

        Returns
        -------
        bool
            True if this object points at an existing object (file) in S3.
        """
        return self._size is not None or self.has_info  # some servers send all headers but the size

    @property
    def downloaded(self) -> bool:
        """
        Has this object been downloaded? Then `path`, `blob` and `text` give its contents.

        Returns
        -------
        bool
            True if the contents of this object have been downloaded.
        """
        return bool(self._path) or self._body is not None

    @property
    def url(self) -> str:
        """
        S3 location of the object

        Returns
        -------
        str
            The S3 location of this object.
        """
        return self._url

    @property
    def prefix(self) -> Optional[str]:
        """
        Prefix requested that matches this object.

        For `list_paths`, `list_recursive`, and `get_recursive` and `get_all` with `return_info=False`, this is the
        prefix asked for, as a URL. For all other calls, those two with `return_info=True` included, it is the root
        of the client; None without one.

        Returns
        -------
        str
            Requested prefix
        """
        return self._prefix

    @property
    def key(self) -> str:
        """
        Key corresponds to the key given to the get call that produced this object.

        It is what follows `prefix` in `url`; the full S3 URL where `prefix` is None.

        Returns
        -------
        str
            Key requested.
        """
        start = 0 if self._prefix is None else len(self._prefix) + (not self._prefix.endswith("/"))
        key = self._url[start:]
        return key[:-1] if self._is_directory and key.endswith("/") else key

    @property
    def path(self) -> Optional[str]:
        """
        Path to a local temporary file corresponding to the object downloaded.

        None if this S3Object has not been downloaded. The file is deleted when the S3 scope exits. With
        `in_memory=True` it is made when it is asked for; that of a copy (`copy`, `pickle`) is there until the end.

        Returns
        -------
        str
            Local path, if the object has been downloaded.

        Raises
        ------
        MetaflowS3InsufficientDiskSpace, MetaflowS3Exception
            The file of an object in memory can't be made.
        """
        if self._path is None and self._body is not None:
            path = (self._name or spare_file)(self._url)
            make_file(path, self._body)
            self._path = path
        return self._path

    @property
    def blob(self) -> Optional[bytes]:
        """
        Contents of the object as a byte string or None if the object hasn't been downloaded.

        Returns
        -------
        bytes
            Contents of the object as bytes.

        Raises
        ------
        FileNotFoundError
            The file is gone: the client was closed, or the loop of `iter_many` has moved on.
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
        Contents of the object as a string or None if the object hasn't been downloaded.

        The object is assumed to contain UTF-8 encoded data; what is not shows as U+FFFD.

        Returns
        -------
        str
            Contents of the object as text.

        Raises
        ------
        FileNotFoundError
            As for `blob`.
        """
        blob = self.blob
        return None if blob is None else blob.decode("utf-8", errors="replace")

    @property
    def size(self) -> Optional[int]:
        """
        Size of the object in bytes; of a range, the size of what was downloaded.

        None if there is no such object, and where the server sends no size: it decompresses the object on the way.

        Returns
        -------
        int
            Size of the object in bytes, if the object exists.
        """
        return self._size

    @property
    def has_info(self) -> bool:
        """
        Returns true if this `S3Object` contains the content-type MIME header or user-defined metadata.

        If False, this means that `content_type`, `metadata`, `range_info` and `last_modified` will return None.

        Returns
        -------
        bool
            True if additional metadata is available.
        """
        facts = (self._content_type, self._metadata, self._range_info, self._encryption, self._last_modified)
        return any(fact is not None for fact in facts)

    @property
    def metadata(self) -> Optional[dict[str, Any]]:
        """
        Returns a dictionary of user-defined metadata.

        Returns
        -------
        Dict
            None if no metadata is defined.
        """
        return self._metadata

    @property
    def content_type(self) -> Optional[str]:
        """
        Returns the content-type of the S3 object or None if it is not defined.

        Returns
        -------
        str
            Content type or None if the content type is undefined.
        """
        return self._content_type

    @property
    def encryption(self) -> Optional[str]:
        """
        Returns the encryption type of the S3 object or None if it is not defined.

        Returns
        -------
        str
            Server-side-encryption type or None if parameter is not set.
        """
        return self._encryption

    @property
    def range_info(self) -> Optional[RangeInfo]:
        """
        What was downloaded of the object.

        The returned object has the following fields:
        - `total_size`: Size of the object in S3.
        - `request_offset`: The starting offset.
        - `request_length`: The number of bytes downloaded.

        Returns
        -------
        RangeInfo
            Of a whole object it covers all; None where nothing was downloaded or `return_info` was False.
        """
        return self._range_info

    @property
    def last_modified(self) -> Optional[int]:
        """
        Returns the last modified unix timestamp of the object.

        Returns
        -------
        int
            Unix timestamp corresponding to the last modified time.
        """
        return self._last_modified

    @property
    def etag(self) -> Optional[str]:
        """
        Returns what S3 calls this version of the object: its ETag, as sent, with its quotes.

        `put(key, obj, if_match=etag)` replaces the object only while it is still this version. Of a range, it is that
        of the whole object.

        Returns
        -------
        str
            None in listings, with `return_info=False`, where there is no object, and where the server sends none.
        """
        return self._etag

    def remove_file(self) -> None:
        """Remove the local file, if there is one, before the client is closed."""
        if self._path:
            with contextlib.suppress(OSError):  # the user has moved it, for one
                os.unlink(self._path)

    def __str__(self) -> str:
        if not self.exists:
            return f"<S3Object {shown(self._url, MOST_URL)} (object does not exist)>"
        place = "in memory" if self._body is not None else "local" if self._path else "in S3"
        size = "size unknown" if self._size is None else f"{self._size} bytes"
        return f"<S3Object {shown(self._url, MOST_URL)} ({size}, {place})>"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from metaflow_extensions.fasts3.api import html_tables  # which a flow does without

        return html_tables.of_object(self)


def _user_attributes(metadata: Optional[dict[str, str]]) -> Optional[dict[str, Any]]:
    """The user's metadata; None for an object of another program, whatever that stored under our name."""
    stored = (metadata or {}).get(USER_ATTRIBUTES)
    if stored is None:
        return None
    try:
        attributes = json.loads(stored)
    except (ValueError, RecursionError):  # nested deeper than this stack
        return None
    return attributes if isinstance(attributes, dict) else None
