"""Class S3Object: one result."""

import json
import os
from typing import Any, Optional, SupportsIndex

from metaflow_extensions.fasts3.api.arguments import USER_ATTRIBUTES, RangeInfo
from metaflow_extensions.fasts3.api.errors import MOST_URL, shown
from metaflow_extensions.fasts3.api.local_copy import LocalCopy
from metaflow_extensions.fasts3.api.pickles import reduced
from metaflow_extensions.fasts3.plans.unchanged import FILE
from metaflow_extensions.fasts3.wire.conditions import MARK

_OF_METAFLOW = ("_path", "_size", "_content_type", "_metadata", "_range_info", "_last_modified", "_encryption")
_NONE = object()  # no attribute of the class


class S3Object(LocalCopy):
    """
    An object or a prefix in S3, with an optional local copy.

    Do not instantiate `S3Object`; methods of the `S3` client return it.
    """

    # Class attributes, so that only objects with other values store them: a listing may have millions of objects.
    _is_directory = False
    _content_type: Optional[str] = None
    _metadata: Optional[dict[str, Any]] = None
    _other_metadata: Optional[dict[str, str]] = None  # of other programs
    _range_info: Optional[RangeInfo] = None
    _last_modified: Optional[int] = None
    _encryption: Optional[str] = None
    _storage_class: Optional[str] = None
    _etag: Optional[str] = None
    _version_id: Optional[str] = None
    _is_latest: Optional[bool] = None
    _is_delete_marker = False

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
        version_id: Optional[str] = None,
    ) -> None:
        self._url = url
        self._path = path
        self._size = os.stat(path).st_size if path and size is None else size
        self._content_type = content_type
        if metadata:
            self._metadata = _user_attributes(metadata)
            ours = {FILE, MARK} if self._metadata is None else {FILE, MARK, USER_ATTRIBUTES}
            self._other_metadata = {name: text for name, text in metadata.items() if name not in ours}
        self._range_info = range_info
        self._last_modified = last_modified
        self._encryption = encryption
        self._prefix = None if prefix == url else prefix
        if etag:
            self._etag = etag
        if version_id:
            self._version_id = version_id

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # Metaflow's own class, which may read it, has all attributes in the object.
        attributes = {name: getattr(self, name) for name in _OF_METAFLOW}
        state = {**attributes, "_key": self.key, **self.__getstate__()}
        return reduced(self, protocol, S3Object, (self._prefix, self._url, None), state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = type(self)
        self.__dict__ = {
            name: value for name, value in state.items() if name != "_key" and value is not getattr(own, name, _NONE)
        }

    @property
    def exists(self) -> bool:
        """
        Whether the object exists in S3.

        Returns
        -------
        bool
            False for a missing key, for a prefix that `list_paths` returned, and for a delete marker.
        """
        return self._size is not None or (self.has_info and not self._is_delete_marker)  # some servers omit the size

    @property
    def url(self) -> str:
        """
        S3 URL of the object.

        Returns
        -------
        str
            `s3://bucket/key`.
        """
        return self._url

    @property
    def prefix(self) -> Optional[str]:
        """
        Prefix that `key` is relative to.

        For `list_paths`, `list_recursive`, and for `get_recursive` and `get_all` with `return_info=False`, this is the
        requested prefix, as a URL. For all other calls, including these two with `return_info=True`, it is the root of
        the client.

        Returns
        -------
        str
            An S3 URL; None if the client has no root.
        """
        return self._prefix

    @property
    def key(self) -> str:
        """
        Key of the object, relative to `prefix`.

        Returns
        -------
        str
            The part of `url` after `prefix`; the full S3 URL if `prefix` is None.
        """
        start = 0 if self._prefix is None else len(self._prefix) + (not self._prefix.endswith("/"))
        key = self._url[start:]
        return key[:-1] if self._is_directory and key.endswith("/") else key

    @property
    def size(self) -> Optional[int]:
        """
        Size of the object in bytes; for a range, the number of bytes downloaded.

        Returns
        -------
        int
            None if the object does not exist, or the server sends no size because it decompresses the object.
        """
        return self._size

    @property
    def has_info(self) -> bool:
        """
        Whether this `S3Object` includes content type or user metadata.

        Returns
        -------
        bool
            If False, `content_type`, `metadata`, `range_info` and `last_modified` are None. Of these, the objects
            of `iter_list` and `list_versions` have only `last_modified`.
        """
        known = (self._content_type, self._metadata, self._range_info, self._encryption, self._last_modified)
        return any(one is not None for one in known)

    @property
    def metadata(self) -> Optional[dict[str, Any]]:
        """
        User metadata of the object.

        Returns
        -------
        Dict
            None if the object has no user metadata.
        """
        return self._metadata

    @property
    def all_metadata(self) -> Optional[dict[str, Any]]:
        """
        User metadata of the object, including that of other programs.

        Returns
        -------
        Dict
            `metadata`, and what other programs have stored: names in lower case, with their texts. None if the object
            has no user metadata. What this client stores to recognize unchanged files, and its own
            conditional uploads, is not included.
        """
        return {**(self._other_metadata or {}), **(self._metadata or {})} or None

    @property
    def content_type(self) -> Optional[str]:
        """
        Content type (MIME type) of the object.

        Returns
        -------
        str
            None if it is not known.
        """
        return self._content_type

    @property
    def encryption(self) -> Optional[str]:
        """
        Server-side encryption of the object, e.g. 'AES256' or 'aws:kms'.

        Returns
        -------
        str
            None if the response did not include it.
        """
        return self._encryption

    @property
    def range_info(self) -> Optional[RangeInfo]:
        """
        Range of the object that was downloaded.

        Returns
        -------
        RangeInfo
            The whole object if no range was requested. None if nothing was downloaded, or with `return_info=False`.
        """
        return self._range_info

    @property
    def last_modified(self) -> Optional[int]:
        """
        Time of the last modification of the object.

        Returns
        -------
        int
            Unix timestamp, in seconds. None in listings, except `iter_list` and `list_versions`.
        """
        return self._last_modified

    @property
    def etag(self) -> Optional[str]:
        """
        ETag of the object, as S3 sends it in headers, with its quotes.

        It identifies the version of the whole object, also for a range. `put(key, obj, if_match=etag)` replaces the
        object only if it is still this version.

        Returns
        -------
        str
            None in `list_paths` and `list_recursive`, with `return_info=False`, for a missing object, and if the server
            sends none.
        """
        return self._etag

    @property
    def storage_class(self) -> Optional[str]:
        """
        Storage class of the object, e.g. 'STANDARD' or 'GLACIER'.

        Returns
        -------
        str
            None for all calls except `iter_list`, and if the server sends none.
        """
        return self._storage_class

    @property
    def version_id(self) -> Optional[str]:
        """
        Id of this version of the object, in a versioned bucket.

        `S3GetObject(key, version_id=...)` stands for exactly this version, whatever is stored later.

        Returns
        -------
        str
            None in other buckets, in listings except `list_versions`, and with `return_info=False`.
        """
        return self._version_id

    @property
    def is_latest(self) -> Optional[bool]:
        """
        Whether this was the latest version of the object when `list_versions` listed it.

        Returns
        -------
        bool
            None for all other calls.
        """
        return self._is_latest

    @property
    def is_delete_marker(self) -> bool:
        """
        Whether this is a delete marker, which `list_versions` returned: the version that hides a deleted object.

        Returns
        -------
        bool
            `S3.delete(key, version_id=...)` of the latest delete marker restores the object.
        """
        return self._is_delete_marker

    def __str__(self) -> str:
        if self._is_delete_marker:
            return f"<S3Object {shown(self._url, MOST_URL)} (delete marker)>"
        if not self.exists:
            return f"<S3Object {shown(self._url, MOST_URL)} (object does not exist)>"
        place = "in memory" if self._body is not None else "local" if self._path else "in S3"
        size = "size unknown" if self._size is None else f"{self._size} bytes"
        return f"<S3Object {shown(self._url, MOST_URL)} ({size}, {place})>"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from metaflow_extensions.fasts3.api import html_tables  # a flow does not need it

        return html_tables.of_object(self)


def _user_attributes(metadata: dict[str, str]) -> Optional[dict[str, Any]]:
    """The user's metadata; None without any, or if another program stored something else under our name."""
    try:
        attributes = json.loads(metadata.get(USER_ATTRIBUTES, "null"))
    except (ValueError, RecursionError):  # nested deeper than this stack
        return None
    return attributes if isinstance(attributes, dict) else None
