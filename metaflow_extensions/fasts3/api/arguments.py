"""Reads and validates the arguments of the methods of `S3`; defines `S3GetObject`, `S3PutObject` and `RangeInfo`.

A key is a str or UTF-8 bytes. A request is a key, a tuple, one of the classes below, or any object with the same
attributes.
"""

import json
import re
from collections.abc import Iterable
from io import BufferedIOBase, RawIOBase
from typing import IO, Any, NamedTuple, Optional, Protocol, SupportsIndex, Union

from metaflow_extensions.fasts3.api.errors import (
    MOST_URL,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3URLException,
    shown,
)
from metaflow_extensions.fasts3.api.extra_args import NOTHING, combined
from metaflow_extensions.fasts3.api.location import as_text
from metaflow_extensions.fasts3.api.pickles import reduced
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.transfers import PutHeaders


class Readable(Protocol):
    """Anything whose `read` returns bytes: a pipe, an HTTP response."""

    def read(self, size: int, /) -> bytes: ...


PutValue = Union[RawIOBase, BufferedIOBase, IO[bytes], Readable, str, bytes, bytearray, memoryview]

USER_ATTRIBUTES = "metaflow-user-attributes"
"""The metadata key under which this class and Metaflow's own store the user's metadata, as JSON."""
_ETAG = re.compile(r'("?)([!#-~]+)\1')  # RFC 9110 section 8.8.3, with or without its quotes, of visible ASCII
_VERSION = re.compile(r"[!-~]{1,1024}")  # "S3 version ids are ... at most 1,024 bytes long", of visible ASCII

MOST_OF_VALUE = 100  # bytes or characters of a value in messages


class _S3GetObject(NamedTuple):
    key: Optional[str] = None
    offset: Optional[int] = None
    length: Optional[int] = None
    version_id: Optional[str] = None


class S3GetObject(_S3GetObject):
    """
    A range of an S3 object, or a version: the bytes `[offset:offset + length]` of the object `key`.

    Attributes
    ----------
    key : str, optional
        Key of the object, as for `get`.
    offset : int, optional
        Offset of the first byte; 0 if only `length` is given.
    length : int, optional
        Number of bytes to download; None means to the end of the object. A negative length means the last `-length`
        bytes, whatever `offset` is.
    version_id : str, optional
        The version, in a versioned bucket: the `version_id` of an `S3Object`. None means the current version.
    """

    __slots__ = ()

    # Without it, Metaflow's generator of stubs makes all arguments required.
    def __new__(
        cls,
        key: Optional[str] = None,
        offset: Optional[int] = None,
        length: Optional[int] = None,
        version_id: Optional[str] = None,
    ) -> "S3GetObject":
        return super().__new__(cls, key, offset, length, version_id)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # Without the fields that Metaflow's own class lacks, if they are not used.
        return reduced(self, protocol, S3GetObject, self[:3] if self.version_id is None else tuple(self))


class _S3PutObject(NamedTuple):
    key: Optional[str] = None
    value: Optional[PutValue] = None
    path: Optional[str] = None
    content_type: Optional[str] = None
    encryption: Optional[str] = None
    metadata: Optional[dict[str, Any]] = None
    if_match: Optional[str] = None
    extra_args: Optional[dict[str, Any]] = None


class S3PutObject(_S3PutObject):
    """
    An object to upload with `put_many` or `put_files`, with optional metadata.

    Attributes
    ----------
    key : str, optional
        Key of the object, as for `put`.
    value : str, bytes, bytearray, memoryview or binary file, optional
        Value to upload with `put_many`.
    path : str, optional
        Path of a local file to upload with `put_files`.
    content_type : str, optional
        MIME type of the object.
    encryption : str, optional
        Server-side encryption of the object; that of the `S3` client if None.
    metadata : Dict, optional
        User metadata to store with the object, a JSON-encodable dictionary.
    if_match : str, optional
        The `etag` that the object must still have to be replaced, as for `put`.
    extra_args : Dict, optional
        Upload arguments by boto3's names, e.g. `StorageClass`, as for `put`.
    """

    __slots__ = ()

    def __new__(
        cls,
        key: Optional[str] = None,
        value: Optional[PutValue] = None,
        path: Optional[str] = None,
        content_type: Optional[str] = None,
        encryption: Optional[str] = None,
        metadata: Optional[dict[str, Any]] = None,
        if_match: Optional[str] = None,
        extra_args: Optional[dict[str, Any]] = None,
    ) -> "S3PutObject":
        # Older versions of Metaflow, and its API reference, have metadata in the position of encryption.
        if isinstance(encryption, dict) and metadata is None:
            encryption, metadata = None, encryption
        return super().__new__(cls, key, value, path, content_type, encryption, metadata, if_match, extra_args)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        is_of_metaflow = self.if_match is None and self.extra_args is None
        return reduced(self, protocol, S3PutObject, self[:6] if is_of_metaflow else tuple(self))

    def __repr__(self) -> str:
        # A value may have gigabytes, and its repr is up to four times longer.
        if isinstance(self.value, (str, bytes)) and len(self.value) > MOST_OF_VALUE:
            beginning = repr(self._replace(value=self.value[:MOST_OF_VALUE]))
            return f"{beginning[:-1]}, ... value has length {len(self.value):,})"
        return super().__repr__()


class RangeInfo(NamedTuple):
    """
    The range of an object that was downloaded.

    Attributes
    ----------
    total_size : int
        Size of the object in S3, in bytes.
    request_offset : int
        Offset of the first byte.
    request_length : int
        Number of bytes downloaded; -1 means to the end.
    """

    total_size: int
    request_offset: int = 0
    request_length: int = -1

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return reduced(self, protocol, RangeInfo, tuple(self))


def several(requests: Any) -> list[Any]:
    """Any iterable of requests as a list; see `iterated`."""
    return list(iterated(requests))


def iterated(requests: Any) -> Iterable[Any]:
    """Any iterable of requests.

    Raises MetaflowS3URLException for a single request; a string, for instance, would be read as keys of one letter
    each.
    """
    if isinstance(requests, (str, bytes)) or hasattr(requests, "key") or not isinstance(requests, Iterable):
        raise MetaflowS3URLException(
            f"This method requires a list, not {requests!r:.200}. Put it into a list, or use the method for a single "
            "key."
        )
    return requests


def check_booleans(**given: Any) -> None:
    """Raise MetaflowS3Exception for the first argument that is neither True nor False: the string "no" is true."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise MetaflowS3Exception(f"{name} is {value!r:.80}. Give True or False.")


def check_access(anonymous: Any, requester_pays: Any, role: Any, external_client: Any) -> None:
    """Raise MetaflowS3Exception for invalid values of `anonymous` and `requester_pays`, or a contradiction."""
    check_booleans(anonymous=anonymous, requester_pays=requester_pays)
    others = (
        ("role", role, "which signs requests"),
        ("external_client", external_client, "which has its own credentials"),
        ("requester_pays=True", requester_pays, "which requires an account to charge"),
    )
    for name, value, why in others:
        if anonymous and value:
            raise MetaflowS3Exception(f"anonymous=True can't be combined with {name}, {why}. Omit one of them.")


def key_of(requested: Any) -> Optional[str]:
    """The key or URL of a request, as a str; raises MetaflowS3URLException for bytes in another encoding than UTF-8."""
    key = getattr(requested, "key", requested)
    return as_text(key) if isinstance(key, bytes) else key


def range_of(requested: Any) -> tuple[Optional[str], Optional[int]]:
    """The Range header of a request (RFC 9110 section 14.2), and the offset of an empty range.

    Both are None for a whole object. Raises MetaflowS3InvalidRange if offset or length is not an integer, or the offset
    is negative.
    """
    offset, length = getattr(requested, "offset", None), getattr(requested, "length", None)
    if offset is None and length is None:
        return None, None
    for name, number in (("offset", offset), ("length", length)):
        if number is not None and (not hasattr(number, "__index__") or isinstance(number, bool)):
            raise MetaflowS3InvalidRange(
                f"The {name} of '{key_of(requested)}' is {number!r}; it must be an integer, in bytes."
            )
    # Python's integers, because those of NumPy overflow.
    start, length = int(offset or 0), None if length is None else int(length)
    if length is not None and length < 0:
        return f"bytes={length}", None  # HTTP also writes a suffix with a minus sign
    if start < 0:
        raise MetaflowS3InvalidRange(
            f"The offset of '{key_of(requested)}' is {start}; it can't be negative. For the last bytes of an object, "
            "give a negative length."
        )
    if length == 0:
        return None, start
    if length is None and not start:
        return None, None  # S3 refuses a range of an empty object
    return (f"bytes={start}-" if length is None else f"bytes={start}-{start + length - 1}"), None


def check_whole(requested: Any, url: str) -> None:
    """Raise MetaflowS3InvalidObject for a range of an object, also one that was downloaded."""
    info = getattr(requested, "range_info", None)
    if range_of(requested) != (None, None) or (info and info.request_length != info.total_size):
        raise MetaflowS3InvalidObject(
            f"'{shown(url, MOST_URL)}' is a range of an object, but this method requires whole objects. Give the URL."
        )


def version_of(requested: Any) -> Optional[str]:
    """The version id of a request; None for the current version."""
    return checked_version(key_of(requested), getattr(requested, "version_id", None))


def checked_version(key: Any, version_id: Any) -> Optional[str]:
    """Return a version id; raise MetaflowS3URLException for what can't be one."""
    if version_id is not None and not (isinstance(version_id, str) and _VERSION.fullmatch(version_id)):
        raise MetaflowS3URLException(
            f"The version_id of {key!r} is {version_id!r:.100}. Give the `version_id` of an S3Object, or None for the "
            "current version."
        )
    return version_id


def headers_of(
    key: Any,
    content_type: Any,
    metadata: Any,
    encryption: Optional[str],
    default_encryption: Optional[str],
    extra_args: Any = None,
    client_headers: PutHeaders = NOTHING,
) -> PutHeaders:
    """The headers to store with an object; see `extra_args.combined`.

    Raises MetaflowS3InvalidObject if the metadata is not a dict or not JSON-encodable, if content type or encryption is
    not a valid header value, or if `extra_args` are invalid.
    """
    for what, value, example in (
        ("content type", content_type, "text/plain"),
        ("encryption", encryption, "AES256"),
        ("encryption", default_encryption, "AES256"),
    ):
        if value is not None and not (isinstance(value, str) and value.isascii() and value.isprintable()):
            raise MetaflowS3InvalidObject(
                f"The {what} of {key!r} is {value!r}. Give a string such as {example!r}, in ASCII, without line breaks."
            )
    if metadata is not None and not isinstance(metadata, dict):
        raise MetaflowS3InvalidObject(
            f"The metadata of {key!r} is {metadata!r:.200}. Give a dict, such as {{'source': 'sensor 1'}}."
        )
    stored = None
    if metadata:
        try:
            stored = {USER_ATTRIBUTES: json.dumps(metadata)}
        except (TypeError, ValueError, RecursionError) as error:
            raise MetaflowS3InvalidObject(
                f"The metadata of '{key}' is not JSON-encodable ({error}). Use strings, numbers, lists and dicts."
            ) from error
    own = PutHeaders(content_type or None, stored, encryption or None)
    return combined(key, own, extra_args, client_headers, default_encryption)


def condition_of(key: Any, if_match: Any, overwrite: bool) -> Optional[str]:
    """The condition of an upload; see `wire.conditions`.

    Raises MetaflowS3InvalidObject if `if_match` is not an ETag, or given with `overwrite=False`.
    """
    if if_match is None:
        return None if overwrite else ABSENT
    if not overwrite:
        raise MetaflowS3InvalidObject(
            f"{key!r} has both an if_match, which replaces an existing object, and overwrite=False, which replaces "
            "none. Give one of them."
        )
    if if_match == "*":
        raise MetaflowS3InvalidObject(
            f"The if_match of {key!r} is '*', which matches any object. Give the etag of the object that you have "
            "read; to replace any object, omit if_match."
        )
    found = _ETAG.fullmatch(if_match) if isinstance(if_match, str) else None
    if found is None:
        raise MetaflowS3InvalidObject(
            f"The if_match of {key!r} is {if_match!r:.200}, which is not an ETag. Give the `etag` of the S3Object that "
            "you have read, with or without its quotes."
        )
    return f'"{found[2]}"'
