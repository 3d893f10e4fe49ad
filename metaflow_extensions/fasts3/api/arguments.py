"""What users hand in: the helper objects of the API, and how any of their many spellings is read.

Keys may be str or UTF-8 bytes; whole requests may be strings, tuples, the objects below, or anything with the same
attributes.
"""

import json
import re
from collections.abc import Iterable
from io import BufferedIOBase, RawIOBase
from typing import IO, Any, NamedTuple, Optional, Union

from metaflow_extensions.fasts3.api.errors import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3URLException,
)
from metaflow_extensions.fasts3.api.location import as_text
from metaflow_extensions.fasts3.wire.conditions import ABSENT
from metaflow_extensions.fasts3.wire.transfers import PutHeaders

PutValue = Union[RawIOBase, BufferedIOBase, IO[bytes], str, bytes, bytearray, memoryview]

USER_ATTRIBUTES = "metaflow-user-attributes"
"""The one metadata key under which both classes store the user's metadata, as JSON."""
_ETAG = re.compile(r'("?)([!#-~]+)\1')  # RFC 9110 section 8.8.3, with or without its quotes, of visible ASCII


MOST_OF_VALUE = 100  # bytes or characters of a value that are shown


class S3GetObject(NamedTuple):
    """
    Represents a chunk of an S3 object. A range query is performed to download only a subset of data,
    `object[key][offset:offset + length]`, from S3.

    Attributes
    ----------
    key : str, optional
        Key identifying the object. Works the same way as any `key` passed to `get` or `get_many`.
    offset : int, optional
        A byte offset in the object; 0 where only `length` is given.
    length : int, optional
        The number of bytes to download; to the end where it is None. A negative length is the object's tail: the
        last `-length` bytes, whatever `offset` is.
    """

    key: Optional[str] = None
    offset: Optional[int] = None
    length: Optional[int] = None


class _S3PutObject(NamedTuple):
    key: Optional[str] = None
    value: Optional[PutValue] = None
    path: Optional[str] = None
    content_type: Optional[str] = None
    encryption: Optional[str] = None
    metadata: Optional[dict[str, Any]] = None
    if_match: Optional[str] = None


class S3PutObject(_S3PutObject):
    """
    Defines an object with metadata to be uploaded with `put_many` or `put_files`.

    Attributes
    ----------
    key : str, optional
        Key identifying the object. Works the same way as `key` passed to `put` or `put_many`.
    value : str, bytes, bytearray, memoryview or binary file, optional
        Object to upload. Works the same way as `obj` passed to `put` or `put_many`.
    path : str, optional
        Path to a local file. Works the same way as `path` passed to `put_files`.
    content_type : str, optional
        Optional MIME type for the file.
    encryption : str, optional
        Server-side encryption of this object; that of the `S3` client where it is None.
    metadata : Dict, optional
        A JSON-encodable dictionary of additional headers to be stored as metadata with the file.
    if_match : str, optional
        The `etag` that the object has to have still, or it is not replaced. Works the same way as `if_match` passed
        to `put`.
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
    ) -> "S3PutObject":
        # Before it knew encryption, Metaflow had metadata in that place, and its reference still has.
        if isinstance(encryption, dict) and metadata is None:
            encryption, metadata = None, encryption
        return super().__new__(cls, key, value, path, content_type, encryption, metadata, if_match)

    def __repr__(self) -> str:
        # A value may have gigabytes, and its repr is up to four times as long.
        if isinstance(self.value, (str, bytes)) and len(self.value) > MOST_OF_VALUE:
            beginning = repr(self._replace(value=self.value[:MOST_OF_VALUE]))
            return f"{beginning[:-1]}, ... value has length {len(self.value):,})"
        return super().__repr__()


class RangeInfo(NamedTuple):
    """
    What was downloaded of an object.

    Attributes
    ----------
    total_size : int
        Size of the object in S3, in bytes.
    request_offset : int
        The starting offset.
    request_length : int
        The number of bytes downloaded; -1: to the end.
    """

    total_size: int
    request_offset: int = 0
    request_length: int = -1


def several(requests: Any) -> list[Any]:
    """Any iterable of requests as a list; see `iterated`."""
    return list(iterated(requests))


def iterated(requests: Any) -> Iterable[Any]:
    """Any iterable of requests.

    Raises
    ------
    MetaflowS3URLException
        It is one request: a string is not many keys of one letter each.
    """
    if isinstance(requests, (str, bytes)) or hasattr(requests, "key") or not isinstance(requests, Iterable):
        raise MetaflowS3URLException(
            f"A list is needed, not {requests!r:.200}. Put it into a list, or use the call for a single key."
        )
    return requests


def check_booleans(**given: Any) -> None:
    """Raise MetaflowS3Exception for the first argument that is neither True nor False: "no" would mean yes."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise MetaflowS3Exception(f"{name} is {value!r:.80}. Give True or False.")


def key_of(requested: Any) -> Optional[str]:
    """The key or URL of a request, as a str.

    Raises
    ------
    MetaflowS3URLException
        It is bytes that are not UTF-8.
    """
    key = getattr(requested, "key", requested)
    return as_text(key) if isinstance(key, bytes) else key


def range_of(requested: Any) -> tuple[Optional[str], Optional[int]]:
    """The Range header of a request (RFC 9110 section 14.2), and the offset of an empty range.

    Returns
    -------
    (str or None, int or None)
        Both None for a whole object.

    Raises
    ------
    MetaflowS3InvalidRange
        Offset or length is not a whole number, or the offset is negative.
    """
    offset, length = getattr(requested, "offset", None), getattr(requested, "length", None)
    if offset is None and length is None:
        return None, None
    for name, number in (("offset", offset), ("length", length)):
        if number is not None and (not hasattr(number, "__index__") or isinstance(number, bool)):
            raise MetaflowS3InvalidRange(
                f"The {name} of '{key_of(requested)}' is {number!r}. Give it as a number of bytes, an int."
            )
    if length is not None and length < 0:
        return f"bytes={length}", None  # its minus sign is HTTP's for a suffix, too
    start = 0 if offset is None else int(offset)
    if start < 0:
        raise MetaflowS3InvalidRange(
            f"The offset of '{key_of(requested)}' is {start}. For the end of an object, give a negative length."
        )
    if length == 0:
        return None, start
    return (f"bytes={start}-" if length is None else f"bytes={start}-{start + length - 1}"), None


def headers_of(
    key: Any, content_type: Any, metadata: Any, encryption: Optional[str], default_encryption: Optional[str]
) -> PutHeaders:
    """What is to be stored with an object.

    Raises
    ------
    MetaflowS3InvalidObject
        The metadata is not a dict, or can't be written as JSON; or content type or encryption are not text for a
        header.
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
                f"The metadata of '{key}' can't be written as JSON ({error}). Use strings, numbers, lists and dicts."
            ) from error
    return PutHeaders(content_type or None, stored, encryption or default_encryption or None)


def condition_of(key: Any, if_match: Any, overwrite: bool) -> Optional[str]:
    """What has to hold for an upload to be stored; see `wire.conditions`.

    Raises
    ------
    MetaflowS3InvalidObject
        `if_match` is no ETag, or given with `overwrite=False`.
    """
    if if_match is None:
        return None if overwrite else ABSENT
    if not overwrite:
        raise MetaflowS3InvalidObject(
            f"For {key!r} there is an if_match, which replaces an object that exists, and overwrite=False, which "
            "replaces none. Give one of them."
        )
    if if_match == "*":
        raise MetaflowS3InvalidObject(
            f"The if_match of {key!r} is '*', which any object would match. Give the etag of the one that you have "
            "read; to replace whatever is there, leave if_match out."
        )
    found = _ETAG.fullmatch(if_match) if isinstance(if_match, str) else None
    if found is None:
        raise MetaflowS3InvalidObject(
            f"The if_match of {key!r} is {if_match!r:.200}, which is no ETag. Give the `etag` of the S3Object that you "
            "have read, with its quotes or without them."
        )
    return f'"{found[2]}"'
