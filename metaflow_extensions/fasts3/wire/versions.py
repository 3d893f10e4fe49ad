"""ListObjectVersions: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html."""

from collections.abc import Sequence
from typing import Optional
from urllib.parse import unquote_plus

from metaflow_extensions.fasts3.wire.dates import xml_timestamp
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.listing import check_names, checked_markers, size_of
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.transfers import ObjectVersion, VersionsPage
from metaflow_extensions.fasts3.wire.xml_documents import read

ROWS = {"Version": ("Key", "VersionId", "Size"), "DeleteMarker": ("Key", "VersionId")}


class VersionTransfers:
    """The method of `Transfers` that lists versions."""

    _exchange: Exchange

    async def list_versions(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> VersionsPage:
        markers = [(name, value) for name, value in zip(("key-marker", "version-id-marker"), after or ()) if value]
        query = [("versions", ""), ("prefix", key), ("encoding-type", "url"), *markers]
        with await self._exchange.request("ListObjectVersions", bucket, query=query) as response:
            return checked(parse(await response.document()), key, after)


def checked(page: VersionsPage, prefix: str, after: Optional[Sequence[str]]) -> VersionsPage:
    """Check that a page matches the request, and correct its marker.

    Raises
    ------
    TransferError
        MALFORMED: it has keys without the prefix, or no new marker for the next page.
    """
    keys = [one.key for one in page.versions]
    check_names(keys, prefix, "the list of versions")
    return page._replace(after=checked_markers(page.after, after, keys, "the list of versions"))


def parse(document: bytes) -> VersionsPage:
    """Parse the response to ListObjectVersions.

    Raises
    ------
    TransferError
        See `xml_documents.read`; MALFORMED for another document.
    """
    found = read(document, "the list of versions", ROWS, OPERATIONS["ListObjectVersions"].roots)
    texts = found.texts
    decode = unquote_plus if texts.get("EncodingType") == "url" else str
    rows = {name: iter(found.rows[name]) for name in ROWS}
    versions = [
        ObjectVersion(
            decode(row["Key"]),
            row["VersionId"],
            row.get("IsLatest") == "true",
            size_of(row) if name == "Version" else None,
            row.get("ETag", ""),
            xml_timestamp(row.get("LastModified", "")),
        )
        for name, row in ((name, next(rows[name])) for name in found.order)
    ]
    more = texts.get("IsTruncated") == "true"
    after = [decode(texts.get("NextKeyMarker", "")), texts.get("NextVersionIdMarker", "")] if more else None
    return VersionsPage(in_order(versions), after)


def in_order(versions: "Sequence[ObjectVersion]") -> "list[ObjectVersion]":
    """Return the versions and delete markers of a page by key, the latest first.

    S3 lists them so. Their times alone do not show the order: they are in full seconds, and that of an upload in parts
    is when it began. Only the times are known if a server lists versions and delete markers apart.
    """
    kinds = [one.size is None for one in versions]
    by_key = all(one.key <= other.key for one, other in zip(versions, versions[1:]))
    if by_key and sum(one is not other for one, other in zip(kinds, kinds[1:])) > 1:
        return list(versions)
    return sorted(versions, key=lambda one: (one.key, not one.is_latest, -(one.modified or 0.0)))
