"""ListObjectsV2 and HeadBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.

Servers that support only version 1 ignore `list-type` and respond as described in
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html: a marker identifies the next page.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Optional, Union
from urllib.parse import unquote_plus

from metaflow_extensions.fasts3.wire.dates import xml_timestamp
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, TransferError, malformed
from metaflow_extensions.fasts3.wire.not_s3 import check_bucket
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.transfers import DetailedObject, ListedObject, Page
from metaflow_extensions.fasts3.wire.xml_documents import Document, read

MARKER = "\0"
"""First character of tokens that are version 1 markers. XML can't hold it, so no server's token starts with it."""
_ROWS = {"Contents": ("Key", "Size"), "CommonPrefixes": ("Prefix",)}
_SIZE = re.compile(r"[0-9]{1,19}\Z")  # bytes; int() also accepts signs, underscores and other digits
# An object as S3 and most servers write it, in ASCII: key, size, and two groups that only match closing tags.
_CHARACTERS = rb"[ -%'-;=-\\^-~]*"  # without < and &, and without ], which may not start "]]>"
_TEXT = _CHARACTERS + rb"(?:&(?:quot|apos|amp|lt|gt|#3[49]);" + _CHARACTERS + rb")*"
_OBJECT = re.compile(
    rb"<Contents>(?:<Key>(" + _CHARACTERS + rb")</Key>|<Size>([0-9]{1,19})</Size>"
    rb"|<Owner>(?:<([A-Za-z]+)>" + _TEXT + rb"</\3>)*</Owner>"
    rb"|<(?!Key>|Size>)([A-Za-z]+)>" + _TEXT + rb"</\4>)*</Contents>"
)
_STEP = _OBJECT.groups + 1  # parts per object from `split`


class BucketTransfers:
    """The methods of `Transfers` for buckets."""

    _exchange: Exchange

    async def head_bucket(self, bucket: str, key: str = "") -> None:  # all methods have a key
        try:
            with await self._exchange.ask("HeadBucket", bucket) as reply:
                reply.finish()
                check_bucket(reply.head.headers)
        except TransferError as error:
            if error.failure.code is Code.NOT_FOUND:  # a response to HEAD has no body that could say NoSuchBucket
                failure = error.failure._replace(code=Code.NO_BUCKET, s3_code="NoSuchBucket")
                raise TransferError(failure) from error
            raise

    async def list_page(
        self,
        bucket: str,
        key: str,
        delimiter: str = "",
        token: Optional[str] = None,
        limit: int = 1000,
        after: str = "",
        details: bool = False,
    ) -> Page:
        query = [
            ("list-type", "2"),
            ("prefix", key),
            ("delimiter", delimiter),
            ("max-keys", str(limit)),
            ("encoding-type", "url"),  # XML 1.0 can't hold all characters of keys
        ]
        if after:
            query.append(("start-after", after))
        if token:
            marker = marker_of(token)
            query.append(("continuation-token", token) if marker is None else ("marker", marker))
        with await self._exchange.ask("ListObjectsV2", bucket, query=query) as reply:
            return checked(parse_page(await reply.document(), details), key, token)


def checked(page: Page, prefix: str, token: Optional[str]) -> Page:
    """Check that a page matches the request.

    Raises
    ------
    TransferError
        MALFORMED: it has names without the prefix, or no new token for the next page.
    """
    if page.next_token == "":
        raise malformed("the listing is truncated and has no continuation token")
    if token and page.next_token == token:
        raise malformed("the response repeats the continuation token of the request")
    check_names(itertools.chain((one.key for one in page.objects), page.prefixes), prefix, "the listing")
    return page


def check_names(names: "Iterable[str]", prefix: str, what: str) -> None:
    """Raise TransferError, MALFORMED, for a name that does not begin with the requested prefix."""
    other = next((name for name in names if not name.startswith(prefix)), None)
    if other is not None:
        raise malformed(f"{what} of {prefix[:80]!r} contains {other[:80]!r}, which does not begin with it")


def parse_page(document: bytes, details: bool = False) -> Page:
    """Parse the response to ListObjectsV2.

    Parameters
    ----------
    document : bytes
    details : bool
        Also read ETags and times.

    Raises
    ------
    TransferError
        See `xml_documents.read`; MALFORMED for another document.
    """
    rows, found = (None if details else _read_at_once(document)) or (None, _read(document))
    decode = unquote_plus if found.texts.get("EncodingType") == "url" else str
    objects: Sequence[Union[ListedObject, DetailedObject]]
    if details:
        objects = [
            DetailedObject(
                decode(row["Key"]), size_of(row), row.get("ETag", ""), xml_timestamp(row.get("LastModified", ""))
            )
            for row in found.rows["Contents"]
        ]
    else:
        rows = rows or [(row["Key"], size_of(row)) for row in found.rows["Contents"]]
        # Other keys need no decoding; this check takes a third of the time of decoding.
        objects = [ListedObject(decode(key) if "%" in key or "+" in key else key, size) for key, size in rows]
    prefixes = [decode(row["Prefix"]) for row in found.rows["CommonPrefixes"]]
    token = found.texts.get("NextContinuationToken", "") if found.texts.get("IsTruncated") == "true" else None
    if token == "" and not found.texts.keys().isdisjoint({"Marker", "NextMarker"}):  # of version 1
        token = token_after(decode(found.texts.get("NextMarker", "")), objects, prefixes)
    return Page(objects, prefixes, token)


def _read(document: bytes) -> Document:
    return read(document, "the listing", _ROWS, OPERATIONS["ListObjectsV2"].roots)


def size_of(row: "dict[str, str]") -> int:
    """Return the size in a row of a listing."""
    if not _SIZE.match(row["Size"]):
        raise malformed(f"the listing can't be read: a size is {row['Size'][:40]!r}")
    return int(row["Size"])


def _read_at_once(document: bytes) -> "Optional[tuple[list[tuple[str, int]], Document]]":
    """Read a listing in which all objects are consecutive and in the usual form, many times faster.

    One regular expression reads all objects. The XML parser reads the rest of the document and the first object, to
    check that it is an object of the listing and not, for example, part of a comment. Then the others are, too.

    Returns
    -------
    tuple of list of (key, size) and Document, or None
        None if any object is written in another form.
    """
    first = _OBJECT.search(document)
    if not first:
        return None
    before, *parts, after = _OBJECT.split(document)
    keys, sizes, between = parts[0::_STEP], parts[1::_STEP], parts[_STEP - 1 :: _STEP]
    if any(between) or None in keys or None in sizes:
        return None
    found = _read(before + first[0] + after)
    rows = [(key.decode("ascii"), int(size)) for key, size in zip(keys, sizes)]
    parsed = [(row["Key"], size_of(row)) for row in found.rows["Contents"]]
    return (rows, found) if parsed == rows[:1] else None


def marker_of(token: str) -> Optional[str]:
    """Return the version 1 marker of a token; None if it is a continuation token."""
    return token[len(MARKER) :] if token.startswith(MARKER) else None


def token_after(
    next_marker: str, objects: "Sequence[Union[ListedObject, DetailedObject]]", prefixes: "Sequence[str]"
) -> str:
    """Return the token of the next page in version 1; "" if there is none.

    Parameters
    ----------
    next_marker : str
        As the server sent it, or "". S3 sends none without a delimiter; the last name is the marker then.
    objects, prefixes : sequence
        Those of this page.
    """
    last = max(itertools.chain((one.key for one in objects[-1:]), prefixes[-1:]), default="")
    marker = next_marker or last
    return MARKER + marker if marker else ""
