"""ListMultipartUploads: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html."""

from collections.abc import Sequence
from typing import Optional
from urllib.parse import unquote_plus

from metaflow_extensions.fasts3.wire.dates import http_timestamp, xml_timestamp
from metaflow_extensions.fasts3.wire.exchange import Exchange
from metaflow_extensions.fasts3.wire.failures import Code, TransferError
from metaflow_extensions.fasts3.wire.listing import check_names, checked_markers
from metaflow_extensions.fasts3.wire.operations import OPERATIONS
from metaflow_extensions.fasts3.wire.transfers import OpenUpload, UploadsPage
from metaflow_extensions.fasts3.wire.xml_documents import read

MOST_UPLOADS = 1000  # per page
ROWS = {"Upload": ("Key", "UploadId")}


class OpenUploadTransfers:
    """The method of `Transfers` that lists open multipart uploads."""

    _exchange: Exchange

    async def list_uploads(self, bucket: str, key: str, after: Optional[Sequence[str]] = None) -> UploadsPage:
        try:
            return await self._list_uploads(bucket, key, after, [])
        except TransferError as error:
            if error.failure.code not in (Code.BROKEN, Code.MALFORMED):
                raise
        # XML can't hold some characters of keys; URL encoding can. It comes second, because some servers encode keys
        # differently from S3, and cleaning up would abort an upload of the wrong key.
        return await self._list_uploads(bucket, key, after, [("encoding-type", "url")])

    async def _list_uploads(
        self, bucket: str, key: str, after: Optional[Sequence[str]], encoded: "list[tuple[str, str]]"
    ) -> UploadsPage:
        # SeaweedFS sends only the upload id, and continues only if it receives only that.
        markers = [(name, value) for name, value in zip(("key-marker", "upload-id-marker"), after or ()) if value]
        query = [("uploads", ""), ("prefix", key), ("max-uploads", str(MOST_UPLOADS)), *encoded, *markers]
        with await self._exchange.request("ListMultipartUploads", bucket, query=query) as response:
            now = http_timestamp(response.head.headers.get("date", ""))
            return checked(parse(await response.document())._replace(now=now), key, after)


def checked(page: UploadsPage, prefix: str, after: Optional[Sequence[str]]) -> UploadsPage:
    """Check that a page matches the request, and correct its marker.

    Raises
    ------
    TransferError
        MALFORMED: it has keys without the prefix, or no new marker for the next page.
    """
    keys = [one.key for one in page.uploads]
    check_names(keys, prefix, "the list of uploads")
    return page._replace(after=checked_markers(page.after, after, keys, "the list of uploads"))


def parse(document: bytes) -> UploadsPage:
    """Parse the response to ListMultipartUploads.

    Raises
    ------
    TransferError
        See `xml_documents.read`; MALFORMED for another document.
    """
    roots = OPERATIONS["ListMultipartUploads"].roots
    found = read(document, "the list of uploads", ROWS, roots)
    texts, rows = found.texts, found.rows["Upload"]
    decode = unquote_plus if texts.get("EncodingType") == "url" else str
    more = texts.get("IsTruncated") == "true"
    return UploadsPage(
        [OpenUpload(decode(row["Key"]), row["UploadId"], _time(row.get("Initiated", ""))) for row in rows],
        [decode(texts.get("NextKeyMarker", "")), texts.get("NextUploadIdMarker", "")] if more else None,
    )


def _time(text: str) -> Optional[int]:
    """Unix time of a date in XML; None if it can't be parsed."""
    found = xml_timestamp(text)
    return None if found is None else int(found)
