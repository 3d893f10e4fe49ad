"""ListObjectsV2 and HeadBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.

Servers that support only version 1 ignore `list-type` and respond as described in
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html: a marker identifies the next page.
"""

import itertools
import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Optional, Union
from urllib.parse import unquote_plus

from metaflow_extensions.fasts3.wire.dates import xml_timestamp
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import TransferError, malformed
from metaflow_extensions.fasts3.wire.not_s3 import check_bucket
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.s3_errors import failure_of_bucket
from metaflow_extensions.fasts3.wire.transfers import DetailedObject, ListedObject, Page
from metaflow_extensions.fasts3.wire.xml_documents import Document, read

MARKER = "\0"
"""First character of tokens that are version 1 markers. XML can't hold it, so no server's token starts with it."""
ROWS = {"Contents": ("Key", "Size"), "CommonPrefixes": ("Prefix",)}
_SIZE = re.compile(r"[0-9]{1,19}\Z")  # bytes; int() also accepts signs, underscores and other digits
_CHARACTERS = r"[ -%'-;=-\\^-~]*"  # ASCII without < and &, and without ], which may not start "]]>"
_TEXT = rf"{_CHARACTERS}(?:&(?:quot|apos|amp|lt|gt|#3[49]);{_CHARACTERS})*"
_REFERENCES = (("&quot;", '"'), ("&#34;", '"'), ("&apos;", "'"), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"))
# The fields of an object that are read, each with a pattern of its usual form.
_FIELDS = {"Key": _CHARACTERS, "Size": "[0-9]{1,19}"}
_DETAILS = {**_FIELDS, "ETag": _TEXT, "LastModified": _CHARACTERS, "StorageClass": _CHARACTERS}


def _pattern(fields: "dict[str, str]") -> "re.Pattern[str]":
    """An object as S3 and most servers write it: a group for each field, and two that only match closing tags."""
    texts = "|".join(f"<{name}>({text})</{name}>" for name, text in fields.items())
    # One alternative for each element: with two, the time would double with each of them.
    names = "|".join(f"{name}>" for name in (*fields, "Owner"))
    return re.compile(
        rf"<Contents>(?:{texts}|<Owner>(?:<([A-Za-z]+)>{_TEXT}</\{len(fields) + 1}>)*</Owner>"
        rf"|<(?!{names})([A-Za-z]+)>{_TEXT}</\{len(fields) + 2}>)*</Contents>"
    )


_OBJECT, _DETAILED_OBJECT = _pattern(_FIELDS), _pattern(_DETAILS)


class BucketTransfers:
    """The methods of `Transfers` for buckets."""

    _exchange: Exchange

    async def head_bucket(self, bucket: str, key: str = "") -> None:  # all methods have a key
        try:
            with await self._exchange.request("HeadBucket", bucket) as response:
                response.finish()
                check_bucket(response.head.headers)
        except TransferError as error:
            raise TransferError(failure_of_bucket(error.failure)) from error

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
        with await self._exchange.request("ListObjectsV2", bucket, query=query) as response:
            return checked(parse_page(await response.document(), details), key, token)


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
    check_names([*map(itemgetter(0), page.objects), *page.prefixes], prefix, "the listing")
    return page


def checked_markers(
    after: "Optional[list[str]]", before: Optional[Sequence[str]], keys: Sequence[str], what: str
) -> "Optional[list[str]]":
    """Return the markers of the next page: a key, and the id of an upload or a version.

    Swift encodes the keys for URLs, but not the marker. Decoded, it is another key, and the next page would repeat
    objects or skip some.

    Parameters
    ----------
    after : list of str, optional
        These markers, decoded; None on the last page.
    before : sequence of str, optional
        Those of this page.
    keys : sequence of str
        The keys of this page.

    Raises
    ------
    TransferError
        MALFORMED: another page follows, and its markers are not new.
    """
    if after is None:
        return None
    key, number = after
    if key and keys and unquote_plus(keys[-1]) == key:
        key = keys[-1]
    if not (key or number) or (before and list(before) == [key, number]):
        raise malformed(f"{what} is truncated and has no new marker")
    return [key, number]


def check_names(names: "Sequence[str]", prefix: str, what: str) -> None:
    """Raise TransferError, MALFORMED, for a name that does not begin with the requested prefix."""
    if not all(map(str.startswith, names, itertools.repeat(prefix))):
        other = next(name for name in names if not name.startswith(prefix))
        raise malformed(f"{what} of {prefix[:80]!r} contains {other[:80]!r}, which does not begin with it")


def parse_page(document: bytes, details: bool = False) -> Page:
    """Parse the response to ListObjectsV2.

    Parameters
    ----------
    document : bytes
    details : bool
        Also read ETags, times and storage classes.

    Raises
    ------
    TransferError
        See `xml_documents.read`; MALFORMED for another document.
    """
    (keys, sizes, *others), found = _read_at_once(document, details) or _read_one_by_one(document, details)
    decode = unquote_plus if found.texts.get("EncodingType") == "url" else str
    # Most keys need no decoding; this check takes a third of the time of decoding.
    keys = [decode(key) if "%" in key or "+" in key else key for key in keys]
    objects: Sequence[Union[ListedObject, DetailedObject]]
    if details:
        etags, dates, storage_classes = others
        objects = list(map(DetailedObject, keys, map(int, sizes), etags, map(xml_timestamp, dates), storage_classes))
    else:
        objects = list(map(ListedObject, keys, map(int, sizes)))
    prefixes = [decode(row["Prefix"]) for row in found.rows["CommonPrefixes"]]
    token = found.texts.get("NextContinuationToken", "") if found.texts.get("IsTruncated") == "true" else None
    if token == "" and not found.texts.keys().isdisjoint({"Marker", "NextMarker"}):  # of version 1
        token = token_after(decode(found.texts.get("NextMarker", "")), objects, prefixes)
    return Page(objects, prefixes, token)


def _read(document: bytes) -> Document:
    return read(document, "the listing", ROWS, OPERATIONS["ListObjectsV2"].roots)


def size_of(row: "dict[str, str]") -> int:
    """Return the size in a row of a listing."""
    if not _SIZE.match(row["Size"]):
        raise malformed(f"the listing can't be read: a size is {row['Size'][:40]!r}")
    return int(row["Size"])


Columns = list[list[str]]  # for each field, the texts of all objects; "" for objects that do not have it


def _read_at_once(document: bytes, details: bool) -> Optional[tuple[Columns, Document]]:
    """Read a listing in which all objects are consecutive and in the usual form, many times faster.

    One regular expression reads all objects. The XML parser reads the rest of the document and the first object, to
    check that it is an object of the listing and not, for example, part of a comment. Then the others are, too.

    Returns
    -------
    tuple of columns and Document, or None
        None if any object is written in another form.
    """
    pattern = _DETAILED_OBJECT if details else _OBJECT
    text = document.decode("ascii") if document.isascii() else ""
    first = pattern.search(text)
    if not first:
        return None
    before, *parts, after = pattern.split(text)
    step = pattern.groups + 1  # parts per object
    keys, sizes, *others = (parts[number::step] for number in range(step - 3))
    if any(parts[step - 1 :: step]) or None in keys or None in sizes:
        return None
    found = _read((before + first[0] + after).encode("ascii"))
    columns = [keys, sizes, *map(_unescaped, others)]
    return (columns, found) if _texts_of(found, details) == [column[:1] for column in columns] else None


def _read_one_by_one(document: bytes, details: bool) -> tuple[Columns, Document]:
    found = _read(document)
    for row in found.rows["Contents"]:
        size_of(row)
    return _texts_of(found, details), found


def _texts_of(found: Document, details: bool) -> Columns:
    return [[row.get(name, "") for row in found.rows["Contents"]] for name in (_DETAILS if details else _FIELDS)]


def _unescaped(column: "list[Optional[str]]") -> list[str]:
    """Texts without references; "" for None."""
    # All at once: most columns with references have them in each text. The patterns match no line feed.
    text = "\n".join(one or "" for one in column)
    if "&" in text:
        for reference, character in _REFERENCES:
            text = text.replace(reference, character)
        text = text.replace("&amp;", "&")  # last: &amp;lt; means &lt;
    return text.split("\n")


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
